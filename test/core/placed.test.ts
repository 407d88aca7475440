/** What was found in a part of an image lies where the part does. */
import { expect, it } from 'vitest';
import { area, type Box, type Size } from '../../src/core/geometry';
import { fromRuns, toRuns } from '../../src/core/pixels/mask';
import { thresholdToMask } from '../../src/core/pixels/raster';
import type { PromptCandidate } from '../../src/core/prompting/prompts';
import { placeSegmentation } from '../../src/core/strategies/placed';
import type { Segmentation } from '../../src/core/strategies/strategy';
import { drawMask } from '../seeded';

const size: Size = { width: 8, height: 6 };
const part: Box = { left: 2, top: 1, right: 6, bottom: 5 };
const found = drawMask(['....', '.##.', '.#..', '....']);
const placed = drawMask(['........', '........', '...##...', '...#....', '........', '........']);

const map = (inside: (at: number) => number) => ({
  size: found.size,
  data: Float32Array.from({ length: area(found.size) }, (_, at) => inside(at)),
});

const segmentation: Segmentation = {
  outcome: 'mask',
  mask: toRuns(found),
  instances: [{ mask: toRuns(found), iouPrediction: 0.5 }],
  logits: [map((at) => (found.data[at] === 1 ? 5 : -5))],
  prompts: [{ point: { x: 1.5, y: 1.5 }, label: 1, reason: 'kept' } as PromptCandidate],
  iouPrediction: 0.5,
  trust: 0.7,
  answerPrior: map(() => 2),
  notes: ['as it was'],
};

it('moves masks, points and maps, and leaves the rest', () => {
  const whole = placeSegmentation(segmentation, part, size);
  expect(fromRuns(whole.mask)).toEqual(placed);
  expect(fromRuns(whole.instances[0].mask)).toEqual(placed);
  expect(thresholdToMask(whole.logits[0], size, 0)).toEqual(placed);
  expect(whole.prompts[0].point).toEqual({ x: 3.5, y: 2.5 });
  expect(whole).toMatchObject({ outcome: 'mask', iouPrediction: 0.5, trust: 0.7 });
  expect(whole.notes).toEqual([expect.stringContaining('plain border'), 'as it was']);
  expect(whole.maskPrompt).toBeUndefined();
});

it('adds nothing to answers outside the part', () => {
  const { answerPrior } = placeSegmentation(segmentation, part, size);
  const inside = fromRuns(toRuns(thresholdToMask(answerPrior!, size, 1)));
  expect(inside.data.reduce((sum, value) => sum + value, 0)).toBe(16);
});
