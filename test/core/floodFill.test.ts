import { describe, expect, it } from 'vitest';
import { floodFill } from '../../src/core/drawing/floodFill';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { blankLabels, type LabelMap } from '../../src/core/pixels/labelMap';
import { drawLabels, randomLabels, rowsOf, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(26);

/** One pixel at a time. */
function filledByPixel({ size, data }: LabelMap, seed: number, value: number): LabelMap {
  const filled = data.slice();
  const old = data[seed];
  const todo = old === value ? [] : [seed];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    if (filled[at] !== old) continue;
    filled[at] = value;
    if (at % size.width > 0) todo.push(at - 1);
    if (at % size.width < size.width - 1) todo.push(at + 1);
    if (at >= size.width) todo.push(at - size.width);
    if (at + size.width < data.length) todo.push(at + size.width);
  }
  return { size, data: filled };
}

describe('floodFill', () => {
  it('agrees with a fill pixel by pixel', () => {
    for (const size of [...smallSizes, { width: 24, height: 17 }, { width: 17, height: 24 }]) {
      for (const values of [[0], [0, 1], [0, 0, 1], [0, 0, 0, 0, 2], [0, 1, 2, 255]]) {
        for (let k = 0; k < 12; k++) {
          const before = randomLabels(size, values, random);
          const seed = Math.floor(random() * before.data.length);
          const value = k % 4;
          const labels = { size, data: before.data.slice() };
          const point = { x: (seed % size.width) + random(), y: Math.floor(seed / size.width) + random() };
          const change = floodFill(labels, point, value);
          const expected = filledByPixel(before, seed, value);
          expect(labels).toEqual(expected);
          expect(change).toEqual(changeBetween(before, expected));
        }
      }
    }
  });

  it('goes around corners and back, and not through a diagonal gap', () => {
    const labels = drawLabels([
      '.........',
      '.1111111.',
      '.1.....1.',
      '.1.111.1.',
      '.1.1...1.',
      '.1.11111.',
      '.1......1',
      '.1111111.',
    ]);
    floodFill(labels, { x: 5.5, y: 4.5 }, 2);
    expect(rowsOf(labels)).toEqual([
      '.........',
      '.1111111.',
      '.1222221.',
      '.1211121.',
      '.1212221.',
      '.1211111.',
      '.12222221',
      '.1111111.',
    ]);
  });

  it('replaces a component of another class, and takes one away', () => {
    const labels = drawLabels(['22.2', '2..2', '?1..']);
    floodFill(labels, { x: 0, y: 0 }, 1);
    expect(rowsOf(labels)).toEqual(['11.2', '1..2', '?1..']);
    floodFill(labels, { x: 3.9, y: 1.9 }, 0);
    expect(rowsOf(labels)).toEqual(['11..', '1...', '?1..']);
  });

  it('does nothing outside the image and where the value is there already', () => {
    const labels = drawLabels(['.1', '..']);
    for (const point of [
      { x: -0.1, y: 0 },
      { x: 0, y: 2 },
      { x: 2, y: 0 },
      { x: 1.5, y: 0.5 },
    ]) {
      expect(floodFill(labels, point, 1).starts.length).toBe(0);
    }
    expect(rowsOf(labels)).toEqual(['.1', '..']);
  });

  it('fills a large image without a deep stack, in whole segments', () => {
    const labels = blankLabels({ width: 1500, height: 1200 });
    const change = floodFill(labels, { x: 700, y: 600 }, 9);
    expect([...change.starts]).toEqual([0]);
    expect([...change.lengths]).toEqual([1500 * 1200]);
    // A comb: as many turns as there are rows.
    for (let y = 1; y < 1200; y += 2)
      labels.data.fill(1, y * 1500 + (y % 4 === 1 ? 0 : 1), (y + 1) * 1500 - (y % 4 === 1 ? 1 : 0));
    floodFill(labels, { x: 0, y: 0 }, 5);
    expect(labels.data.includes(9)).toBe(false);
  });
});
