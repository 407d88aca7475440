/**
 * Strategy `ap-medsam` (stages A, C and D): dual-space prompts, the similarity map as mask prompt, one question per
 * class or per instance, refinement.
 */
import { createMask, type Mask } from '../mask';
import { type FloatMap, thresholdToMask } from '../raster';
import { expectedObjectSize, supportPatches } from '../supportMask';
import { dualSpacePrompts } from './dualSpace';
import type { EncodedImage, PreparedReference, StageRunner, Strategy, StrategyParameters } from './strategy';

export const apMedSam: Strategy = {
  async prepare(
    reference: EncodedImage,
    mask: Mask,
    { ablation }: StrategyParameters,
    runner: StageRunner,
  ): Promise<PreparedReference> {
    const sets = supportPatches(mask, reference.tokens.grid);
    const matcher = await runner.openMatcher(reference.tokens, sets);
    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes: [],
      async segment(target, { stage }) {
        const table = await stage('match', () => matcher.match(target.tokens));
        const prompts = await stage('prompts', () =>
          dualSpacePrompts({
            table,
            sets,
            target: target.size,
            expectedSize: expectedObjectSize(mask, target.size),
            ablation,
            meanTokenDistances: (patches) => matcher.meanTokenDistances(target.tokens, patches),
          }),
        );
        const points = prompts.filter(({ reason }) => reason === 'kept');
        if (!points.some(({ label }) => label === 1)) {
          return {
            outcome: 'absent',
            mask: createMask(target.size),
            instances: [],
            prompts,
            iouPrediction: Number.NaN,
            notes: [],
          };
        }
        const maskPrompt: FloatMap = { size: table.targetGrid, data: standardised(table.similarity) };
        const image = await target.promptable();
        const [decoded] = await stage('decode', () => image.decode([{ points, maskPrompt }]));
        const drawn = await stage('mask', () => thresholdToMask(decoded.logits, target.size, 0));
        return {
          outcome: 'mask',
          mask: drawn,
          instances: [],
          prompts,
          iouPrediction: decoded.iouPrediction,
          notes: [],
        };
      },
    };
  },
};

function standardised(values: Float32Array): Float32Array {
  let mean = 0;
  for (const value of values) mean += value;
  mean /= values.length;
  let variance = 0;
  for (const value of values) variance += (value - mean) ** 2;
  const std = Math.sqrt(variance / values.length) || 1;
  return values.map((value) => (2 * value) / std);
}
