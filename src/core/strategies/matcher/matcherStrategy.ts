/**
 * Strategy `matcher`: Matcher (Liu et al., ICLR 2024, arXiv 2305.13310). Many prompt sets from the points
 * that match both ways, many masks, and scores against the reference to choose which are merged.
 *
 * Where we differ: tokens are those after the encoder's last norm where it gives no others (Matcher takes those
 * before); duplicates go by the IoU of masks instead of boxes; a segmenter that answers whole classes is asked less.
 * (Background points, which such a segmenter could use, change nothing: mean Dice of the object setting on six sets
 * 0.767 with and 0.769 without.)
 */

import type { Box, Point, Size } from '../../geometry';
import { hasForeground, type Mask } from '../../pixels/mask';
import { thresholdToRuns } from '../../pixels/raster';
import type { PromptCandidate, PromptReason } from '../../prompting/prompts';
import type { PromptableImage, PromptSet } from '../../prompting/segmenter';
import { seededRandom } from '../../random';
import { type PatchTokens, patchCentre } from '../../tokens/patchGrid';
import { supportPatches } from '../../tokens/supportMask';
import { pickRows, unitTokens } from '../../tokens/tokenRows';
import { absent } from '../absent';
import {
  type CosinePort,
  type EncodedImage,
  type EncodedReference,
  MATCHER_DEFAULTS,
  type MatcherPreset,
  type PreparationRunner,
  type PreparedReference,
  type Segmentation,
  type StageRunner,
  type Strategy,
  type StrategyParameters,
} from '../strategy';
import { type AssignedPair, type BidirectionalMatches, backwardPairs, forwardPairs } from './bidirectional';
import { combine, type MaskScores, type ScoreBasis, scoreMask, select } from './maskScores';
import { MATCHER_SETTINGS, type MatcherSettings, wholeClassSettings } from './matcherPresets';
import { pointCentres } from './pointClusters';
import { gridPoints, sampleSubsets } from './promptSampler';
import { holds, mergeLogits, type Proposal, plausible, sift, toProposal } from './proposals';

/** Prompt sets per call of the segmenter: a cancellation comes through in between, and poor answers are let go. */
const QUESTIONS_AT_ONCE = 64;

const presetOf = (preset: MatcherPreset) => ({ matcher: { ...MATCHER_DEFAULTS, preset } });

export const matcherStrategy: Strategy = {
  presets: { object: presetOf('object'), semantic: presetOf('semantic'), part: presetOf('part') },

  async prepare(
    reference: EncodedReference,
    mask: Mask,
    { ablation, matcher = MATCHER_DEFAULTS }: StrategyParameters,
    runner: PreparationRunner,
  ): Promise<PreparedReference> {
    const sets = supportPatches(mask, reference.tokens.grid);
    const port = await runner.openCosines();
    const matching = new BidirectionalMatcher(port, tokensOf(reference), sets.foreground, ablation.backward);
    const { wholeClass } = reference.capabilities;
    const published = MATCHER_SETTINGS[matcher.preset];
    const settings = wholeClass ? wholeClassSettings(published) : published;
    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes: [
        ...(reference.preNormTokens
          ? []
          : [
              'matcher: tokens are those after the last norm of the encoder; the published method takes those before it',
            ]),
        ...(wholeClass ? [describeShrinking(published, settings)] : []),
      ],
      segment: (target, stages) => segment(target, stages, { matching, settings, seed: matcher.seed }),
    };
  },
};

const tokensOf = ({ preNormTokens, tokens }: EncodedImage): PatchTokens => preNormTokens ?? tokens;

function describeShrinking(published: MatcherSettings, { tries, gridSide }: MatcherSettings): string {
  const sets = `${tries} prompt sets of each size instead of ${published.tries}`;
  const grid =
    published.gridSide > 0
      ? ` and a grid of ${gridSide} x ${gridSide} points instead of ${published.gridSide} x ${published.gridSide}`
      : '';
  return `matcher: the segmenter draws whole classes, not single objects, so its masks are not the object proposals that the method chooses among; it is asked ${sets}${grid}`;
}

/** Bidirectional matching of targets against one reference. */
export class BidirectionalMatcher {
  private readonly reference: PatchTokens;

  constructor(
    private readonly port: CosinePort,
    reference: PatchTokens,
    readonly foreground: Int32Array,
    private readonly checkBack = true,
  ) {
    this.reference = unitTokens(reference);
  }

  async match(target: PatchTokens): Promise<{ similarity: Float32Array; matches: BidirectionalMatches }> {
    const { port, reference, foreground } = this;
    const tokens = unitTokens(target);
    const similarity = await port.cosines(pickRows(reference, foreground), tokens);
    const forward = forwardPairs(similarity, foreground);
    const back = await port.cosines(pickRows(tokens, forward.targetPatches), reference);
    return { similarity, matches: backwardPairs(forward, back, foreground, this.checkBack) };
  }
}

interface MatcherRun {
  readonly matching: BidirectionalMatcher;
  readonly settings: MatcherSettings;
  readonly seed: number;
}

async function segment(
  target: EncodedImage,
  { stage }: StageRunner,
  { matching, settings, seed }: MatcherRun,
): Promise<Segmentation> {
  const { grid } = target.tokens;
  const { similarity, matches } = await stage('match', () => matching.match(tokensOf(target)));
  const points = matches.kept.map(({ targetPatch }) => patchCentre(targetPatch, grid, target.size));
  const questions = await stage('prompts', () => matcherQuestions(points, target.size, settings, seed));
  const image = await target.promptable();
  const proposals = await propose(image, questions, points, target.size, settings, stage);
  const basis: ScoreBasis = {
    similarity,
    foreground: matching.foreground.length,
    grid,
    points,
    target: target.size,
  };
  const { chosen, doubtful, scored } = await stage('score', () => choose(proposals, basis, settings));
  const prompts = candidates(matches, grid, target.size);
  const notes = [
    ...(matches.returned ? [] : ['no match came back; the forward matches stand for themselves']),
    ...(doubtful
      ? ['no mask reached the IoU prediction and stability that the preset asks for; the best were scored']
      : []),
  ];
  const nothing = () => absent(target.size, prompts, [...notes, 'the segmenter drew nothing']);
  if (chosen.length === 0) return nothing();
  const logits = mergeLogits(chosen.map(({ proposal }) => proposal));
  const mask = await stage('mask', () => thresholdToRuns(logits, target.size, 0));
  if (!hasForeground(mask)) return nothing();
  const [best] = chosen;
  return {
    outcome: 'mask',
    mask,
    instances: [],
    logits: [logits],
    prompts,
    iouPrediction: chosen.reduce((sum, { proposal }) => sum + proposal.iouPrediction, 0) / chosen.length,
    notes: [...notes, describeChoice(best, chosen.length, scored, questions.length, settings)],
  };
}

/** Every question to the segmenter: the prompt sets drawn from the points, then the grid. */
export function matcherQuestions(
  points: readonly Point[],
  target: Size,
  { centres, sizes, tries, box, gridSide }: MatcherSettings,
  seed: number,
): PromptSet[] {
  const random = seededRandom(seed);
  const pool = centres === undefined ? points : pointCentres(points, centres, random);
  const around = box && points.length > 0 ? { box: boxAround(points) } : {};
  const drawn = sampleSubsets(pool.length, sizes, tries, random).map(
    (subset): PromptSet => ({ points: subset.map((index) => ({ point: pool[index], label: 1 })), ...around }),
  );
  const dense = gridPoints(gridSide, target).map((point): PromptSet => ({ points: [{ point, label: 1 }] }));
  return [...drawn, ...dense];
}

/**
 * All answers that may be worth scoring; a thousand with their logits would be a third of a gigabyte. One that holds no
 * matched point is of something else, however sure the segmenter is of it: it counts only where none holds any.
 */
async function propose(
  image: PromptableImage,
  questions: readonly PromptSet[],
  points: readonly Point[],
  target: Size,
  { sifting }: MatcherSettings,
  stage: StageRunner['stage'],
): Promise<Proposal[]> {
  const isMatched = ({ mask }: Proposal) => points.some((point) => holds(mask, point, target));
  let matched: Proposal[] = [];
  let others: Proposal[] = [];
  for (let start = 0; start < questions.length; start += QUESTIONS_AT_ONCE) {
    const some = questions.slice(start, start + QUESTIONS_AT_ONCE);
    const answers = (await stage('decode', () => image.decode(some))).map(toProposal);
    matched = plausible([...matched, ...answers.filter(isMatched)], sifting).kept;
    others = matched.length > 0 ? [] : plausible([...others, ...answers], sifting).kept;
  }
  return matched.length > 0 ? matched : others;
}

interface Choice {
  readonly proposal: Proposal;
  readonly scores: MaskScores;
}

/** The proposals to merge, best first. */
function choose(proposals: readonly Proposal[], basis: ScoreBasis, { sifting, selection }: MatcherSettings) {
  const { kept, doubtful } = sift(proposals, sifting);
  const scores = kept.map(({ mask }) => scoreMask(mask, basis));
  const chosen = select(scores, selection).map((index): Choice => ({ proposal: kept[index], scores: scores[index] }));
  return { chosen, doubtful, scored: kept.length };
}

function describeChoice(
  { scores }: Choice,
  merged: number,
  scored: number,
  asked: number,
  { selection }: MatcherSettings,
): string {
  const { emd, purity, coverage } = scores;
  const numbers = `score ${combine(scores, selection).toFixed(3)}, earth mover's ${emd.toFixed(3)}, purity ${purity.toFixed(3)}, coverage ${coverage.toFixed(2)}`;
  return `${merged === 1 ? 'the best' : `the best ${merged}`} of ${scored} different masks from ${asked} prompt sets; ${numbers}`;
}

function boxAround(points: readonly Point[]): Box {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
}

function candidates({ kept, weaker, rejected }: BidirectionalMatches, grid: Size, target: Size): PromptCandidate[] {
  const place = (pairs: readonly AssignedPair[], reason: PromptReason) =>
    pairs.map(
      ({ referencePatch, targetPatch, backPatch, cosine, backCosine }): PromptCandidate => ({
        referencePatch,
        targetPatch,
        backPatch,
        forwardDistance: unitDistance(cosine),
        backwardDistance: backCosine === undefined ? Number.POSITIVE_INFINITY : unitDistance(backCosine),
        point: patchCentre(targetPatch, grid, target),
        label: 1,
        reason,
        source: 'forward',
        instance: 0,
      }),
    );
  return [...place(kept, 'kept'), ...place(weaker, 'thinned'), ...place(rejected, 'failed backward')].sort(
    (a, b) => a.targetPatch - b.targetPatch,
  );
}

/** Euclidean distance of two unit tokens. */
const unitDistance = (cosine: number): number => Math.sqrt(Math.max(0, 2 - 2 * cosine));
