/**
 * Strategy `ap-medsam`: dual-space prompts, a foreground prior as mask prompt, one question per class or per instance,
 * a second one with what the first has taught, trust.
 *
 * Where we differ from the method as published: all points of a target are dropped when too few of its matches come
 * back (points from poor matches make a mask worse than none); and with a segmenter that takes mask prompts, a target
 * in which no positive point survives is not absent yet, but decoded from the prior alone: absent is what the segmenter
 * then leaves empty. (On brain tumours half of the targets have no surviving point, and all of them hold the object.)
 */

import { emptyRuns, hasForeground, isEmpty, type Mask, toRuns, union } from '../../pixels/mask';
import { maskExtent, meanExtent } from '../../pixels/maskExtent';
import { type FloatMap, thresholdToMask, thresholdToRuns } from '../../pixels/raster';
import { showsOneObject, withoutSpecks } from '../../pixels/specks';
import { clusterPositives, type Instance, instancePrompts, withoutDuplicates } from '../../prompting/instances';
import { type PromptCandidate, spreadPoints } from '../../prompting/prompts';
import type { PromptSet } from '../../prompting/segmenter';
import { foregroundScores, priorShare, scorePrompt, withPrior } from '../../tokens/foregroundPrior';
import { consistency, samplePatches } from '../../tokens/matching';
import { concatTokens } from '../../tokens/patchGrid';
import {
  concatSupport,
  expectedObjectSize,
  meanObjectSize,
  type SupportRule,
  supportPatches,
} from '../../tokens/supportMask';
import { maskStability, trustOf, trustParts } from '../../tokens/trust';
import {
  DEFAULT_MIN_TRUST,
  type EncodedImage,
  type EncodedReference,
  type LabelledReference,
  type PreparationRunner,
  type PreparedReference,
  type Segmentation,
  type StageRunner,
  type Strategy,
  type StrategyParameters,
} from '../strategy';
import { abstainBelow } from './abstention';
import { adaptedScores, selfTrainedScores } from './adaptation';
import { alignReference, withMissing } from './alignment';
import { dualSpacePrompts } from './dualSpace';
import {
  describeSelfTest,
  gentlePrompt,
  type LearntClassifier,
  learnClassifier,
  learnReferences,
  placeReferences,
  referenceDoubts,
  strongPrompt,
} from './referenceModel';
import { refine } from './refinement';

/** Patches of the foreground and of the background that propose matches; more find the same points at a higher cost. */
const MOST_PROPOSERS = 64;

/** Share of matches that must come back before a target's points, or a strong prior, are believed. */
const LEAST_CONSISTENCY = 0.5;

/** Each one more costs seconds at the start and 8 ms per image, and helps less than the one before. */
const MOST_REFERENCES = 3;

export const apMedSam: Strategy = {
  mostReferences: MOST_REFERENCES,
  tiles: true,
  judges: true,

  async prepare(
    reference: EncodedReference,
    mask: Mask,
    { ablation, minTrust }: StrategyParameters,
    runner: PreparationRunner,
    others: readonly LabelledReference[] = [],
  ): Promise<PreparedReference> {
    const references = [{ image: reference, mask }, ...others];
    const tokens = concatTokens(references.map(({ image }) => image.tokens));
    const sets = concatSupport(references.map((one) => supportPatches(one.mask, one.image.tokens.grid)));
    const proposers = {
      foreground: samplePatches(sets.foreground, MOST_PROPOSERS),
      background: samplePatches(sets.background, MOST_PROPOSERS),
    };
    const objectSizes = references.map((one) => ({ size: meanObjectSize(one.mask), of: one.mask.size }));
    const single = references.every((one) => showsOneObject(one.mask));
    const support = meanExtent(references.map((one) => maskExtent([one.mask])));
    const matcher = await runner.openMatcher(tokens, proposers);
    const { wholeClass, maskPrompt } = reference.capabilities;
    const leastTrust = minTrust ?? (wholeClass ? DEFAULT_MIN_TRUST : 0);
    const usesPrior = wholeClass && maskPrompt && ablation.prior;
    const model = usesPrior ? await learnReferences(references, runner, ablation.selfTest) : undefined;
    // The coefficients of trust belong to cosines: other tokens are not judged, and without a prior nothing else needs
    // it.
    const learnt = model ?? (tokens.normalised ? learnClassifier(references) : undefined);
    const scoresOf = ({ classifier }: LearntClassifier, raw: FloatMap, image: EncodedImage): FloatMap =>
      ablation.selfTraining ? selfTrainedScores(classifier, raw, image.tokens) : scorePrompt(raw);
    const places =
      model && ablation.alignment
        ? placeReferences(references, sets.coverage, proposers, (image) =>
            scoresOf(model, foregroundScores(model.classifier, image.tokens), image),
          )
        : [];
    const trusted = model !== undefined && model.strong.dice >= model.gentle.dice;

    return {
      foregroundPatches: sets.foreground.length,
      backgroundPatches: sets.background.length,
      notes: [
        ...(sets.rule === 'whole' && sets.foreground.length < FEW_PATCHES ? [describeFew(sets.foreground.length)] : []),
        ...ruleNotes[sets.rule],
        ...(model && ablation.selfTest ? [describeSelfTest(model), ...referenceDoubts(model)] : []),
      ],
      async segment(target, runStages) {
        const { stage } = runStages;
        const likeness =
          learnt &&
          (await stage('prior', () => ({
            scores: foregroundScores(learnt.classifier, target.tokens),
            reach: learnt.reach,
          })));
        const ownScores = model && likeness && (await stage('prior', () => scoresOf(model, likeness.scores, target)));
        const expectedSize = mean(objectSizes.map(({ size, of }) => expectedObjectSize(size, of, target.size)));
        const table = await stage('match', () => matcher.match(target.tokens));
        const alignments = await stage('prior', () => places.map((place) => alignReference(table, place)));
        const scores = ownScores && (await stage('prior', () => withMissing(ownScores, places, alignments)));
        const candidates = await stage('prompts', () =>
          dualSpacePrompts({
            table,
            sets,
            proposers,
            target: target.size,
            expectedSize,
            ablation,
            meanTokenDistances: (patches) => matcher.meanTokenDistances(target.tokens, patches),
          }),
        );
        const returned = consistency(table, proposers.foreground, sets.foreground);
        const consistent = returned >= LEAST_CONSISTENCY;
        const judge: Judge = (logits) => {
          if (!(likeness && tokens.normalised && target.tokens.normalised)) return {};
          const parts = trustParts({
            ...{ logits, table, proposers, likeness, prior: scores, support },
            consistency: returned,
          });
          return { trust: trustOf(parts), trustParts: parts };
        };
        if (wholeClass) {
          const strong = trusted && consistent;
          const prior = model &&
            ownScores &&
            scores && {
              scores,
              toPrompt: strong ? strongPrompt : gentlePrompt,
              weight: (strong ? model.strong : model.gentle).weight,
              adapt: (logits: FloatMap) => {
                if (!ablation.refine) return undefined;
                const adapted = adaptedScores(model.classifier, ownScores, target.tokens, logits);
                return adapted && withMissing(adapted, places, alignments);
              },
            };
          const proposed = prior && ablation.sparse ? fewPoints(candidates) : candidates;
          const drop = { specks: ablation.specks, rivals: ablation.specks && single };
          const found = await segmentClass(target, runStages, proposed, consistent, prior, drop, judge);
          return abstainBelow(found, leastTrust);
        }
        const link = Math.max(expectedSize / 2, (1.5 * target.size.width) / target.tokens.grid.width);
        return abstainBelow(
          await segmentInstances(target, runStages, candidates, link, ablation.refine, judge),
          leastTrust,
        );
      },
    };
  },
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** With fewer, how well a reference serves is left to chance. */
const FEW_PATCHES = 8;

const describeFew = (count: number): string =>
  `the object is small: only ${count} ${count === 1 ? 'patch' : 'patches'} of the reference ${count === 1 ? 'lies' : 'lie'} wholly inside it`;

const ruleNotes: Readonly<Record<SupportRule, string[]>> = {
  whole: [],
  half: ['no patch of the reference lies wholly inside the object; those at least half inside stand for it'],
  best: ['no patch of the reference lies even half inside the object; the best-covered one stands for it'],
};

/** What is said of the mask that these logits draw. */
type Judge = (logits: readonly FloatMap[]) => Pick<Segmentation, 'trust' | 'trustParts'>;

/** What a reference says of one target, and how that becomes a mask prompt. */
interface TargetPrior {
  readonly scores: FloatMap;
  readonly toPrompt: (scores: FloatMap) => FloatMap;
  /** How much of the scores is added to the segmenter's answers. */
  readonly weight: number;
  /** Scores that have learnt from the mask with these logits; undefined where there is nothing to learn. */
  readonly adapt: (logits: FloatMap) => FloatMap | undefined;
}

/** One question for everything of the class, asked again with the prior adapted to its answer. */
async function segmentClass(
  target: EncodedImage,
  { stage }: StageRunner,
  candidates: readonly PromptCandidate[],
  consistent: boolean,
  prior: TargetPrior | undefined,
  drop: { readonly specks: boolean; readonly rivals: boolean },
  judge: Judge,
): Promise<Segmentation> {
  const usable = (consistent || prior === undefined) && candidates.some(isPositivePrompt);
  const prompts = usable ? candidates : candidates.map(dropped);
  if (!usable && prior === undefined) return absent(target, prompts, 'no match came back');

  const points = usable ? candidates.filter(isKept) : [];
  const image = await target.promptable();
  const ask = async (scores: FloatMap | undefined) => {
    const maskPrompt = prior && scores && prior.toPrompt(scores);
    const question: PromptSet = { points, ...(maskPrompt && { maskPrompt }) };
    const [answer] = await stage('decode', () => image.decode([question]));
    const answerPrior = prior && scores && priorShare(scores, prior.weight);
    const logits = await stage('mask', () => withPrior(answer.logits, answerPrior));
    const given = { ...(maskPrompt && { maskPrompt }), ...(answerPrior && { answerPrior }) };
    return { given, decoded: { ...answer, logits } };
  };
  const first = await ask(prior?.scores);
  // The mask itself is not fed back: the embedded decoder loses on lungs and carotids what it gains on nuclei.
  const adapted = prior && (await stage('adapt', () => prior.adapt(first.decoded.logits)));
  const second = adapted && (await ask(adapted));
  const { given, decoded } = second?.decoded.logits.data.some((logit) => logit > 0) ? second : first;
  const answered = drop.specks ? withoutSpecks(decoded.logits) : decoded.logits;
  const logits = drop.rivals ? withoutSpecks(answered, true) : answered;
  const mask = await stage('mask', () => thresholdToRuns(logits, target.size, 0));
  if (!hasForeground(mask)) return { ...absent(target, prompts, 'the segmenter drew nothing'), ...given };
  // A rival that was struck out says something of the mask that stays.
  const judgement = await stage('trust', () => judge([answered]));
  const notes = usable ? [] : ['too few matches came back; drawn from the prior alone, without points'];
  // A segmenter's own estimate says little of kinds it was not trained on, and nothing of the prior's share in the
  // answer. How much of the mask stays where the threshold is moved ranks better on all of twelve sets together, and
  // lies nearer to the IoU.
  const iouPrediction = prior ? maskStability([answered]) : decoded.iouPrediction;
  return {
    outcome: 'mask',
    mask,
    instances: [],
    logits: [logits],
    prompts,
    iouPrediction,
    ...judgement,
    ...given,
    notes,
  };
}

/** One question per spatial cluster of positives. */
async function segmentInstances(
  target: EncodedImage,
  { stage }: StageRunner,
  candidates: readonly PromptCandidate[],
  link: number,
  refined: boolean,
  judge: Judge,
): Promise<Segmentation> {
  // What thinning dropped for the image as a whole may be what an instance needs.
  const positives = candidates.filter(isPositive).map((candidate) => ({ ...candidate, reason: 'kept' as const }));
  if (positives.length === 0) return absent(target, candidates, 'no match came back');
  const negatives = candidates.filter(({ label, reason }) => label === 0 && reason === 'kept');
  const lists = instancePrompts(clusterPositives(positives, link), negatives);
  const questions = lists.map((list): PromptSet => ({ points: list.filter(isKept) }));
  const image = await target.promptable();
  const answers = await stage('decode', () => image.decode(questions));
  const decoded = refined
    ? await stage('refine', async () => {
        const better = [];
        for (const [i, answer] of answers.entries())
          better.push(await refine(image, questions[i], answer, target.size));
        return better;
      })
    : answers;
  const masks = await stage('mask', () => decoded.map(({ logits }) => thresholdToMask(logits, target.size, 0)));
  const predictions = decoded.map(({ iouPrediction }) => iouPrediction);
  const kept = withoutDuplicates(masks, predictions).filter((index) => !isEmpty(masks[index]));
  if (kept.length === 0) return absent(target, candidates, 'the segmenter drew nothing');
  const drawn = kept.map((index) => masks[index]);
  const logits = kept.map((index) => decoded[index].logits);
  const instances = await stage('trust', () =>
    kept.map((index): Instance => {
      const { trust } = judge([decoded[index].logits]);
      const about = { iouPrediction: predictions[index], ...(trust !== undefined && { trust }) };
      return { mask: toRuns(masks[index]), ...about };
    }),
  );
  return {
    outcome: 'mask',
    mask: toRuns(union(target.size, drawn)),
    instances: instances.length > 1 ? instances : [],
    logits,
    prompts: [...lists.flat(), ...candidates.filter(({ reason }) => reason !== 'kept' && reason !== 'thinned')],
    iouPrediction: kept.reduce((sum, index) => sum + predictions[index], 0) / kept.length,
    ...(await stage('trust', () => judge(logits))),
    notes: [],
  };
}

const isKept = ({ reason }: PromptCandidate): boolean => reason === 'kept';

/**
 * Of each label, beside a prior: more cost time and tell nothing new. The embedded decoder was trained with up to 8.
 */
const MOST_BESIDE_PRIOR = 12;

/** The kept candidates of each label, thinned to the few that say where; the prior says the rest. */
function fewPoints(candidates: readonly PromptCandidate[]): PromptCandidate[] {
  const spread = ([1, 0] as const).flatMap((label) =>
    spreadPoints(
      candidates.filter((candidate) => candidate.label === label && isKept(candidate)),
      MOST_BESIDE_PRIOR,
    ),
  );
  const byPatch = new Map(spread.map((candidate) => [candidate.targetPatch, candidate]));
  return candidates.map((candidate) => (isKept(candidate) ? byPatch.get(candidate.targetPatch)! : candidate));
}

const isPositivePrompt = ({ label, reason }: PromptCandidate): boolean => label === 1 && reason === 'kept';

/** Survived feature space; thinning is about how many points, not about which are right. */
const isPositive = ({ label, reason }: PromptCandidate): boolean =>
  label === 1 && (reason === 'kept' || reason === 'thinned');

const dropped = (candidate: PromptCandidate): PromptCandidate =>
  candidate.reason === 'kept' ? { ...candidate, reason: 'inconsistent' } : candidate;

function absent({ size }: EncodedImage, prompts: readonly PromptCandidate[], why: string): Segmentation {
  return {
    outcome: 'absent',
    mask: emptyRuns(size),
    instances: [],
    logits: [],
    prompts: prompts.map(dropped),
    iouPrediction: Number.NaN,
    notes: [why],
  };
}
