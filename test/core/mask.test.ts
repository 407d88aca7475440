import { describe, expect, it } from 'vitest';
import {
  boundingBox,
  checkMask,
  cocoCounts,
  createMask,
  foregroundArea,
  fromCocoCounts,
  fromRuns,
  isEmpty,
  isFull,
  type Mask,
  toRuns,
  union,
} from '../../src/core/mask';
import { golden, maskOf, type PromptCase } from '../goldenCases';
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
    expect(cocoCounts(drawMask(['#..', '.##']))).toEqual([0, 1, 2, 1, 1, 1]);
    expect(cocoCounts(createMask({ width: 2, height: 2 }))).toEqual([4]);
  });

  it('agree with the golden mask', () => {
    const { a, cocoA } = golden<{ a: PromptCase['mask']; cocoA: number[] }>('masks');
    expect(cocoCounts(maskOf(a))).toEqual(cocoA);
    expect(fromCocoCounts(cocoA, a.size)).toEqual(maskOf(a));
  });

  it('round trip', () => {
    for (const mask of samples) expect(fromCocoCounts(cocoCounts(mask), mask.size)).toEqual(mask);
  });

  it('refuse a wrong sum and lengths that are not whole', () => {
    const size = { width: 2, height: 2 };
    expect(() => fromCocoCounts([1, 2], size)).toThrow(new RangeError('COCO counts of a 2 x 2 mask sum to 4, got 3'));
    expect(() => fromCocoCounts([5, -1], size)).toThrow(RangeError);
    expect(() => fromCocoCounts([1.5, 2.5], size)).toThrow(RangeError);
    expect(() => fromCocoCounts([Number.NaN], size)).toThrow(RangeError);
  });
});

describe('foregroundArea, isEmpty, isFull', () => {
  it('agree with counting', () => {
    for (const mask of samples) {
      const count = [...mask.data].filter((value) => value === 1).length;
      expect(foregroundArea(mask)).toBe(count);
      expect(isEmpty(mask)).toBe(count === 0);
      expect(isFull(mask)).toBe(count === mask.data.length);
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
