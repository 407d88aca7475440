import { describe, expect, it } from 'vitest';
import { createMask, type Mask } from '../../src/core/pixels/mask';
import { boundary, boundaryF, defaultTolerance, dice, dilate, iou } from '../../src/core/pixels/maskMetrics';
import { golden, maskOf, type PromptCase } from '../goldenCases';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(3);
const pairs: [Mask, Mask][] = [...smallSizes, { width: 19, height: 14 }].flatMap((size) =>
  [0, 0.1, 0.5, 0.9, 1].map((d): [Mask, Mask] => [randomMask(size, d, random), randomMask(size, 0.4, random)]),
);

const pixelsOf = (mask: Mask): [number, number][] =>
  [...mask.data.keys()]
    .filter((i) => mask.data[i] === 1)
    .map((i) => [i % mask.size.width, Math.floor(i / mask.size.width)]);

/** All pairs of boundary pixels, straight from the definition. */
function slowBoundaryF(a: Mask, b: Mask, tolerance: number): number {
  const edge = (mask: Mask) => {
    const inside = new Set(pixelsOf(mask).map(String));
    return pixelsOf(mask).filter(([x, y]) =>
      [
        [x - 1, y],
        [x + 1, y],
        [x, y - 1],
        [x, y + 1],
      ].some((neighbour) => !inside.has(String(neighbour))),
    );
  };
  const [edgeA, edgeB] = [edge(a), edge(b)];
  if (edgeA.length === 0 || edgeB.length === 0) return edgeA.length === edgeB.length ? 1 : 0;
  const share = (from: [number, number][], to: [number, number][]) =>
    from.filter(([x, y]) => to.some(([u, v]) => Math.hypot(x - u, y - v) <= tolerance + 1e-12)).length / from.length;
  const precision = share(edgeA, edgeB);
  const recall = share(edgeB, edgeA);
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

describe('dice and iou', () => {
  it('agree with sets of pixels', () => {
    for (const [a, b] of pairs) {
      const inB = new Set(pixelsOf(b).map(String));
      const common = pixelsOf(a).filter((pixel) => inB.has(String(pixel))).length;
      const total = pixelsOf(a).length + pixelsOf(b).length;
      expect(dice(a, b)).toBe(total === 0 ? 1 : (2 * common) / total);
      expect(iou(a, b)).toBe(total === 0 ? 1 : common / (total - common));
      expect(dice(b, a)).toBe(dice(a, b));
      // Dice = 2 IoU / (1 + IoU), for every pair of masks.
      expect(dice(a, b)).toBeCloseTo((2 * iou(a, b)) / (1 + iou(a, b)), 12);
    }
  });

  it('are 1 for two empty masks and 0 for one', () => {
    const empty = createMask({ width: 2, height: 1 });
    const full = drawMask(['##']);
    for (const measure of [dice, iou, boundaryF]) {
      expect(measure(empty, empty)).toBe(1);
      expect(measure(empty, full)).toBe(0);
      expect(measure(full, empty)).toBe(0);
      expect(measure(full, full)).toBe(1);
    }
  });

  it('refuse masks of different sizes', () => {
    const a = createMask({ width: 2, height: 3 });
    const b = createMask({ width: 3, height: 2 });
    for (const measure of [dice, iou, boundaryF]) {
      expect(() => measure(a, b)).toThrow(new RangeError('masks are 2 x 3 and 3 x 2, expected the same size'));
    }
  });
});

describe('boundary', () => {
  it('is the rim, the frame of the image included', () => {
    expect(boundary(drawMask(['.....', '.###.', '.###.', '.###.', '.....']))).toEqual(
      drawMask(['.....', '.###.', '.#.#.', '.###.', '.....']),
    );
    expect(boundary(drawMask(['####', '####', '####']))).toEqual(drawMask(['####', '#..#', '####']));
  });

  it('does not need a diagonal neighbour in the background', () => {
    expect(boundary(drawMask(['.####', '#...#', '#...#', '#####']))).toEqual(
      drawMask(['.####', '#...#', '#...#', '#####']),
    );
  });
});

describe('dilate', () => {
  it('agrees with distances between pixel centres', () => {
    for (const [mask] of pairs) {
      for (const radius of [0, 0.9, 1, 1.5, 2, 3.7, 40]) {
        const sources = pixelsOf(mask);
        const expected = createMask(mask.size);
        for (let i = 0; i < expected.data.length; i++) {
          const x = i % mask.size.width;
          const y = Math.floor(i / mask.size.width);
          if (sources.some(([u, v]) => (x - u) ** 2 + (y - v) ** 2 <= radius * radius)) expected.data[i] = 1;
        }
        expect(dilate(mask, radius)).toEqual(expected);
      }
    }
  });
});

describe('boundaryF', () => {
  it('agrees with all pairs of boundary pixels', () => {
    for (const [a, b] of pairs) {
      for (const tolerance of [0, 1, 1.5, 2, 5]) {
        expect(boundaryF(a, b, tolerance)).toBeCloseTo(slowBoundaryF(a, b, tolerance), 12);
        expect(boundaryF(b, a, tolerance)).toBeCloseTo(boundaryF(a, b, tolerance), 12);
      }
    }
  });

  it('forgives a shift up to the tolerance', () => {
    const a = drawMask(['........', '.###....', '.###....', '.###....', '........']);
    const b = drawMask(['........', '...###..', '...###..', '...###..', '........']);
    expect(boundaryF(a, b, 2)).toBe(1);
    expect(boundaryF(a, b, 1)).toBeLessThan(1);
  });

  it('has the tolerance of DAVIS by default', () => {
    expect(defaultTolerance({ width: 854, height: 480 })).toBe(8);
    expect(defaultTolerance({ width: 1024, height: 1024 })).toBe(12);
    expect(defaultTolerance({ width: 4, height: 4 })).toBe(1);
  });

  it('refuses a tolerance that is no distance', () => {
    const mask = drawMask(['#']);
    expect(() => boundaryF(mask, mask, -1)).toThrow(new RangeError('tolerance is at least 0 pixels, got -1'));
    expect(() => boundaryF(mask, mask, Number.NaN)).toThrow(RangeError);
  });
});

it('agrees with the golden masks within 1e-5', () => {
  const data = golden<{
    a: PromptCase['mask'];
    b: PromptCase['mask'];
    dice: number;
    iou: number;
    boundaryF: { tolerance: number; value: number; boundaryA: number; boundaryB: number };
    default: { tolerance: number; value: number };
  }>('masks');
  const [a, b] = [maskOf(data.a), maskOf(data.b)];
  expect(Math.abs(dice(a, b) - data.dice)).toBeLessThan(1e-5);
  expect(Math.abs(iou(a, b) - data.iou)).toBeLessThan(1e-5);
  expect(pixelsOf(boundary(a)).length).toBe(data.boundaryF.boundaryA);
  expect(pixelsOf(boundary(b)).length).toBe(data.boundaryF.boundaryB);
  expect(Math.abs(boundaryF(a, b, data.boundaryF.tolerance) - data.boundaryF.value)).toBeLessThan(1e-5);
  expect(defaultTolerance(a.size)).toBe(data.default.tolerance);
  expect(Math.abs(boundaryF(a, b) - data.default.value)).toBeLessThan(1e-5);
});
