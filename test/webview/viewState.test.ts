import { describe, expect, it } from 'vitest';
import { BRUSH_LIMITS, readViewState, steppedDiameter, type ViewState } from '../../webview/document/viewState';

/** What a page begins with. */
const defaults = readViewState(undefined);

const some: ViewState = {
  tool: 'polygon',
  brush: { diameter: 7, overOthers: true, erasesAll: true },
  style: {
    brightness: { low: 10, high: 200 },
    maskOpacity: 0.25,
    maskVisible: false,
    promptsVisible: false,
    rejectedVisible: true,
    heatMapVisible: true,
    heatMapOpacity: 1,
  },
  panelOpen: false,
  panelOpenNarrow: true,
  folded: ['Result'],
  place: { target: { width: 640, height: 480 }, scale: 2.5, centre: { x: 100.5, y: 20 } },
  polygon: [
    { x: 1, y: 2 },
    { x: 3.5, y: 4 },
  ],
};

describe('readViewState', () => {
  it('gives back what was kept', () => {
    expect(readViewState(JSON.parse(JSON.stringify(some)))).toEqual(some);
    expect(readViewState(JSON.parse(JSON.stringify(defaults)))).toEqual(defaults);
  });

  it('begins with the pan tool, the whole image and an open panel', () => {
    expect(defaults).toMatchObject({ tool: 'pan', place: null, panelOpen: true, polygon: [] });
  });

  it.each([null, 3, 'x', [], {}])('is the default for %j', (kept) => {
    expect(readViewState(kept)).toEqual(defaults);
  });

  it('keeps what is good beside what is not', () => {
    const kept = {
      ...some,
      tool: 'lasso',
      brush: { diameter: -3, overOthers: 'yes', erasesAll: true },
      style: { ...some.style, maskOpacity: 7, brightness: { low: Number.NaN, high: 90 } },
      folded: ['Layers', 5],
      place: { ...some.place, scale: 0 },
      polygon: [{ x: 1, y: 2 }, { x: 'a', y: 2 }, null],
    };
    const { brush, style } = defaults;
    expect(readViewState(kept)).toEqual({
      ...some,
      tool: defaults.tool,
      brush: { diameter: brush.diameter, overOthers: false, erasesAll: true },
      style: { ...some.style, maskOpacity: style.maskOpacity, brightness: { low: style.brightness.low, high: 90 } },
      folded: ['Layers'],
      place: null,
      polygon: [{ x: 1, y: 2 }],
    });
  });
});

describe('steppedDiameter', () => {
  it('goes by single pixels while small and reaches both ends in few steps', () => {
    expect(steppedDiameter(1, 1)).toBe(2);
    expect(steppedDiameter(8, -1)).toBe(7);
    expect(steppedDiameter(BRUSH_LIMITS.least, -1)).toBe(BRUSH_LIMITS.least);
    expect(steppedDiameter(BRUSH_LIMITS.most, 1)).toBe(BRUSH_LIMITS.most);
    for (const [start, direction, end] of [
      [BRUSH_LIMITS.least, 1, BRUSH_LIMITS.most],
      [BRUSH_LIMITS.most, -1, BRUSH_LIMITS.least],
    ] as const) {
      let diameter: number = start;
      let steps = 0;
      for (; diameter !== end; steps++) {
        const next = steppedDiameter(diameter, direction);
        expect(Math.sign(next - diameter)).toBe(direction);
        diameter = next;
      }
      expect(steps).toBeLessThan(40);
    }
  });
});
