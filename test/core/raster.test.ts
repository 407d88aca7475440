import { describe, expect, it } from 'vitest';
import { area, describeSize, type Size } from '../../src/core/geometry';
import { createMask, foregroundArea, fromRuns, type Mask, toRuns } from '../../src/core/pixels/mask';
import {
  type FloatMap,
  resizeBilinear,
  resizeMaskNearest,
  thresholdToMask,
  thresholdToRuns,
} from '../../src/core/pixels/raster';
import { golden, maskOf, type PromptCase } from '../goldenCases';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(4);
const randomMap = (size: Size): FloatMap => ({
  size,
  data: Float32Array.from({ length: size.width * size.height }, () => random() * 20 - 10),
});

/** Torch's rule for one output pixel, written out. */
function slowBilinear({ size, data }: FloatMap, to: Size, x: number, y: number): number {
  const axis = (k: number, from: number, count: number) => {
    const position = Math.max(0, ((k + 0.5) * from) / count - 0.5);
    const low = Math.floor(position);
    return { low, high: Math.min(low + 1, from - 1), weight: position - low };
  };
  const h = axis(x, size.width, to.width);
  const v = axis(y, size.height, to.height);
  const at = (column: number, row: number) => data[row * size.width + column];
  const top = at(h.low, v.low) * (1 - h.weight) + at(h.high, v.low) * h.weight;
  const bottom = at(h.low, v.high) * (1 - h.weight) + at(h.high, v.high) * h.weight;
  return top * (1 - v.weight) + bottom * v.weight;
}

/** Centre of mass of the foreground in the continuous frame. */
function centroid({ size, data }: Mask): { x: number; y: number } {
  let [n, x, y] = [0, 0, 0];
  data.forEach((value, i) => {
    if (value === 0) return;
    n++;
    x += (i % size.width) + 0.5;
    y += Math.floor(i / size.width) + 0.5;
  });
  return { x: x / n, y: y / n };
}

/** A square in the middle of an otherwise empty map or mask. */
function square(size: Size, side: number): Mask {
  const mask = createMask(size);
  const left = (size.width - side) / 2;
  const top = (size.height - side) / 2;
  for (let y = top; y < top + side; y++) mask.data.fill(1, y * size.width + left, y * size.width + left + side);
  return mask;
}

describe('resizeBilinear', () => {
  it('agrees with the formula, growing and shrinking, within 1e-5', () => {
    for (const from of smallSizes) {
      const map = randomMap(from);
      for (const to of [...smallSizes, { width: 13, height: 11 }]) {
        const resized = resizeBilinear(map, to);
        expect(resized.size).toEqual(to);
        expect(resized.data.length).toBe(to.width * to.height);
        for (let i = 0; i < resized.data.length; i++) {
          const expected = slowBilinear(map, to, i % to.width, Math.floor(i / to.width));
          expect(Math.abs(resized.data[i] - expected)).toBeLessThan(1e-5);
        }
      }
    }
  });

  it('agrees with the golden map within 1e-5', () => {
    const data = golden<{ input: { size: Size; data: number[] }; output: { size: Size; data: number[] } }>('resize');
    const input = { size: data.input.size, data: Float32Array.from(data.input.data) };
    const output = resizeBilinear(input, data.output.size);
    expect(output.data.length).toBe(13 * 9);
    output.data.forEach((value, i) => {
      expect(Math.abs(value - data.output.data[i])).toBeLessThan(1e-5);
    });
  });

  it('keeps the same size, a constant and the centre of a mirror-symmetric map', () => {
    const map = randomMap({ width: 9, height: 6 });
    expect(resizeBilinear(map, map.size)).toEqual(map);
    const flat = { size: { width: 3, height: 2 }, data: new Float32Array(6).fill(1.25) };
    expect(new Set(resizeBilinear(flat, { width: 10, height: 7 }).data)).toEqual(new Set([1.25]));
    const bump = { size: { width: 4, height: 1 }, data: Float32Array.of(0, 3, 3, 0) };
    const wide = [...resizeBilinear(bump, { width: 11, height: 1 }).data];
    wide.forEach((value, x) => {
      expect(value).toBeCloseTo(wide[10 - x], 5);
    });
  });

  it('refuses data that does not fill its size, and empty sizes', () => {
    const map = { size: { width: 3, height: 2 }, data: new Float32Array(5) };
    expect(() => resizeBilinear(map, { width: 4, height: 4 })).toThrow(
      new RangeError('map of 3 x 2 needs 6 values, got 5'),
    );
    const good = { size: { width: 3, height: 2 }, data: new Float32Array(6) };
    expect(() => resizeBilinear(good, { width: 0, height: 4 })).toThrow(
      new RangeError('cannot resize 3 x 2 to 0 x 4: a side is 0'),
    );
  });
});

describe('thresholdToMask', () => {
  it('is the resized map, thresholded', () => {
    for (const from of smallSizes) {
      const map = randomMap(from);
      for (const to of [...smallSizes, { width: 31, height: 23 }]) {
        const expected = Uint8Array.from(resizeBilinear(map, to).data, (value) => (value > 0.5 ? 1 : 0));
        expect(thresholdToMask(map, to, 0.5)).toEqual({ size: to, data: expected });
      }
    }
  });

  it('agrees with the golden mask', () => {
    const data = golden<{ input: { size: Size; data: number[] }; threshold: number; mask: PromptCase['mask'] }>(
      'resize',
    );
    const input = { size: data.input.size, data: Float32Array.from(data.input.data) };
    const mask = thresholdToMask(input, data.mask.size, data.threshold);
    expect([...toRuns(mask).runs]).toEqual(data.mask.runs);
  });

  it('leaves out pixels that are exactly at the threshold', () => {
    const map = { size: { width: 2, height: 1 }, data: Float32Array.of(1, 1) };
    expect(foregroundArea(thresholdToMask(map, { width: 5, height: 3 }, 1))).toBe(0);
    expect(foregroundArea(thresholdToMask(map, { width: 5, height: 3 }, 0.999))).toBe(15);
  });

  it('keeps a centred square centred and scales its area', () => {
    for (const [from, side, to] of [
      [{ width: 64, height: 64 }, 20, { width: 256, height: 256 }],
      [{ width: 48, height: 32 }, 12, { width: 333, height: 217 }],
      [{ width: 31, height: 21 }, 9, { width: 127, height: 400 }],
    ] as const) {
      const logits = { size: from, data: Float32Array.from(square(from, side).data, (v) => (v === 1 ? 8 : -8)) };
      const mask = thresholdToMask(logits, to, 0);
      expect(centroid(mask).x).toBeCloseTo(to.width / 2, 6);
      expect(centroid(mask).y).toBeCloseTo(to.height / 2, 6);
      // Corners come out rounded: bilinear cuts about a quarter of a source pixel at each of the four.
      const expected = (side * side * to.width * to.height) / (from.width * from.height);
      expect(foregroundArea(mask) / expected).toBeGreaterThan(0.96);
      expect(foregroundArea(mask) / expected).toBeLessThan(1.02);
    }
  });
});

describe('thresholdToRuns', () => {
  /** Fails, naming the case, unless the runs are those of the thresholded mask. */
  function expectSame(map: FloatMap, to: Size, threshold: number): void {
    const expected = toRuns(thresholdToMask(map, to, threshold));
    const found = thresholdToRuns(map, to, threshold);
    const name = `${describeSize(map.size)} to ${describeSize(to)}, above ${threshold}`;
    expect(found.size, name).toEqual(to);
    expect(Buffer.from(found.runs.buffer).equals(Buffer.from(expected.runs.buffer)), name).toBe(true);
  }

  /** Values among which rounding matters: ties with the threshold, near ties, magnitudes that swallow each other. */
  const awkward = [0, -0, 1, 0.1, 1 / 3, -1 / 3, 1e-45, -1e-45, 1e-38, 3e38, -3e38, 1e30, -1e30, 1e-10, 1e7, -1e7];
  const valuesOf: Readonly<Record<string, () => number>> = {
    'random numbers': () => random() * 20 - 10,
    'whole numbers, often equal to the threshold': () => Math.round(random() * 4) - 2,
    'numbers a rounding step apart': () => 0.1 + Math.round(random() * 3 - 1.5) * 2 ** -27,
    'awkward numbers': () => awkward[Math.floor(random() * awkward.length)],
  };
  const thresholds = [0, 1, 0.1, Math.fround(0.1), -1e7, 1e-46];
  const side = () => 1 + Math.floor(random() ** 2 * 70);

  it.each(Object.keys(valuesOf))('is the thresholded mask, growing and shrinking: %s', (kind) => {
    const mapOf = (size: Size): FloatMap => ({ size, data: Float32Array.from({ length: area(size) }, valuesOf[kind]) });
    for (const from of smallSizes) {
      for (const to of [...smallSizes, { width: 131, height: 97 }, from]) {
        for (const threshold of thresholds) expectSame(mapOf(from), to, threshold);
      }
    }
    for (let round = 0; round < 400; round++) {
      const from = { width: side(), height: side() };
      const to = { width: side() * (1 + (round % 4)), height: side() };
      expectSame(mapOf(from), to, thresholds[round % thresholds.length]);
    }
  });

  it('is the thresholded mask where nothing or everything is above', () => {
    const map = randomMap({ width: 9, height: 7 });
    for (const threshold of [-10, 10]) expectSame(map, { width: 100, height: 40 }, threshold);
    const { runs } = thresholdToRuns(map, { width: 100, height: 40 }, -10);
    expect([...runs]).toEqual([0, 4000]);
  });

  it('goes on from the end of a row to the start of the next', () => {
    const map = { size: { width: 2, height: 2 }, data: Float32Array.of(-1, 1, 1, -1) };
    expect([...thresholdToRuns(map, map.size, 0).runs]).toEqual([1, 2, 1]);
  });

  it('refuses what thresholdToMask refuses', () => {
    const short = { size: { width: 3, height: 2 }, data: new Float32Array(5) };
    expect(() => thresholdToRuns(short, { width: 4, height: 4 }, 0)).toThrow('map of 3 x 2 needs 6 values, got 5');
    const good = { size: { width: 3, height: 2 }, data: new Float32Array(6) };
    expect(() => thresholdToRuns(good, { width: 0, height: 4 }, 0)).toThrow(
      'cannot resize 3 x 2 to 0 x 4: a side is 0',
    );
  });
});

describe('resizeMaskNearest', () => {
  it('agrees with the rule for pixel centres', () => {
    for (const from of smallSizes) {
      const mask = randomMask(from, 0.5, random);
      for (const to of [...smallSizes, { width: 12, height: 10 }]) {
        const resized = resizeMaskNearest(mask, to);
        expect(resized.size).toEqual(to);
        resized.data.forEach((value, i) => {
          const x = Math.floor((((i % to.width) + 0.5) * from.width) / to.width);
          const y = Math.floor(((Math.floor(i / to.width) + 0.5) * from.height) / to.height);
          expect(value).toBe(mask.data[y * from.width + x]);
        });
      }
    }
  });

  it('agrees with the golden masks', () => {
    const { nearest } = golden<{ nearest: { input: PromptCase['mask']; output: PromptCase['mask'] } }>('resize');
    expect(resizeMaskNearest(maskOf(nearest.input), nearest.output.size)).toEqual(maskOf(nearest.output));
  });

  it('repeats pixels at a whole factor, and comes back', () => {
    const mask = drawMask(['#..', '.##']);
    const doubled = drawMask(['##....', '##....', '..####', '..####']);
    expect(resizeMaskNearest(mask, doubled.size)).toEqual(doubled);
    expect(resizeMaskNearest(doubled, mask.size)).toEqual(mask);
  });

  it('keeps a centred square centred and scales its area', () => {
    const mask = square({ width: 48, height: 48 }, 16);
    for (const to of [
      { width: 144, height: 96 },
      { width: 36, height: 24 },
    ]) {
      const resized = resizeMaskNearest(mask, to);
      expect(centroid(resized)).toEqual({ x: to.width / 2, y: to.height / 2 });
      expect(foregroundArea(resized)).toBe((to.width * to.height) / 9);
    }
  });

  it('gives a copy at the same size', () => {
    const mask = fromRuns({ size: { width: 2, height: 2 }, runs: Uint32Array.of(1, 2, 1) });
    const copy = resizeMaskNearest(mask, mask.size);
    expect(copy).toEqual(mask);
    expect(copy.data).not.toBe(mask.data);
  });
});
