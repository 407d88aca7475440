/**
 * Strategy `ap-medsam`: dual-space prompts, a foreground prior as mask prompt, one question per class or per instance,
 * a second one with what the first has taught, trust.
 *
 * Where we differ from the method as published: all points of a target are dropped when too few of its matches come
 * back (points from poor matches make a mask worse than none); and with a segmenter that takes mask prompts, a target
 * in which no positive point survives is not absent yet, but decoded from the prior alone: absent is what the segmenter
 * then leaves empty. (On brain tumours half of the targets have no surviving point, and all of them hold the object.)
 */

import { longSide } from '../../geometry';
import type { Mask } from '../../pixels/mask';
import { foregroundScores } from '../../tokens/foregroundPrior';
import { consistency, type MatchTable, type PatchSets, samplePatches } from '../../tokens/matching';
import { concatTokens } from '../../tokens/patchGrid';
import {
  concatSupport,
  expectedObjectSize,
  type SupportPatches,
  type SupportRule,
  supportPatches,
} from '../../tokens/supportMask';
import { type Judge, judgeBy } from '../../tokens/trust';
import {
  type Ablation,
  DEFAULT_MIN_TRUST,
  type EncodedImage,
  type EncodedReference,
  type FurtherReference,
  type LabelledReference,
  type MatcherPort,
  type PreparationRunner,
  type PreparedReference,
  type Segmentation,
  type StageRunner,
  type Strategy,
  type StrategyParameters,
} from '../strategy';
import { abstainBelow } from './abstention';
import { askClass } from './askClass';
import { askInstances } from './askInstances';
import { dualSpacePrompts, fewPoints, NOT_BESIDE_PRIOR } from './dualSpace';
import { UNIT } from './lesson';
import { learnPixels, type PixelPrior } from './pixelPrior';
import {
  describeSelfTest,
  heldOutAnswer,
  learnReferences,
  type ReferenceModel,
  referenceDoubts,
} from './referenceModel';
import { ReferencePrior, type TargetPrior } from './targetPrior';

/**
 * Patches of the foreground and of the background that propose matches; more find the same points at a higher cost
 * (with 128 the mean Dice changes by 0.002, with 32 by 0.003, see docs/accuracy.md).
 */
const MOST_PROPOSERS = 64;

/**
 * Share of matches that must come back before a target's points, or a strong prior, are believed (0.25: Dice +0.012,
 * most of it of one set; 0.75: -0.006; see docs/accuracy.md).
 */
const LEAST_CONSISTENCY = 0.5;

/** Of which any number teaches at the same cost per target. Chosen, not measured. */
const MOST_REFERENCES = 200;

/**
 * Those that targets are matched with and laid over: each one more costs 8 ms per image (one alone: Dice -0.049 with 3
 * references, -0.030 with 10; the one that looks most like the target: -0.004 and -0.033; see docs/accuracy.md).
 */
const MOST_CHIEFS = 3;

export const apMedSam: Strategy = {
  mostReferences: MOST_REFERENCES,
  tiles: true,
  judges: true,

  async prepare(
    reference: EncodedReference,
    mask: Mask,
    { ablation, minTrust }: StrategyParameters,
    runner: PreparationRunner,
    others: readonly FurtherReference[] = [],
  ): Promise<PreparedReference> {
    const first = { image: reference, mask };
    const references = [{ weight: 1, open: async () => first }, ...others];
    const chiefs: LabelledReference[] = [first];
    for (const other of others.slice(0, MOST_CHIEFS - 1)) chiefs.push(await other.open());
    const tokens = concatTokens(chiefs.map(({ image }) => image.tokens));
    const sets = concatSupport(chiefs.map((one) => supportPatches(one.mask, one.image.tokens.grid)));
    const proposers = {
      foreground: samplePatches(sets.foreground, MOST_PROPOSERS),
      background: samplePatches(sets.background, MOST_PROPOSERS),
    };
    const matcher = await runner.openMatcher(tokens, proposers);
    const { wholeClass, maskPrompt } = reference.capabilities;
    const tellsPrior = wholeClass && maskPrompt && ablation.prior;
    const model = await learnReferences(references, runner, {
      copies: tellsPrior,
      selfTest: tellsPrior && ablation.selfTest,
    });
    const prior = tellsPrior ? new ReferencePrior(model, chiefs, sets, proposers, ablation) : undefined;
    const { selfTest, shown } = model;
    const pixels =
      selfTest && ablation.pixels
        ? await learnPixels(chiefs, (one) => heldOutAnswer(one, selfTest), runner)
        : undefined;
    const known: KnownObject = {
      ...{ matcher, sets, proposers, prior, pixels, ablation, wholeClass },
      expectedSize: ({ scale, size }) =>
        scale === undefined
          ? expectedObjectSize(shown.size, UNIT, size)
          : shown.size * longSide(reference.size) * scale,
      single: shown.single,
      judge: tokens.normalised ? judgeFrom(model, proposers) : undefined,
      leastTrust: minTrust ?? (wholeClass ? DEFAULT_MIN_TRUST : 0),
    };
    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes: [
        ...supportNotes(sets),
        ...(selfTest ? [describeSelfTest(selfTest), ...referenceDoubts(selfTest)] : []),
        ...(pixels ? [pixels.note] : []),
      ],
      segment: (target, stages) => segment(known, target, stages),
    };
  },
};

/** What the references say of the object, for every target. */
interface KnownObject {
  readonly matcher: MatcherPort;
  readonly sets: SupportPatches;
  /** Those patches of `sets` that propose matches. */
  readonly proposers: PatchSets;
  /** Where the segmenter takes one. */
  readonly prior: ReferencePrior | undefined;
  /** Where pixels help beside it. */
  readonly pixels: PixelPrior | undefined;
  readonly ablation: Ablation;
  /** What one question to the segmenter means, see `SegmenterCapabilities`. */
  readonly wholeClass: boolean;
  /** Diameter of an object to be expected in a target of this size, in targetPx. */
  readonly expectedSize: (target: EncodedImage) => number;
  /** Whether each of the references shows one object. */
  readonly single: boolean;
  /** Undefined where the references' tokens are not of unit length: the coefficients of trust belong to cosines. */
  readonly judge: ((target: EncodedImage, table: MatchTable, prior: TargetPrior | undefined) => Judge) | undefined;
  readonly leastTrust: number;
}

async function segment(known: KnownObject, target: EncodedImage, stages: StageRunner): Promise<Segmentation> {
  const { stage } = stages;
  const { matcher, sets, proposers, ablation } = known;
  const table = await stage('match', () => matcher.match(target.tokens));
  const consistent = consistency(table, proposers.foreground, sets.foreground) >= LEAST_CONSISTENCY;
  const prior = await stage('prior', () => known.prior?.over(target.tokens, table, consistent));
  const expectedSize = known.expectedSize(target);
  const candidates = await stage('prompts', async () => {
    const all = await dualSpacePrompts({
      ...{ table, sets, proposers, target: target.size, expectedSize },
      ablation: prior ? { ...ablation, ...NOT_BESIDE_PRIOR } : ablation,
      meanTokenDistances: (patches) => matcher.meanTokenDistances(target.tokens, patches),
    });
    return prior && ablation.sparse ? fewPoints(all) : all;
  });
  const judge = await stage('trust', () => known.judge?.(target, table, prior) ?? noJudge);
  const about = { candidates, judge };
  const link = Math.max(expectedSize / 2, (1.5 * target.size.width) / target.tokens.grid.width);
  const drop = { specks: ablation.specks, rivals: ablation.specks && known.single };
  const found = known.wholeClass
    ? await askClass(target, { ...about, consistent, prior, drop, pixels: known.pixels }, stages)
    : await askInstances(target, { ...about, link, refined: ablation.refine }, stages);
  return abstainBelow(found, known.leastTrust);
}

/** Of tokens that the coefficients of trust do not belong to. */
const noJudge: Judge = () => ({});

/** How masks are judged. */
function judgeFrom(
  { classifier, reach, shown }: ReferenceModel,
  proposers: PatchSets,
): NonNullable<KnownObject['judge']> {
  return ({ tokens }, table, prior) => {
    if (!tokens.normalised) return noJudge;
    const scores = prior?.likeness ?? foregroundScores(classifier, tokens);
    return judgeBy({ table, proposers, support: shown.extent, likeness: { scores, reach } });
  };
}

/** With fewer, how well a reference serves is left to chance. Of a note alone; chosen, not measured. */
const FEW_PATCHES = 8;

function supportNotes({ rule, foreground: { length } }: SupportPatches): readonly string[] {
  if (rule !== 'whole' || length >= FEW_PATCHES) return ruleNotes[rule];
  const patches = length === 1 ? 'patch of the reference lies' : 'patches of the reference lie';
  return [`the object is small: only ${length} ${patches} wholly inside it`];
}

const ruleNotes: Readonly<Record<SupportRule, readonly string[]>> = {
  whole: [],
  half: ['no patch of the reference lies wholly inside the object; those at least half inside stand for it'],
  best: ['no patch of the reference lies even half inside the object; the best-covered one stands for it'],
};
