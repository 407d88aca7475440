import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import {
  blankLabels,
  classRuns,
  forEachMergedSpan,
  fromLabelRuns,
  intersectRuns,
  type LabelMap,
  labelsOfSize,
  mergeClass,
  mergeClasses,
  toLabelRuns,
  unionRuns,
  valuesOf,
} from '../../src/core/pixels/labelMap';
import { fromRuns, type RunMask, toRuns, union } from '../../src/core/pixels/mask';
import { UserError } from '../../src/core/userError';
import { drawLabels, drawMask, randomLabels, randomMask, rowsOf, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(21);
const palettes = [[0], [3], [0, 1], [0, 1, 2, 255], [0, 0, 0, 0, 0, 7], [1, 254]];
const samples: LabelMap[] = [...smallSizes, { width: 40, height: 23 }].flatMap((size) =>
  palettes.map((values) => randomLabels(size, values, random)),
);

/** Pixel by pixel: what the class loses becomes background, and it gets only background. */
function mergedByPixel(labels: LabelMap, classId: number, mask: RunMask): LabelMap {
  const wanted = fromRuns(mask).data;
  const data = labels.data.map((old, i) => {
    if (wanted[i] === 1) return old === 0 ? classId : old;
    return old === classId ? 0 : old;
  });
  return { size: labels.size, data };
}

const masksOf = (size: Size): RunMask[] => [0, 0.3, 0.7, 1].map((density) => toRuns(randomMask(size, density, random)));

describe('label runs', () => {
  it('are as few as can be and name their values', () => {
    const { values, lengths } = toLabelRuns(drawLabels(['..1', '122', '2..']));
    expect([...values]).toEqual([0, 1, 2, 0]);
    expect([...lengths]).toEqual([2, 2, 3, 2]);
  });

  it('round trip', () => {
    for (const labels of samples) {
      const runs = toLabelRuns(labels);
      expect(runs.lengths.reduce((a, b) => a + b, 0)).toBe(area(labels.size));
      for (let i = 1; i < runs.values.length; i++) expect(runs.values[i]).not.toBe(runs.values[i - 1]);
      expect(fromLabelRuns(runs)).toEqual(labels);
    }
  });

  it('refuse a wrong sum and a missing length', () => {
    const size = { width: 3, height: 2 };
    expect(() => fromLabelRuns({ size, values: Uint8Array.of(0, 1), lengths: Uint32Array.of(2, 3) })).toThrow(
      new RangeError('label runs of a 3 x 2 map sum to 6, got 5'),
    );
    expect(() => fromLabelRuns({ size, values: Uint8Array.of(0, 1), lengths: Uint32Array.of(6) })).toThrow(
      new RangeError('label runs need a length per value, got 2 values and 1 lengths'),
    );
  });
});

describe('classRuns', () => {
  it('are the runs of the mask of the pixels with that value', () => {
    for (const labels of samples) {
      for (const classId of [1, 2, 7, 255]) {
        const data = labels.data.map((value) => (value === classId ? 1 : 0));
        expect(fromRuns(classRuns(labels, classId)).data).toEqual(data);
        expect(classRuns(labels, classId).runs[0]).toBe(toRuns({ size: labels.size, data }).runs[0]);
      }
    }
  });
});

describe('mergeClass', () => {
  it('gives the class its mask where nothing else is', () => {
    const labels = drawLabels(['11..', '122?', '1...']);
    const mask = toRuns(drawMask(['.##.', '####', '...#']));
    expect(rowsOf(mergeClass(labels, 1, mask))).toEqual(['.11.', '122?', '...1']);
    expect(rowsOf(labels)).toEqual(['11..', '122?', '1...']);
  });

  it('agrees with a look at every pixel', () => {
    for (const labels of samples) {
      for (const mask of masksOf(labels.size)) {
        for (const classId of [1, 3, 9]) {
          expect(mergeClass(labels, classId, mask)).toEqual(mergedByPixel(labels, classId, mask));
        }
      }
    }
  });

  it('visits only pixels that change, ascending', () => {
    for (const labels of samples) {
      for (const mask of masksOf(labels.size)) {
        const merged = mergeClass(labels, 1, mask);
        let last = 0;
        let count = 0;
        forEachMergedSpan(labels, 1, mask, (start, end, value) => {
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(start);
          for (let at = start; at < end; at++) {
            expect(merged.data[at]).toBe(value);
            expect(labels.data[at]).not.toBe(value);
          }
          count += end - start;
          last = end;
        });
        expect(count).toBe(labels.data.filter((old, i) => old !== merged.data[i]).length);
      }
    }
  });
});

describe('unionRuns and intersectRuns', () => {
  it('are the union and the intersection of the masks', () => {
    for (const size of smallSizes) {
      for (const a of masksOf(size)) {
        for (const b of masksOf(size)) {
          expect(unionRuns(a, b)).toEqual(toRuns(union(size, [fromRuns(a), fromRuns(b)])));
          const other = fromRuns(b).data;
          const both = fromRuns(a).data.map((value, i) => value & other[i]);
          expect(intersectRuns(a, b)).toEqual(toRuns({ size, data: both }));
        }
      }
    }
  });

  it('refuses two sizes', () => {
    const a = toRuns(drawMask(['##']));
    const b = toRuns(drawMask(['#', '#']));
    expect(() => unionRuns(a, b)).toThrow(new RangeError('masks are 2 x 1 and 1 x 2, expected the same size'));
  });
});

describe('valuesOf', () => {
  it('lists what occurs besides background, ascending', () => {
    expect(valuesOf(drawLabels(['.?2', '12.']))).toEqual([1, 2, 255]);
    expect(valuesOf(blankLabels({ width: 4, height: 4 }))).toEqual([]);
  });
});

describe('mergeClasses', () => {
  /** Pixel by pixel: all the classes go first, then the earliest that wants a background pixel gets it. */
  function mergedAtOnce(labels: LabelMap, masks: readonly { classId: number; mask: RunMask }[]): number[] {
    const wanted = masks.map(({ mask }) => fromRuns(mask).data);
    return Array.from(labels.data, (old, i) => {
      const left = masks.some(({ classId }) => classId === old) ? 0 : old;
      const taker = masks.find((_, index) => wanted[index][i] === 1);
      return left === 0 && taker !== undefined ? taker.classId : left;
    });
  }

  it('is what a look at every pixel gives, whatever was there', () => {
    for (const labels of samples) {
      const before = labels.data.slice();
      for (const classIds of [[1], [2, 1], [1, 7, 3]]) {
        for (let round = 0; round < 3; round++) {
          const masks = classIds.map((classId) => ({
            classId,
            mask: toRuns(randomMask(labels.size, random(), random)),
          }));
          expect([...mergeClasses(labels, masks).data]).toEqual(mergedAtOnce(labels, masks));
        }
      }
      expect(labels.data).toEqual(before);
    }
  });

  it('of one class is mergeClass', () => {
    for (const labels of samples) {
      for (const mask of masksOf(labels.size)) {
        expect(mergeClasses(labels, [{ classId: 1, mask }])).toEqual(mergeClass(labels, 1, mask));
      }
    }
  });
});

describe('labelsOfSize', () => {
  const labels = drawLabels(['11', '..']);

  it('keeps labels of the size, and starts afresh where only the class itself is lost', () => {
    expect(labelsOfSize(labels, [1], labels.size, 'a.png')).toBe(labels);
    expect(labelsOfSize(labels, [1], { width: 3, height: 1 }, 'a.png')).toEqual(blankLabels({ width: 3, height: 1 }));
  });

  it('refuses to lose other classes', () => {
    expect(() => labelsOfSize(labels, [2], { width: 3, height: 1 }, 'a.png')).toThrow(
      new UserError('a.png is 2 x 2 but its image is 3 x 1, and it holds other classes.'),
    );
  });
});
