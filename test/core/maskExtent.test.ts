/** Extents against counts by hand: they must not depend on a mask's resolution. */
import { describe, expect, it } from 'vitest';
import { createMask, type Mask } from '../../src/core/pixels/mask';
import { maskExtent, meanExtent } from '../../src/core/pixels/maskExtent';

/** A rectangle in an image of 128 pixels, drawn `scale` times as fine. */
function rectangle(left: number, top: number, right: number, bottom: number, scale = 1): Mask {
  const side = 128 * scale;
  const mask = createMask({ width: side, height: side });
  for (let y = top * scale; y < bottom * scale; y++)
    mask.data.fill(1, y * side + left * scale, y * side + right * scale);
  return mask;
}

describe('mask extent', () => {
  it.each([1, 3, 4])('counts area and border, drawn %i times as fine', (scale) => {
    const { area, border } = maskExtent([rectangle(0, 10, 20, 40, scale)]);
    expect(area).toBeCloseTo((20 * 30) / 128 ** 2, 9);
    expect(border).toBeCloseTo(30 / 508, 9);
  });

  it('counts what any of several maps holds, at any resolution, once', () => {
    const one = rectangle(10, 10, 30, 30);
    const other = rectangle(60, 60, 80, 80, 2);
    const logits = { size: other.size, data: Float32Array.from(other.data, (value) => value - 0.5) };
    const both = maskExtent([one, logits, one]);
    expect(both.area).toBeCloseTo(800 / 128 ** 2, 9);
    expect(both.border).toBe(0);
  });

  it('is nothing for an empty mask, and all border for a full one', () => {
    expect(maskExtent([createMask({ width: 5, height: 7 })])).toEqual({ area: 0, border: 0 });
    expect(maskExtent([rectangle(0, 0, 128, 128)])).toEqual({ area: 1, border: 1 });
  });

  it('of several references is their mean', () => {
    const extents = [
      { area: 0.1, border: 0 },
      { area: 0.3, border: 0.5 },
    ];
    expect(meanExtent(extents)).toEqual({ area: 0.2, border: 0.25 });
  });
});
