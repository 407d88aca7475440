import { describe, expect, it } from 'vitest';
import {
  backgroundComponents,
  componentMask,
  componentMasks,
  fillHoles,
  foregroundComponents,
  holesOf,
  largestComponent,
} from '../../src/core/pixels/components';
import { boundingBox, createMask, foregroundArea, type Mask, union } from '../../src/core/pixels/mask';
import { golden, maskOf, type PromptCase } from '../goldenCases';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

/** Labels by flood fill, numbered by first pixel in row-major order. */
function floodLabels({ size, data }: Mask, value: number, eight: boolean): Int32Array {
  const { width, height } = size;
  const labels = new Int32Array(data.length);
  let count = 0;
  for (let first = 0; first < data.length; first++) {
    if (data[first] !== value || labels[first] !== 0) continue;
    labels[first] = ++count;
    const todo = [first];
    for (let i = todo.pop(); i !== undefined; i = todo.pop()) {
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          if (!eight && dx !== 0 && dy !== 0) continue;
          const x: number = (i % width) + dx;
          const y: number = Math.floor(i / width) + dy;
          const k = y * width + x;
          if (x < 0 || y < 0 || x >= width || y >= height || data[k] !== value || labels[k] !== 0) continue;
          labels[k] = count;
          todo.push(k);
        }
      }
    }
  }
  return labels;
}

const random = seededRandom(2);
const samples: Mask[] = [...smallSizes, { width: 24, height: 17 }, { width: 17, height: 24 }].flatMap((size) =>
  [0, 0.15, 0.3, 0.5, 0.6, 0.8, 1].map((density) => randomMask(size, density, random)),
);

describe.each([
  ['foreground, 8-connected', foregroundComponents, 1, true],
  ['background, 4-connected', backgroundComponents, 0, false],
] as const)('%s components', (_, find, value, eight) => {
  it('agree with a flood fill', () => {
    for (const mask of samples) {
      const { size, labels, list } = find(mask);
      expect(size).toEqual(mask.size);
      expect(labels).toEqual(floodLabels(mask, value, eight));
      list.forEach((component, k) => {
        expect(component.label).toBe(k + 1);
        const alone = { size, data: Uint8Array.from(labels, (label) => (label === k + 1 ? 1 : 0)) };
        expect(component.area).toBe(foregroundArea(alone));
        expect(component.box).toEqual(boundingBox(alone));
        expect(componentMask({ size, labels, list }, component)).toEqual(alone);
      });
      expect(Math.max(0, ...labels)).toBe(list.length);
    }
  });
});

describe('connectivity', () => {
  it('joins a diagonal line, a spiral and runs that meet late', () => {
    expect(foregroundComponents(drawMask(['#..', '.#.', '..#'])).list.length).toBe(1);
    expect(foregroundComponents(drawMask(['#...#', '#.#.#', '#####'])).list.length).toBe(1);
    expect(foregroundComponents(drawMask(['#####', '....#', '###.#', '#...#', '#####'])).list.length).toBe(1);
    expect(foregroundComponents(drawMask(['#.#', '#.#'])).list.length).toBe(2);
  });

  it('does not wrap around the sides', () => {
    expect(foregroundComponents(drawMask(['..#', '#..'])).list.length).toBe(2);
    expect(foregroundComponents(drawMask(['...#', '....', '#...'])).list.length).toBe(2);
  });
});

describe('componentMasks', () => {
  it('add up to the mask', () => {
    for (const mask of samples) {
      const parts = componentMasks(foregroundComponents(mask));
      expect(union(mask.size, parts)).toEqual(mask);
      expect(parts.reduce((sum, part) => sum + foregroundArea(part), 0)).toBe(foregroundArea(mask));
    }
  });
});

describe('largestComponent', () => {
  it('keeps the one with most pixels', () => {
    expect(largestComponent(drawMask(['#..##', '...##', '#....']))).toEqual(drawMask(['...##', '...##', '.....']));
  });

  it('keeps the first of equals, and an empty mask empty', () => {
    expect(largestComponent(drawMask(['#.#', '#.#']))).toEqual(drawMask(['#..', '#..']));
    expect(largestComponent(createMask({ width: 3, height: 2 }))).toEqual(createMask({ width: 3, height: 2 }));
  });
});

describe('fillHoles', () => {
  const rings = drawMask(['#####...', '#.#.####', '#.####.#', '###..###']);

  it('fills what does not reach the border', () => {
    expect(fillHoles(rings)).toEqual(drawMask(['#####...', '########', '########', '###..###']));
    expect(rings.data[9]).toBe(0);
  });

  it('leaves larger holes than asked', () => {
    expect(fillHoles(rings, 1)).toEqual(drawMask(['#####...', '#.######', '#.######', '###..###']));
    expect(fillHoles(rings, 0)).toEqual(rings);
  });

  it('counts a diagonal gap as closed', () => {
    expect(fillHoles(drawMask(['.#.', '#.#', '.#.']))).toEqual(drawMask(['.#.', '###', '.#.']));
  });

  it('is idempotent and never removes', () => {
    for (const mask of samples) {
      const filled = fillHoles(mask);
      expect(fillHoles(filled)).toEqual(filled);
      expect(union(mask.size, [mask, filled])).toEqual(filled);
    }
  });
});

it('agrees with the golden mask', () => {
  const data = golden<{
    a: PromptCase['mask'];
    components: { count: number; areas: number[]; boxes: number[][]; largest: number };
    holes: number[];
  }>('masks');
  const mask = maskOf(data.a);
  const components = foregroundComponents(mask);
  expect(components.list.length).toBe(data.components.count);
  expect(components.list.map((c) => c.area)).toEqual(data.components.areas);
  expect(components.list.map(({ box }) => [box.left, box.top, box.right, box.bottom])).toEqual(data.components.boxes);
  expect(largestComponent(mask)).toEqual(componentMasks(components)[data.components.largest]);
  expect(holesOf(backgroundComponents(mask)).map((hole) => hole.area)).toEqual(data.holes);
});
