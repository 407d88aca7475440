import { describe, expect, it } from 'vitest';
import { foregroundComponents } from '../../src/core/pixels/components';
import { boundingBox, foregroundArea, type Mask } from '../../src/core/pixels/mask';
import { golden, maskOf, type PromptCase } from '../goldenCases';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

/** Labels by flood fill in all eight directions, numbered by first pixel in row-major order. */
function floodLabels({ size, data }: Mask): Int32Array {
  const { width, height } = size;
  const labels = new Int32Array(data.length);
  let count = 0;
  for (let first = 0; first < data.length; first++) {
    if (data[first] === 0 || labels[first] !== 0) continue;
    labels[first] = ++count;
    const todo = [first];
    for (let i = todo.pop(); i !== undefined; i = todo.pop()) {
      for (let dy = -1; dy <= 1; dy++) {
        for (let dx = -1; dx <= 1; dx++) {
          const x: number = (i % width) + dx;
          const y: number = Math.floor(i / width) + dy;
          const k = y * width + x;
          if (x < 0 || y < 0 || x >= width || y >= height || data[k] === 0 || labels[k] !== 0) continue;
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

describe('components', () => {
  it('agree with a flood fill', () => {
    for (const mask of samples) {
      const { size, labels, list } = foregroundComponents(mask);
      expect(size).toEqual(mask.size);
      expect(labels).toEqual(floodLabels(mask));
      list.forEach((component, k) => {
        expect(component.label).toBe(k + 1);
        const alone = { size, data: Uint8Array.from(labels, (label) => (label === k + 1 ? 1 : 0)) };
        expect(component.area).toBe(foregroundArea(alone));
        expect(component.box).toEqual(boundingBox(alone));
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

it('agrees with the golden mask', () => {
  const data = golden<{
    a: PromptCase['mask'];
    components: { count: number; areas: number[]; boxes: number[][] };
  }>('masks');
  const mask = maskOf(data.a);
  const components = foregroundComponents(mask);
  expect(components.list.length).toBe(data.components.count);
  expect(components.list.map((c) => c.area)).toEqual(data.components.areas);
  expect(components.list.map(({ box }) => [box.left, box.top, box.right, box.bottom])).toEqual(data.components.boxes);
});
