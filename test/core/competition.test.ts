/** Classes that compete for pixels, against a plain loop over every pixel. */
import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { compete } from '../../src/core/pixels/competition';
import { emptyRuns, fromRuns, hasForeground, toRuns, union } from '../../src/core/pixels/mask';
import { type FloatMap, resizeBilinear, thresholdToMask } from '../../src/core/pixels/raster';
import type { Instance } from '../../src/core/prompting/instances';
import { settleClasses } from '../../src/core/strategies/settleClasses';
import type { Segmentation } from '../../src/core/strategies/strategy';
import { seededRandom } from '../seeded';

const random = seededRandom(77);

const sizes: { decoded: Size; image: Size }[] = [
  { decoded: { width: 1, height: 1 }, image: { width: 1, height: 1 } },
  { decoded: { width: 1, height: 3 }, image: { width: 7, height: 5 } },
  { decoded: { width: 6, height: 4 }, image: { width: 6, height: 4 } },
  { decoded: { width: 9, height: 7 }, image: { width: 53, height: 31 } },
  { decoded: { width: 24, height: 24 }, image: { width: 17, height: 40 } },
];

const randomMap = (size: Size): FloatMap => ({
  size,
  // Few values, so that there are ties.
  data: Float32Array.from({ length: area(size) }, () => Math.round(random() * 6) - 3),
});

function contender(maps: readonly FloatMap[], size: Size) {
  const mask = toRuns(
    union(
      size,
      maps.map((map) => thresholdToMask(map, size, 0)),
    ),
  );
  return { mask, logits: maps };
}

/** Index of the contender that gets each pixel, -1 for none: every pixel and contender looked at. */
function winners(contenders: readonly ReturnType<typeof contender>[], size: Size): number[] {
  const resized = contenders.map(({ logits }) => logits.map((map) => resizeBilinear(map, size).data));
  return Array.from({ length: area(size) }, (_, pixel) => {
    let best = -1;
    let most = Number.NEGATIVE_INFINITY;
    contenders.forEach((_, index) => {
      const claim = Math.max(...resized[index].map((data) => data[pixel]));
      if (claim > 0 && claim > most) {
        best = index;
        most = claim;
      }
    });
    return best;
  });
}

describe('compete', () => {
  it('gives every claimed pixel to the strongest claim, and to one alone', () => {
    for (const { decoded, image } of sizes) {
      for (const count of [1, 2, 3, 5]) {
        const contenders = Array.from({ length: count }, (_, index) =>
          contender(
            Array.from({ length: 1 + (index % 3) }, () => randomMap(decoded)),
            image,
          ),
        );
        const expected = winners(contenders, image);
        const won = compete(contenders).map((mask) => fromRuns(mask).data);
        expected.forEach((best, pixel) => {
          expect(won.map((data) => data[pixel])).toEqual(contenders.map((_, index) => (index === best ? 1 : 0)));
        });
      }
    }
  });

  it('leaves a class alone what nobody else claims', () => {
    const { decoded, image } = sizes[3];
    const one = contender([randomMap(decoded)], image);
    expect(compete([])).toEqual([]);
    expect(compete([one])).toEqual([one.mask]);
    const none = { mask: emptyRuns(image), logits: [] };
    expect(compete([none, one])).toEqual([none.mask, one.mask]);
  });

  it('of equal claims the first wins', () => {
    const { decoded, image } = sizes[2];
    const map = randomMap(decoded);
    const [first, second] = compete([contender([map], image), contender([map], image)]);
    expect(first).toEqual(contender([map], image).mask);
    expect(hasForeground(second)).toBe(false);
  });

  it('refuses masks of different sizes', () => {
    const [a, b] = [2, 3].map((side) => contender([randomMap({ width: 2, height: 2 })], { width: side, height: 2 }));
    expect(() => compete([a, b])).toThrow(new RangeError('masks are 2 x 2 and 3 x 2, expected the same size'));
  });
});

describe('settleClasses', () => {
  const size = { width: 8, height: 1 };
  const row = (...values: number[]): FloatMap => ({ size, data: Float32Array.from(values) });
  const segmentation = (map: FloatMap, changes: Partial<Segmentation> = {}): Segmentation => ({
    outcome: 'mask',
    mask: toRuns(thresholdToMask(map, size, 0)),
    instances: [],
    logits: [map],
    prompts: [],
    iouPrediction: 0.5,
    trust: 0.5,
    notes: ['own'],
    ...changes,
  });
  const pixels = ({ mask }: { mask: Instance['mask'] }) => [...fromRuns(mask).data];

  it('cuts instances, drops those that are gone, and tells what was lost', () => {
    const instance = (...values: number[]): Instance => ({
      mask: toRuns(thresholdToMask(row(...values), size, 0)),
      iouPrediction: 0.7,
      trust: 0.4,
    });
    const instances = [instance(1, 1, 1, 0, 0, 0, 0, 0), instance(0, 0, 0, 0, 0, 0, 1, 1)];
    const large = segmentation(row(1, 1, 1, 0, 0, 0, 1, 1), { instances });
    const small = segmentation(row(0, 0, 2, 0, 0, 0, 2, 2));
    const [first, second] = settleClasses([large, small], [1, 2]);
    expect(pixels(first)).toEqual([1, 1, 0, 0, 0, 0, 0, 0]);
    expect(first.instances.map((one) => [pixels(one), one.iouPrediction, one.trust])).toEqual([
      [[1, 1, 0, 0, 0, 0, 0, 0], 0.7, 0.4],
    ]);
    expect(first).toMatchObject({ trust: 0.5, iouPrediction: 0.5 });
    expect(first.notes).toEqual(['own', '60 % of its mask went to other classes']);
    expect(second).toEqual(small);
  });

  it('calls a class absent that wins nothing, and heeds the ids, not the order, where claims are equal', () => {
    const map = row(0, 1, 1, 0, 0, 0, 0, 0);
    const nothing = segmentation(row(0, 0, 0, 0, 0, 0, 0, 0), { outcome: 'absent', logits: [] });
    const [high, none, low] = settleClasses([segmentation(map), nothing, segmentation(map)], [9, 5, 2]);
    expect(high).toMatchObject({ outcome: 'absent', instances: [], logits: [] });
    expect(high.notes).toEqual(['own', 'all of its mask went to other classes']);
    expect(pixels(high)).toEqual(Array(8).fill(0));
    expect(none).toBe(nothing);
    expect(pixels(low)).toEqual([0, 1, 1, 0, 0, 0, 0, 0]);
  });
});
