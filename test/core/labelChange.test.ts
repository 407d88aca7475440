import { describe, expect, it } from 'vitest';
import {
  applyChange,
  boxOfChange,
  ChangeWriter,
  changeBetween,
  changeOfClass,
  checkChange,
  fits,
  invertChange,
  isUnchanged,
  type LabelChange,
  rebase,
} from '../../src/core/drawing/labelChange';
import { area } from '../../src/core/geometry';
import { type LabelMap, mergeClass } from '../../src/core/pixels/labelMap';
import { toRuns } from '../../src/core/pixels/mask';
import { drawLabels, randomLabels, randomMask, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(22);
const sizes = [...smallSizes, { width: 31, height: 18 }];
const pairs: [before: LabelMap, after: LabelMap][] = sizes.flatMap((size) =>
  [
    [0, 1],
    [0, 0, 0, 0, 4],
    [0, 1, 2, 255],
  ].map((values): [LabelMap, LabelMap] => [randomLabels(size, values, random), randomLabels(size, values, random)]),
);

const copyOf = ({ size, data }: LabelMap): LabelMap => ({ size, data: data.slice() });

const listOf = ({ starts, lengths, before, after }: LabelChange): number[][] =>
  Array.from(starts, (start, i) => [start, lengths[i], before[i], after[i]]);

const changeOf = (...segments: [start: number, length: number, before: number, after: number][]): LabelChange => ({
  starts: Uint32Array.from(segments, ([start]) => start),
  lengths: Uint32Array.from(segments, ([, length]) => length),
  before: Uint8Array.from(segments, ([, , before]) => before),
  after: Uint8Array.from(segments, ([, , , after]) => after),
});

describe('changeBetween', () => {
  it('joins neighbours that change alike, over the ends of rows too', () => {
    const change = changeBetween(drawLabels(['..1', '1.2']), drawLabels(['.22', '2..']));
    expect(listOf(change)).toEqual([
      [1, 1, 0, 2],
      [2, 2, 1, 2],
      [5, 1, 2, 0],
    ]);
  });

  it('holds every pixel that differs, once, and nothing else', () => {
    for (const [before, after] of pairs) {
      const change = changeBetween(before, after);
      checkChange(change, area(before.size));
      const seen = new Set<number>();
      for (const [start, length, old, value] of listOf(change)) {
        for (let at = start; at < start + length; at++) {
          seen.add(at);
          expect([before.data[at], after.data[at]]).toEqual([old, value]);
        }
      }
      before.data.forEach((old, at) => {
        expect(seen.has(at)).toBe(old !== after.data[at]);
      });
    }
  });

  it('looks only at the pixels asked for', () => {
    const before = drawLabels(['....']);
    const after = drawLabels(['1111']);
    expect(listOf(changeBetween(before, after, 1, 3))).toEqual([[1, 2, 0, 1]]);
  });

  it('is empty between equals and refuses two sizes', () => {
    const labels = drawLabels(['12', '..']);
    expect(isUnchanged(changeBetween(labels, labels))).toBe(true);
    expect(isUnchanged(changeBetween(labels, drawLabels(['12', '.1'])))).toBe(false);
    expect(() => changeBetween(labels, drawLabels(['12..']))).toThrow(
      new RangeError('label maps are 2 x 2 and 4 x 1, expected one size'),
    );
  });
});

describe('a change', () => {
  it('leads from before to after and back', () => {
    for (const [before, after] of pairs) {
      const change = changeBetween(before, after);
      const labels = copyOf(before);
      expect(fits(labels, change)).toBe(true);
      applyChange(labels, change);
      expect(labels).toEqual(after);
      const back = invertChange(change);
      expect(fits(labels, back)).toBe(true);
      applyChange(labels, back);
      expect(labels).toEqual(before);
    }
  });

  it('no longer fits once one of its pixels has changed', () => {
    const change = changeOf([1, 3, 0, 2]);
    expect(fits(drawLabels(['1...1']), change)).toBe(true);
    expect(fits(drawLabels(['1..11']), change)).toBe(false);
  });

  it('rebased has the same effect and says what it replaces', () => {
    for (const [before, after] of pairs) {
      const change = changeBetween(before, after);
      const other = randomLabels(before.size, [0, 1, 2], random);
      const expected = copyOf(other);
      applyChange(expected, change);
      const rebased = rebase(other, change);
      expect(fits(other, rebased)).toBe(true);
      const labels = copyOf(other);
      applyChange(labels, rebased);
      expect(labels).toEqual(expected);
      expect(listOf(rebased)).toEqual(listOf(changeBetween(other, expected)));
    }
  });
});

describe('changeOfClass', () => {
  it('is what merging the class changes', () => {
    for (const size of sizes) {
      for (const values of [[0], [0, 1, 2, 255], [1, 1, 1, 0], [2]]) {
        const labels = randomLabels(size, values, random);
        for (const density of [0, 0.4, 1]) {
          const mask = toRuns(randomMask(size, density, random));
          const change = changeOfClass(labels, 1, mask);
          expect(listOf(change)).toEqual(listOf(changeBetween(labels, mergeClass(labels, 1, mask))));
        }
      }
    }
  });

  it('is one segment where whole rows follow each other', () => {
    const labels = drawLabels(['....', '....', '....']);
    const mask = { size: labels.size, runs: Uint32Array.of(2, 7, 3) };
    expect(listOf(changeOfClass(labels, 5, mask))).toEqual([[2, 7, 0, 5]]);
    // Empty runs in between do not cut it.
    expect(listOf(changeOfClass(labels, 5, { ...mask, runs: Uint32Array.of(2, 3, 0, 4, 3) }))).toEqual([[2, 7, 0, 5]]);
  });
});

describe('checkChange', () => {
  it('accepts segments that touch and that reach the last pixel', () => {
    expect(() => checkChange(changeOf([0, 2, 0, 1], [2, 1, 1, 0], [5, 3, 0, 1]), 8)).not.toThrow();
    expect(() => checkChange(changeOf(), 0)).not.toThrow();
  });

  it.each([
    ['overlap', changeOf([0, 3, 0, 1], [2, 1, 0, 1])],
    ['descending', changeOf([4, 1, 0, 1], [2, 1, 0, 1])],
    ['the same twice', changeOf([4, 1, 0, 1], [4, 1, 0, 1])],
    ['empty', changeOf([0, 0, 0, 1])],
    ['beyond the end', changeOf([6, 3, 0, 1])],
    ['far beyond the end', changeOf([2 ** 32 - 1, 1, 0, 1])],
    ['missing lengths', { ...changeOf([0, 1, 0, 1]), lengths: new Uint32Array(0) }],
    ['missing before', { ...changeOf([0, 1, 0, 1]), before: new Uint8Array(0) }],
    ['too many after', { ...changeOf([0, 1, 0, 1]), after: new Uint8Array(2) }],
  ])('refuses %s', (_, change) => {
    expect(() => checkChange(change, 8)).toThrow(RangeError);
  });
});

describe('boxOfChange', () => {
  it('agrees with a look at every pixel', () => {
    for (const [before, after] of pairs) {
      const { width } = before.size;
      const changed = [...before.data.keys()].filter((at) => before.data[at] !== after.data[at]);
      const columns = changed.map((at) => at % width);
      const rows = changed.map((at) => Math.floor(at / width));
      const box = boxOfChange(changeBetween(before, after), width);
      if (changed.length === 0) expect(box).toBeNull();
      else {
        expect(box).toEqual({
          left: Math.min(...columns),
          top: Math.min(...rows),
          right: Math.max(...columns) + 1,
          bottom: Math.max(...rows) + 1,
        });
      }
    }
  });

  it('spans the width where a segment goes on in the next row', () => {
    expect(boxOfChange(changeOf([3, 3, 0, 1]), 5)).toEqual({ left: 0, top: 0, right: 5, bottom: 2 });
    expect(boxOfChange(changeOf([3, 2, 0, 1]), 5)).toEqual({ left: 3, top: 0, right: 5, bottom: 1 });
  });
});

describe('ChangeWriter', () => {
  it('joins spans and pixels alike', () => {
    const writer = new ChangeWriter();
    writer.add(2, 0, 1);
    writer.addSpan(3, 4, 0, 1);
    writer.addSpan(7, 2, 3, 1);
    writer.add(10, 3, 1);
    expect(listOf(writer.change())).toEqual([
      [2, 5, 0, 1],
      [7, 2, 3, 1],
      [10, 1, 3, 1],
    ]);
  });
});
