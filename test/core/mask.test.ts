import { describe, expect, it } from 'vitest';
import {
  boundingBox,
  centroid,
  checkMask,
  cocoCounts,
  createMask,
  cropMask,
  emptyRuns,
  foregroundArea,
  fromRuns,
  hasForeground,
  isEmpty,
  type Mask,
  mirrorMask,
  toRuns,
  union,
} from '../../src/core/pixels/mask';
import { golden, maskOf, type PromptCase } from '../goldenCases';
import { fromCocoCounts } from '../masks';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(1);
const samples: Mask[] = smallSizes.flatMap((size) => [0, 0.2, 0.5, 0.9, 1].map((d) => randomMask(size, d, random)));
samples.push(randomMask({ width: 130, height: 70 }, 0.4, random));

describe('run lengths', () => {
  it('start with background and alternate', () => {
    expect([...toRuns(drawMask(['#..', '.##'])).runs]).toEqual([0, 1, 3, 2]);
    expect([...toRuns(drawMask(['.#', '#.'])).runs]).toEqual([1, 2, 1]);
    expect([...toRuns(createMask({ width: 3, height: 2 })).runs]).toEqual([6]);
    expect([...toRuns(drawMask(['##', '##'])).runs]).toEqual([0, 4]);
  });

  it('round trip', () => {
    for (const mask of samples) {
      const runs = toRuns(mask);
      expect(runs.runs.reduce((a, b) => a + b, 0)).toBe(mask.data.length);
      expect(fromRuns(runs)).toEqual(mask);
    }
  });

  it('refuse a wrong sum', () => {
    const size = { width: 3, height: 2 };
    expect(() => fromRuns({ size, runs: Uint32Array.of(1, 4) })).toThrow(
      new RangeError('run lengths of a 3 x 2 mask sum to 6, got 5'),
    );
    expect(() => fromRuns({ size, runs: Uint32Array.of(1, 6) })).toThrow(RangeError);
  });

  it('refuse a mask whose data does not fill its size', () => {
    const short = { size: { width: 3, height: 2 }, data: new Uint8Array(5) };
    expect(() => checkMask(short)).toThrow(new RangeError('mask of 3 x 2 needs 6 values, got 5'));
    expect(() => toRuns(short)).toThrow(RangeError);
  });
});

describe('COCO counts', () => {
  it('run down the columns', () => {
    expect(cocoCounts(toRuns(drawMask(['#..', '.##'])))).toEqual([0, 1, 2, 1, 1, 1]);
    expect(cocoCounts(toRuns(createMask({ width: 2, height: 2 })))).toEqual([4]);
  });

  it('agree with the golden mask', () => {
    const { a, cocoA } = golden<{ a: PromptCase['mask']; cocoA: number[] }>('masks');
    expect(cocoCounts(toRuns(maskOf(a)))).toEqual(cocoA);
    expect(fromCocoCounts(cocoA, a.size)).toEqual(maskOf(a));
  });

  it('round trip', () => {
    for (const mask of samples) expect(fromCocoCounts(cocoCounts(toRuns(mask)), mask.size)).toEqual(mask);
  });

  it('have no empty run but the first', () => {
    for (const mask of samples) expect(cocoCounts(toRuns(mask)).slice(1)).not.toContain(0);
  });

  it('refuse a wrong sum', () => {
    const size = { width: 2, height: 2 };
    expect(() => cocoCounts({ size, runs: Uint32Array.of(1, 2) })).toThrow(RangeError);
  });
});

describe('foregroundArea, isEmpty', () => {
  it('agree with counting', () => {
    for (const mask of samples) {
      const count = [...mask.data].filter((value) => value === 1).length;
      expect(foregroundArea(mask)).toBe(count);
      expect(isEmpty(mask)).toBe(count === 0);
      expect(hasForeground(toRuns(mask))).toBe(count > 0);
      if (count === 0) expect(emptyRuns(mask.size)).toEqual(toRuns(mask));
    }
  });
});

describe('boundingBox', () => {
  it('agrees with every foreground pixel', () => {
    for (const mask of samples) {
      const { width } = mask.size;
      const pixels = [...mask.data.keys()].filter((i) => mask.data[i] === 1);
      const xs = pixels.map((i) => i % width);
      const ys = pixels.map((i) => Math.floor(i / width));
      const expected =
        pixels.length === 0
          ? undefined
          : { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs) + 1, bottom: Math.max(...ys) + 1 };
      expect(boundingBox(mask)).toEqual(expected);
    }
  });
});

describe('union', () => {
  it('is foreground where any mask is', () => {
    const a = drawMask(['#..', '...']);
    const b = drawMask(['#.#', '...']);
    expect(union(a.size, [a, b])).toEqual(b);
    expect(a).toEqual(drawMask(['#..', '...']));
  });

  it('of nothing is empty', () => {
    expect(union({ width: 2, height: 3 }, [])).toEqual(createMask({ width: 2, height: 3 }));
  });

  it('refuses another size, also one with as many pixels', () => {
    expect(() => union({ width: 2, height: 3 }, [createMask({ width: 3, height: 2 })])).toThrow(
      new RangeError('masks are 2 x 3 and 3 x 2, expected the same size'),
    );
  });
});

describe('mirrorMask', () => {
  it('exchanges left and right, and leaves its argument alone', () => {
    const mask = drawMask(['##.', '..#']);
    expect(mirrorMask(mask)).toEqual(drawMask(['.##', '#..']));
    expect(mask).toEqual(drawMask(['##.', '..#']));
  });

  it('agrees with every pixel, and undoes itself', () => {
    for (const mask of samples) {
      const mirrored = mirrorMask(mask);
      const { width } = mask.size;
      expect(mirrored.size).toEqual(mask.size);
      mirrored.data.forEach((value, i) => {
        const x = i % width;
        if (value !== mask.data[i - x + width - 1 - x]) expect.fail(`pixel ${i} of ${width} columns`);
      });
      expect(mirrorMask(mirrored)).toEqual(mask);
    }
  });
});

describe('cropMask', () => {
  const mask = drawMask(['#..#.', '.##..', '#...#']);

  it('cuts a box out', () => {
    expect(cropMask(mask, { left: 1, top: 0, right: 4, bottom: 2 })).toEqual(drawMask(['..#', '##.']));
    expect(cropMask(mask, { left: 3, top: 1, right: 5, bottom: 3 })).toEqual(drawMask(['..', '.#']));
    expect(cropMask(mask, { left: 0, top: 2, right: 1, bottom: 3 })).toEqual(drawMask(['#']));
  });

  it('of the whole mask is a copy', () => {
    const whole = cropMask(mask, { left: 0, top: 0, right: 5, bottom: 3 });
    expect(whole).toEqual(mask);
    expect(whole.data).not.toBe(mask.data);
  });

  it('agrees with every pixel', () => {
    for (const sample of samples) {
      const { width, height } = sample.size;
      const [left, top] = [Math.floor(random() * width), Math.floor(random() * height)];
      const right = left + 1 + Math.floor(random() * (width - left));
      const bottom = top + 1 + Math.floor(random() * (height - top));
      const cropped = cropMask(sample, { left, top, right, bottom });
      expect(cropped.size).toEqual({ width: right - left, height: bottom - top });
      const expected: number[] = [];
      for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) expected.push(sample.data[y * width + x]);
      expect([...cropped.data]).toEqual(expected);
    }
  });

  it('to its bounding box keeps every foreground pixel', () => {
    for (const sample of samples) {
      const box = boundingBox(sample);
      if (box) expect(foregroundArea(cropMask(sample, box))).toBe(foregroundArea(sample));
    }
  });
});

describe('centroid', () => {
  it('is the mean of pixel centres, which lie at halves', () => {
    expect(centroid(drawMask(['#']))).toEqual({ x: 0.5, y: 0.5 });
    expect(centroid(drawMask(['....', '..#.']))).toEqual({ x: 2.5, y: 1.5 });
    expect(centroid(drawMask(['###', '###']))).toEqual({ x: 1.5, y: 1 });
    expect(centroid(drawMask(['#..', '...', '..#', '..#']))).toEqual({
      x: (0.5 + 2.5 + 2.5) / 3,
      y: (0.5 + 2.5 + 3.5) / 3,
    });
  });

  it('of an empty mask is undefined', () => {
    expect(centroid(createMask({ width: 4, height: 2 }))).toBeUndefined();
  });

  it('agrees with every foreground pixel, and moves with the mirror', () => {
    for (const mask of samples) {
      const { width } = mask.size;
      const pixels = [...mask.data.keys()].filter((i) => mask.data[i] === 1);
      const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const found = centroid(mask);
      if (pixels.length === 0) {
        expect(found).toBeUndefined();
        continue;
      }
      expect(found!.x).toBeCloseTo(mean(pixels.map((i) => (i % width) + 0.5)), 9);
      expect(found!.y).toBeCloseTo(mean(pixels.map((i) => Math.floor(i / width) + 0.5)), 9);
      expect(centroid(mirrorMask(mask))!.x).toBeCloseTo(width - found!.x, 9);
    }
  });
});
