/** One question for everything of the class, asked again with the prior adapted to its answer. */
import { hasForeground } from '../../pixels/mask';
import { type FloatMap, thresholdToRuns } from '../../pixels/raster';
import { withoutSpecks } from '../../pixels/specks';
import { isKept, type PromptCandidate, unused } from '../../prompting/prompts';
import { withPrior } from '../../tokens/foregroundPrior';
import { type Judge, maskStability } from '../../tokens/trust';
import { absent } from '../absent';
import type { EncodedImage, Segmentation, StageRunner } from '../strategy';
import type { TargetPrior, ToldPrior } from './targetPrior';

interface ClassQuestion {
  readonly candidates: readonly PromptCandidate[];
  /** Whether so many matches came back that points may be believed where there is a prior without them. */
  readonly consistent: boolean;
  readonly prior: TargetPrior | undefined;
  readonly judge: Judge;
}

/** What the segmenter says of a class in a target, before anything is left out of it. */
export interface ClassAnswer {
  readonly prompts: readonly PromptCandidate[];
  /** Over the whole image; undefined where there was nothing to ask with. */
  readonly logits: FloatMap | undefined;
  readonly told: ToldPrior | undefined;
  readonly iouPrediction: number | undefined;
  readonly judge: Judge;
  readonly notes: readonly string[];
}

export async function askClass(
  target: EncodedImage,
  { candidates, consistent, prior, judge }: ClassQuestion,
  { stage }: StageRunner,
): Promise<ClassAnswer> {
  const usable = (consistent || prior === undefined) && candidates.some((one) => one.label === 1 && isKept(one));
  const prompts = usable ? candidates : candidates.map(unused);
  if (!usable && prior === undefined) {
    const nothing = { logits: undefined, told: undefined, iouPrediction: undefined };
    return { ...nothing, prompts, judge, notes: ['no match came back'] };
  }
  const points = prompts.filter(isKept);
  const image = await target.promptable();
  const ask = async (told: ToldPrior | undefined) => {
    const [answer] = await stage('decode', () =>
      image.decode([{ points, ...(told && { maskPrompt: told.maskPrompt }) }]),
    );
    const logits = await stage('mask', () => withPrior(answer.logits, told?.answerPrior));
    return { told, logits, iouPrediction: answer.iouPrediction };
  };
  const first = await ask(prior?.told);
  // The mask itself is not fed back: the embedded decoder loses on lungs and carotids what it gains on nuclei.
  const adapted = prior && (await stage('adapt', () => prior.adapt(first.logits)));
  const second = adapted && (await ask(adapted));
  const { told, logits, iouPrediction } = second?.logits.data.some((logit) => logit > 0) ? second : first;
  return {
    ...{ prompts, logits, told, judge },
    // A segmenter's own estimate says little of kinds it was not trained on, and nothing of the prior's share in the
    // answer. How much of the mask stays where the threshold is moved ranks better on all of twelve sets together, and
    // lies nearer to the IoU.
    iouPrediction: prior ? maskStability([logits]) : iouPrediction,
    notes: usable ? [] : ['too few matches came back; drawn from the prior alone, without points'],
  };
}

/**
 * The segmentation that an answer makes.
 *
 * @param oneObject whether the rivals of a single object are left out, see stage *specks*
 */
export async function concludeClass(
  { size }: EncodedImage,
  { prompts, logits, told, iouPrediction, judge, notes }: ClassAnswer,
  oneObject: boolean,
  { stage }: StageRunner,
): Promise<Segmentation> {
  if (logits === undefined) return absent(size, prompts, notes);
  const kept = oneObject ? withoutSpecks(logits) : logits;
  const mask = await stage('mask', () => thresholdToRuns(kept, size, 0));
  if (!hasForeground(mask)) return { ...absent(size, prompts.map(unused), ['the segmenter drew nothing']), ...told };
  return {
    outcome: 'mask',
    mask,
    instances: [],
    logits: [kept],
    prompts,
    iouPrediction,
    // A rival that was struck out says something of the mask that stays.
    ...(await stage('trust', () => judge([logits]))),
    ...told,
    notes,
  };
}
