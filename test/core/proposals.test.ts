import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { foregroundArea, type Mask, union } from '../../src/core/pixels/mask';
import { iou } from '../../src/core/pixels/maskMetrics';
import {
  holds,
  mergeLogits,
  type Proposal,
  packedIou,
  plausible,
  type SiftingRules,
  sift,
  toProposal,
  unpack,
} from '../../src/core/strategies/matcher/proposals';
import { drawMask, randomMask, seededRandom, smallSizes } from '../seeded';

const random = seededRandom(9);
const fromMask = ({ size, data }: Mask, iouPrediction = 0.9, sure = 5): Proposal =>
  toProposal({ logits: { size, data: Float32Array.from(data, (pixel) => (pixel ? sure : -5)) }, iouPrediction });

const rules: SiftingRules = { leastIouPrediction: 0.5, leastStability: 0.5, duplicateIou: 0.65 };

describe('proposals', () => {
  it('pack and unpack', () => {
    for (const size of [...smallSizes, { width: 33, height: 3 }]) {
      const mask = randomMask(size, 0.5, random);
      const { mask: packed } = fromMask(mask);
      expect(unpack(packed)).toEqual(mask);
      expect(packed.area).toBe(foregroundArea(mask));
    }
  });

  it('compare as masks do', () => {
    const size: Size = { width: 19, height: 23 };
    for (let trial = 0; trial < 30; trial++) {
      const [a, b] = [randomMask(size, random(), random), randomMask(size, random(), random)];
      if (foregroundArea(a) + foregroundArea(b) === 0) continue;
      expect(packedIou(fromMask(a).mask, fromMask(b).mask)).toBeCloseTo(iou(a, b), 12);
    }
    const empty = fromMask(drawMask(['..', '..'])).mask;
    expect(packedIou(empty, empty)).toBe(0);
  });

  it('are stable where the outline does not move with the threshold', () => {
    const logits = { size: { width: 8, height: 1 }, data: Float32Array.of(-3, -1, -0.5, 0, 0.5, 1, 1.5, 3) };
    // Above 1: two pixels; above -1: six.
    expect(toProposal({ logits, iouPrediction: 1 }).stability).toBeCloseTo(2 / 6, 12);
    expect(toProposal({ logits, iouPrediction: 1 }).mask.area).toBe(4);
    expect(fromMask(drawMask(['#.']), 1).stability).toBe(1);
    expect(fromMask(drawMask(['..']), 1).stability).toBe(0);
  });

  it('know the pixel under a point', () => {
    const { mask } = fromMask(drawMask(['#..', '..#']));
    const image = { width: 30, height: 40 };
    expect(holds(mask, { x: 5, y: 10 }, image)).toBe(true);
    expect(holds(mask, { x: 15, y: 10 }, image)).toBe(false);
    expect(holds(mask, { x: 30, y: 40 }, image)).toBe(true);
  });

  it('merge to their union', () => {
    const masks = [0, 1, 2].map(() => randomMask({ width: 9, height: 5 }, 0.3, random));
    const { data } = mergeLogits(masks.map((mask) => fromMask(mask)));
    expect(Uint8Array.from(data, (value) => (value > 0 ? 1 : 0))).toEqual(union(masks[0].size, masks).data);
  });
});

describe('sift', () => {
  const left = drawMask(['##..', '##..']);
  const right = drawMask(['..##', '..##']);
  const wide = drawMask(['###.', '##..']);
  const nothing = drawMask(['....', '....']);

  it('drops empty masks, poor ones and, of two that are nearly the same, the one predicted worse', () => {
    const proposals = [
      fromMask(left, 0.7),
      fromMask(nothing, 1),
      fromMask(right, 0.6),
      fromMask(wide, 0.8),
      fromMask(right, 0.4),
      // Not stable: nothing is above 1.
      fromMask(right, 0.9, 0.5),
    ];
    expect(sift(proposals, rules)).toEqual({ kept: [proposals[2], proposals[3]], doubtful: false });
  });

  it('keeps the best ten predictions where no mask is good enough', () => {
    const masks = Array.from({ length: 14 }, () => randomMask({ width: 16, height: 16 }, 0.2, random));
    const proposals = masks.map((mask, index) => fromMask(mask, 0.4 - 0.01 * index));
    const { kept, doubtful } = sift(proposals, rules);
    expect(doubtful).toBe(true);
    expect(kept).toEqual(proposals.slice(0, 10));
  });

  it('lets proposals go on the way without changing what comes out', () => {
    const all = Array.from({ length: 60 }, () =>
      fromMask(randomMask({ width: 12, height: 9 }, 0.1 + 0.4 * random(), random), random() * 0.55),
    );
    for (const leastIouPrediction of [0.2, 0.54, 0.9]) {
      const strict = { ...rules, leastIouPrediction };
      let some: Proposal[] = [];
      for (let start = 0; start < all.length; start += 7) {
        some = plausible([...some, ...all.slice(start, start + 7)], strict).kept;
      }
      expect(sift(some, strict)).toEqual(sift(all, strict));
    }
  });

  it('keeps the first of equals and nothing of nothing', () => {
    const same = [fromMask(left, 0.7), fromMask(left, 0.7)];
    expect(sift(same, rules).kept).toEqual([same[0]]);
    expect(sift([fromMask(nothing)], rules)).toEqual({ kept: [], doubtful: false });
    expect(area(left.size)).toBe(8);
  });
});
