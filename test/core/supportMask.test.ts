import { describe, expect, it } from 'vitest';
import { area } from '../../src/core/geometry';
import { createMask, foregroundArea, type Mask } from '../../src/core/pixels/mask';
import {
  concatSupport,
  expectedObjectSize,
  meanObjectSize,
  patchCoverage,
  supportPatches,
} from '../../src/core/tokens/supportMask';
import { UserError } from '../../src/core/userError';
import { golden, maskOf, promptCases } from '../goldenCases';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

/** Overlap of every patch with every labelled pixel. */
function slowCoverage({ size, data }: Mask, grid: { width: number; height: number }): number[] {
  const patchWidth = size.width / grid.width;
  const patchHeight = size.height / grid.height;
  return Array.from({ length: area(grid) }, (_, patch) => {
    const left = (patch % grid.width) * patchWidth;
    const top = Math.floor(patch / grid.width) * patchHeight;
    let sum = 0;
    data.forEach((value, i) => {
      const x = i % size.width;
      const y = Math.floor(i / size.width);
      const w = Math.min(left + patchWidth, x + 1) - Math.max(left, x);
      const h = Math.min(top + patchHeight, y + 1) - Math.max(top, y);
      if (value === 1 && w > 0 && h > 0) sum += w * h;
    });
    return sum / (patchWidth * patchHeight);
  });
}

describe('patchCoverage', () => {
  it('agrees with the overlap of every pixel within 1e-9, patches larger or smaller than a pixel', () => {
    const random = seededRandom(5);
    for (const size of [...smallSizes, { width: 23, height: 17 }]) {
      for (const density of [0, 0.3, 0.8, 1]) {
        const mask = randomMask(size, density, random);
        for (const grid of [...smallSizes, { width: 8, height: 8 }]) {
          const coverage = patchCoverage(mask, grid);
          expect(coverage.length).toBe(area(grid));
          slowCoverage(mask, grid).forEach((share, patch) => {
            expect(Math.abs(coverage[patch] - share)).toBeLessThan(1e-9);
          });
          // Every patch has the same area, so the mean share is the share of the image.
          const mean = coverage.reduce((a, b) => a + b, 0) / coverage.length;
          expect(mean).toBeCloseTo(foregroundArea(mask) / area(size), 10);
        }
      }
    }
  });

  it('is exactly 0, 1/2 and 1 where borders cut pixels', () => {
    const mask = createMask({ width: 61, height: 47 });
    mask.data.fill(1);
    expect(new Set(patchCoverage(mask, { width: 40, height: 40 }))).toEqual(new Set([1]));
    expect([...patchCoverage(drawMask(['#..', '...', '...']), { width: 2, height: 2 })]).toEqual([1 / 2.25, 0, 0, 0]);
    expect([...patchCoverage(drawMask(['.#.']), { width: 2, height: 1 })]).toEqual([1 / 3, 1 / 3]);
  });

  it('refuses a grid without cells', () => {
    expect(() => patchCoverage(drawMask(['#']), { width: 0, height: 3 })).toThrow(
      new RangeError('patch grid of 0 x 3 has no cells'),
    );
  });
});

describe.each(promptCases)('supportPatches, golden case %s', (name) => {
  const data = golden(name);
  const mask = maskOf(data.mask);
  const { grid } = data.reference;

  it('finds the same patches', () => {
    const { foreground, background, rule, coverage } = supportPatches(mask, grid);
    expect(coverage.length).toBe(area(grid));
    coverage.forEach((share, patch) => {
      expect(Math.abs(share - data.support.coverage[patch])).toBeLessThan(1e-5);
    });
    expect([...foreground]).toEqual(data.support.foreground);
    expect([...background]).toEqual(data.support.background);
    expect(rule).toBe(data.support.rule);
  });

  it("finds those of GBMSeg's loops", () => {
    const { foreground, background } = supportPatches(mask, grid, { skipLastRowAndColumn: true, fallback: false });
    expect([...foreground]).toEqual(data.supportGbmseg.foreground);
    expect([...background]).toEqual(data.supportGbmseg.background);
  });
});

describe('supportPatches', () => {
  const grid = { width: 2, height: 2 };

  it('leaves mixed patches out of both sets', () => {
    const patches = supportPatches(drawMask(['##..', '##..', '#...', '....']), grid);
    expect([...patches.foreground]).toEqual([0]);
    expect([...patches.background]).toEqual([1, 3]);
    expect([...patches.coverage]).toEqual([1, 0, 0.25, 0]);
    expect(patches.rule).toBe('whole');
  });

  it('falls back to patches of which exactly half is covered', () => {
    const patches = supportPatches(drawMask(['##..', '....', '#..#', '#...']), grid);
    expect([...patches.foreground]).toEqual([0, 2]);
    expect([...patches.background]).toEqual([1]);
    expect(patches.rule).toBe('half');
  });

  it('falls back to the first of the best-covered patches', () => {
    const patches = supportPatches(drawMask(['....', '...#', '#...', '....']), grid);
    expect([...patches.foreground]).toEqual([1]);
    expect([...patches.background]).toEqual([0, 3]);
    expect(patches.rule).toBe('best');
  });

  it('takes a full mask: no background', () => {
    const patches = supportPatches(drawMask(['##', '##']), grid);
    expect([...patches.foreground]).toEqual([0, 1, 2, 3]);
    expect(patches.background.length).toBe(0);
  });

  it('never puts a patch in both sets, however small the speck', () => {
    const mask = createMask({ width: 1500, height: 1500 });
    mask.data[0] = 1;
    const patches = supportPatches(mask, { width: 1, height: 1 });
    expect(patches.coverage[0]).toBeLessThan(1e-6);
    expect([...patches.foreground]).toEqual([0]);
    expect(patches.background.length).toBe(0);
  });

  it('finds no foreground where the options forbid every covered patch', () => {
    const mask = drawMask(['..##', '..##', '....', '....']);
    expect(supportPatches(mask, grid, { skipLastRowAndColumn: true }).foreground.length).toBe(0);
    expect(supportPatches(drawMask(['#...', '....']), grid, { fallback: false }).foreground.length).toBe(0);
    expect(supportPatches(mask, { width: 1, height: 1 }, { skipLastRowAndColumn: true }).background.length).toBe(0);
  });

  it('refuses a mask without foreground, in words for a person', () => {
    const empty = createMask({ width: 60, height: 50 });
    expect(() => supportPatches(empty, grid)).toThrow(UserError);
    expect(() => supportPatches(empty, grid)).toThrow(/support mask \(60 x 50 pixels\) has no foreground/);
  });
});

describe('expectedObjectSize', () => {
  it('is the diameter of the mean component, scaled by the long sides', () => {
    const mask = drawMask(['##..#', '##..#', '.....']);
    // Components of 4 and 2 pixels: mean area 3.
    expect(expectedObjectSize(meanObjectSize(mask), mask.size, { width: 5, height: 3 })).toBeCloseTo(
      2 * Math.sqrt(3 / Math.PI),
      12,
    );
    expect(expectedObjectSize(meanObjectSize(mask), mask.size, { width: 10, height: 50 })).toBeCloseTo(
      20 * Math.sqrt(3 / Math.PI),
      12,
    );
    expect(expectedObjectSize(meanObjectSize(createMask(mask.size)), mask.size, { width: 5, height: 3 })).toBe(0);
  });
});

describe('concatSupport', () => {
  const left = supportPatches(drawMask(['##..', '##..']), { width: 2, height: 1 });
  const right = supportPatches(drawMask(['..##', '..##']), { width: 2, height: 1 });

  it('numbers the patches of all images one after the other', () => {
    expect(concatSupport([left, right, left])).toEqual({
      foreground: Int32Array.of(0, 3, 4),
      background: Int32Array.of(1, 2, 5),
      coverage: Float32Array.of(1, 0, 0, 1, 1, 0),
      rule: 'whole',
    });
    expect(concatSupport([left])).toBe(left);
  });

  it('tells of the weakest rule', () => {
    expect(concatSupport([left, { ...right, rule: 'half' }]).rule).toBe('half');
    expect(
      concatSupport([
        { ...left, rule: 'best' },
        { ...right, rule: 'half' },
      ]).rule,
    ).toBe('best');
  });
});
