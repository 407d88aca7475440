/** Strategy `gbmseg`: the released script's prompts (see gbmsegPrompts.ts), one decoder call, nothing else. */
import type { Mask } from '../../pixels/mask';
import { thresholdToRuns } from '../../pixels/raster';
import { isKept } from '../../prompting/prompts';
import { supportPatches } from '../../tokens/supportMask';
import { UserError } from '../../userError';
import type { EncodedReference, PreparationRunner, PreparedReference, Strategy, StrategyParameters } from '../strategy';
import { gbmsegPrompts } from './gbmsegPrompts';

export const gbmseg: Strategy = {
  async prepare(
    reference: EncodedReference,
    mask: Mask,
    { ablation }: StrategyParameters,
    runner: PreparationRunner,
  ): Promise<PreparedReference> {
    const sets = supportPatches(mask, reference.tokens.grid, { skipLastRowAndColumn: true, fallback: false });
    if (sets.foreground.length === 0) {
      throw new UserError(
        'The support mask covers no patch wholly, and strategy gbmseg has no fallback for thin objects: use ap-medsam.',
      );
    }
    const matcher = await runner.openMatcher(reference.tokens, sets);
    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes: [],
      async segment(target, { stage }) {
        const table = await stage('match', () => matcher.match(target.tokens));
        const prompts = await stage('prompts', () => gbmsegPrompts({ table, sets, target: target.size, ablation }));
        const image = await target.promptable();
        const points = prompts.filter(isKept);
        const [decoded] = await stage('decode', () => image.decode([{ points }]));
        const drawn = await stage('mask', () => thresholdToRuns(decoded.logits, target.size, 0));
        return {
          outcome: 'mask',
          mask: drawn,
          instances: [],
          logits: [decoded.logits],
          prompts,
          iouPrediction: decoded.iouPrediction,
          notes: [],
        };
      },
    };
  },
};
