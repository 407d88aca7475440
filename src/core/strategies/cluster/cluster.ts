/**
 * Strategy `cluster`: the fast path. Regions of the target that look like the reference's object are the
 * mask; no segmenter is asked, so it works where none is installed and shows a preview where one is. Preset `prompt`
 * hands the regions to the segmenter as mask prompt.
 *
 * After INSID3 (arXiv 2603.28480), without its removal of positions, which is for DINOv3's tokens.
 */

import { area } from '../../geometry';
import { hasForeground, type Mask } from '../../pixels/mask';
import { type FloatMap, thresholdToRuns } from '../../pixels/raster';
import { scorePrompt } from '../../tokens/foregroundPrior';
import { samplePatches } from '../../tokens/matching';
import { supportPatches } from '../../tokens/supportMask';
import {
  cosines,
  meanDirection,
  pickRows,
  rowCount,
  stackRows,
  type TokenRows,
  unitTokens,
} from '../../tokens/tokenRows';
import { absent } from '../absent';
import {
  CLUSTER_DEFAULTS,
  type ClusterPreset,
  type CosinePort,
  type EncodedImage,
  type EncodedReference,
  type PreparationRunner,
  type PreparedReference,
  type Segmentation,
  type StageRunner,
  type Strategy,
  type StrategyParameters,
} from '../strategy';
import { backwardVotes, joinRegions } from './regionJoin';
import { clusterTokens } from './tokenClusters';

/** Reference patches that target patches may be nearest to; more change little and cost a product each. */
const MOST_FOREGROUND = 64;
const MOST_BACKGROUND = 128;

/** What merging may add to the scatter of tokens: about 400 regions on 2,304 patches, fine enough for small objects. */
const MOST_MERGE_COST = 0.2;

/** What a reference says about every target. */
interface ObjectModel {
  /** Tokens of the foreground, then of the background. */
  readonly bank: TokenRows;
  /** How many of them are of the foreground. */
  readonly foreground: number;
  readonly prototype: TokenRows;
  /** Mean cosine of the reference's own background to the prototype. */
  readonly leastSimilarity: number;
}

const presetOf = (preset: ClusterPreset) => ({ cluster: { ...CLUSTER_DEFAULTS, preset } });

export const cluster: Strategy = {
  presets: { regions: presetOf('regions'), prompt: presetOf('prompt') },

  async prepare(
    reference: EncodedReference,
    mask: Mask,
    { cluster: { preset } = CLUSTER_DEFAULTS }: StrategyParameters,
    runner: PreparationRunner,
  ): Promise<PreparedReference> {
    const sets = supportPatches(mask, reference.tokens.grid);
    const port = await runner.openCosines();
    const tokens = unitTokens(reference.tokens);
    const foreground = pickRows(tokens, samplePatches(sets.foreground, MOST_FOREGROUND));
    const background = pickRows(tokens, samplePatches(sets.background, MOST_BACKGROUND));
    const prototype = meanDirection(pickRows(tokens, sets.foreground));
    const model: ObjectModel = {
      bank: stackRows(foreground, background),
      foreground: rowCount(foreground),
      prototype,
      leastSimilarity: rowCount(background) > 0 ? mean(cosines(background, prototype)) : -1,
    };
    const asksSegmenter = preset === 'prompt' && reference.capabilities.maskPrompt;
    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes:
        preset === 'prompt' && !asksSegmenter
          ? ['cluster: the segmenter takes no mask prompt; the joined regions themselves are the masks']
          : [],
      segment: (target, stages) => segment(target, stages, port, model, asksSegmenter),
    };
  },
};

async function segment(
  target: EncodedImage,
  { stage }: StageRunner,
  port: CosinePort,
  { bank, foreground, prototype, leastSimilarity }: ObjectModel,
  asksSegmenter: boolean,
): Promise<Segmentation> {
  const tokens = unitTokens(target.tokens);
  const { grid } = tokens;
  const votes = await stage('match', async () =>
    backwardVotes(await port.cosines(tokens, bank), area(grid), foreground),
  );
  if (!votes.includes(1)) return absent(target.size, [], ['no patch is nearest to the object of the reference']);
  const clusters = await stage('cluster', () => clusterTokens(tokens, MOST_MERGE_COST));
  const evidence = { tokens, grid, clusters, votes, prototype, leastSimilarity };
  const found = await stage('join', () => joinRegions(evidence));
  if (found === undefined) return absent(target.size, [], ['no region looks like the object of the reference']);
  const notes = [`${found.joined} of ${clusters.sizes.length} regions joined`];
  const drawn = asksSegmenter
    ? await decodeFrom(target, scorePrompt(found.scores), stage)
    : { logits: found.scores, about: { iouPrediction: undefined } };
  const mask = await stage('mask', () => thresholdToRuns(drawn.logits, target.size, 0));
  if (!hasForeground(mask)) {
    return absent(target.size, [], [asksSegmenter ? 'the segmenter drew nothing' : 'no region is sure enough']);
  }
  return { outcome: 'mask', mask, instances: [], logits: [drawn.logits], prompts: [], ...drawn.about, notes };
}

async function decodeFrom(target: EncodedImage, maskPrompt: FloatMap, stage: StageRunner['stage']) {
  const image = await target.promptable();
  const [{ logits, iouPrediction }] = await stage('decode', () => image.decode([{ points: [], maskPrompt }]));
  return { logits, about: { iouPrediction, maskPrompt } };
}

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
