/**
 * One way of looking at a class: what the references say of it when they are seen so, and what that makes of a target
 * that is seen so too. A strategy looks at an image as a whole, or in parts, or in several ways.
 */
import { longSide, type Size } from '../../geometry';
import { foregroundScores } from '../../tokens/foregroundPrior';
import { consistency, type MatchTable, type PatchSets, samplePatches } from '../../tokens/matching';
import { concatTokens } from '../../tokens/patchGrid';
import { concatSupport, type SupportPatches, supportPatches } from '../../tokens/supportMask';
import { type Judge, judgeBy } from '../../tokens/trust';
import type {
  Ablation,
  EncodedImage,
  FurtherReference,
  LabelledReference,
  MatcherPort,
  PreparationRunner,
  Segmentation,
  StageRunner,
} from '../strategy';
import { askClass, type ClassAnswer } from './askClass';
import { askInstances } from './askInstances';
import { dualSpacePrompts, fewPoints, NOT_BESIDE_PRIOR } from './dualSpace';
import { learnReferences, type ReferenceModel } from './referenceModel';
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

/**
 * References that targets are matched with and laid over: each one more costs 8 ms per image; others only teach (one
 * alone: Dice -0.049 with 3 references, -0.030 with 10; the one that looks most like the target: -0.004 and -0.033; see
 * docs/accuracy.md).
 */
export const MOST_CHIEFS = 3;

/** What the references say of the object, for every target that is seen as they are. */
export interface Look {
  readonly matcher: MatcherPort;
  readonly sets: SupportPatches;
  /** Those patches of `sets` that propose matches. */
  readonly proposers: PatchSets;
  readonly model: ReferenceModel;
  /** Where the segmenter takes one. */
  readonly prior: ReferencePrior | undefined;
  readonly ablation: Ablation;
  /** Of the first reference, in its own pixels. */
  readonly size: Size;
  /** Undefined where the references' tokens are not of unit length: the coefficients of trust belong to cosines. */
  readonly judge: ((target: EncodedImage, table: MatchTable, prior: TargetPrior | undefined) => Judge) | undefined;
}

/** @param references at least one, all seen in the same way */
export async function openLook(
  references: readonly FurtherReference[],
  ablation: Ablation,
  runner: PreparationRunner,
): Promise<Look> {
  const chiefs: LabelledReference[] = [];
  for (const reference of references.slice(0, MOST_CHIEFS)) chiefs.push(await reference.open());
  const tokens = concatTokens(chiefs.map(({ image }) => image.tokens));
  const sets = concatSupport(chiefs.map((one) => supportPatches(one.mask, one.image.tokens.grid)));
  const proposers = {
    foreground: samplePatches(sets.foreground, MOST_PROPOSERS),
    background: samplePatches(sets.background, MOST_PROPOSERS),
  };
  const matcher = await runner.openMatcher(tokens, proposers);
  const { wholeClass, maskPrompt } = chiefs[0].image.capabilities;
  const copies = wholeClass && maskPrompt && ablation.prior;
  const model = await learnReferences(references, runner, { copies, selfTest: copies && ablation.selfTest });
  const prior = copies ? new ReferencePrior(model, chiefs, sets, proposers, ablation) : undefined;
  const judge = tokens.normalised ? judgeFrom(model, proposers) : undefined;
  const { size } = chiefs[0].image;
  return { matcher, sets, proposers, model, prior, ablation, size, judge };
}

/** What a target's patches have told, before the segmenter is asked. */
interface Seen {
  readonly consistent: boolean;
  readonly prior: TargetPrior | undefined;
  readonly candidates: Segmentation['prompts'];
  readonly judge: Judge;
}

/** Diameter of an object to be expected in a target, in targetPx. */
const expectedSize = ({ model, size }: Look, target: EncodedImage): number =>
  model.shown.size * (target.scale === undefined ? longSide(target.size) : longSide(size) * target.scale);

async function see(look: Look, target: EncodedImage, { stage }: StageRunner): Promise<Seen> {
  const { matcher, sets, proposers, ablation } = look;
  const table = await stage('match', () => matcher.match(target.tokens));
  const consistent = consistency(table, proposers.foreground, sets.foreground) >= LEAST_CONSISTENCY;
  const prior = await stage('prior', () => look.prior?.over(target.tokens, table, consistent));
  const candidates = await stage('prompts', async () => {
    const all = await dualSpacePrompts({
      ...{ table, sets, proposers, target: target.size, expectedSize: expectedSize(look, target) },
      ablation: prior ? { ...ablation, ...NOT_BESIDE_PRIOR } : ablation,
      meanTokenDistances: (patches) => matcher.meanTokenDistances(target.tokens, patches),
    });
    return prior && ablation.sparse ? fewPoints(all) : all;
  });
  const judge = await stage('trust', () => look.judge?.(target, table, prior) ?? noJudge);
  return { consistent, prior, candidates, judge };
}

/** What a target that is seen so holds of the class, asked for as a whole. */
export async function lookForClass(look: Look, target: EncodedImage, stages: StageRunner): Promise<ClassAnswer> {
  return await askClass(target, await see(look, target, stages), stages);
}

/** The same of its single objects, one question each. */
export async function lookForInstances(look: Look, target: EncodedImage, stages: StageRunner): Promise<Segmentation> {
  const { candidates, judge } = await see(look, target, stages);
  const link = Math.max(expectedSize(look, target) / 2, (1.5 * target.size.width) / target.tokens.grid.width);
  return await askInstances(target, { candidates, judge, link, refined: look.ablation.refine }, stages);
}

/** Of tokens that the coefficients of trust do not belong to. */
const noJudge: Judge = () => ({});

/** How masks are judged. */
function judgeFrom({ classifier, reach, shown }: ReferenceModel, proposers: PatchSets): NonNullable<Look['judge']> {
  return ({ tokens }, table, prior) => {
    if (!tokens.normalised) return noJudge;
    const scores = prior?.likeness ?? foregroundScores(classifier, tokens);
    return judgeBy({ table, proposers, support: shown.extent, likeness: { scores, reach } });
  };
}
