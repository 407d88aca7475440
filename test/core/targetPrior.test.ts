/** The foreground prior over one target: what the segmenter is told, and how sure of it the prior is. */
import { expect, it } from 'vitest';
import { learnReferences, type ReferenceModel } from '../../src/core/strategies/apMedSam/referenceModel';
import { ReferencePrior } from '../../src/core/strategies/apMedSam/targetPrior';
import { NO_ABLATION, type PreparationRunner, type RememberedValues } from '../../src/core/strategies/strategy';
import { supportPatches } from '../../src/core/tokens/supportMask';
import { discs, fakeImage, further, plainRunner } from '../fakes';
import { matchTokens } from '../oracles';

const size = { width: 96, height: 96 };
const grid = { width: 16, height: 16 };
const mask = discs(size, { x: 40, y: 40, radius: 20 });
const untestedly = { copies: true, selfTest: false };
const references = [{ image: fakeImage(mask, grid), mask }];
const target = fakeImage(discs(size, { x: 60, y: 55, radius: 20 }), grid, {}, 5).tokens;
const sets = supportPatches(mask, grid);
const table = matchTokens(references[0].image.tokens, target, sets);

const over = (model: ReferenceModel, consistent: boolean, ablation = {}) =>
  new ReferencePrior(model, references, sets, sets, { ...NO_ABLATION, ...ablation }).over(target, table, consistent);

const tested = async (gentle: number, strong: number): Promise<ReferenceModel> => ({
  ...(await learnReferences([further(references[0])], plainRunner, untestedly)),
  selfTest: { gentle: { weight: 0, dice: gentle }, strong: { weight: 0.5, dice: strong } },
});

it('is gentle, and nothing of the answer, where the references were not tested', async () => {
  const untested = await learnReferences([further(references[0])], plainRunner, untestedly);
  expect(untested.selfTest).toBeUndefined();
  const { told } = over(untested, true);
  expect(told).not.toHaveProperty('answerPrior');
  expect(told.maskPrompt.size).toEqual(grid);
  expect(told).toEqual(over(await tested(0.9, 0.8), true).told);
});

it('is strong where the reference says so and the matches agree', async () => {
  const model = await tested(0.8, 0.9);
  const gentle = over(model, false).told;
  const strong = over(model, true).told;
  expect(gentle).not.toHaveProperty('answerPrior');
  expect(strong.answerPrior).toBeDefined();
  expect(Math.max(...strong.maskPrompt.data)).toBeGreaterThan(2 * Math.max(...gentle.maskPrompt.data));
});

it('learns from a mask that is sure of something, if it may', async () => {
  const model = await tested(0.9, 0.8);
  const sure = { size: grid, data: Float32Array.from(over(model, false).told.maskPrompt.data, (score) => 4 * score) };
  const nothing = { size: grid, data: new Float32Array(grid.width * grid.height).fill(-4) };
  expect(over(model, true).adapt(sure)?.maskPrompt.data).not.toEqual(over(model, true).told.maskPrompt.data);
  expect(over(model, true).adapt(nothing)).toBeUndefined();
  expect(over(model, true, { refine: false }).adapt(sure)).toBeUndefined();
});

it('remembers no numbers that mean nothing', async () => {
  const kept: RememberedValues[] = [];
  const runner: PreparationRunner = {
    ...plainRunner,
    remember: async (_, compute, which) => {
      const values = await compute();
      if (which === undefined) kept.push(values);
      return values;
    },
  };
  for (const selfTest of [true, false]) {
    await learnReferences([further(references[0])], runner, { copies: true, selfTest });
  }
  expect(kept.map(({ numbers }) => numbers.length)).toEqual([10, 6]);
  expect(kept.every(({ numbers }) => numbers.every(Number.isFinite))).toBe(true);
});
