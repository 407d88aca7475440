/** One question for everything of the class, asked again with the prior adapted to its answer. */
import { hasForeground } from '../../pixels/mask';
import { thresholdToRuns } from '../../pixels/raster';
import { withoutSpecks } from '../../pixels/specks';
import { isKept, type PromptCandidate, unused } from '../../prompting/prompts';
import { withPrior } from '../../tokens/foregroundPrior';
import { type Judge, maskStability } from '../../tokens/trust';
import { absent } from '../absent';
import type { EncodedImage, Segmentation, StageRunner } from '../strategy';
import type { PixelPrior } from './pixelPrior';
import type { TargetPrior, ToldPrior } from './targetPrior';

interface ClassQuestion {
  readonly candidates: readonly PromptCandidate[];
  /** Whether so many matches came back that points may be believed where there is a prior without them. */
  readonly consistent: boolean;
  readonly prior: TargetPrior | undefined;
  /** Which components of the answer are left out: specks, and also the rivals of a single object. */
  readonly drop: { readonly specks: boolean; readonly rivals: boolean };
  readonly judge: Judge;
  /** Undefined where the pixels say nothing that helps. */
  readonly pixels: PixelPrior | undefined;
}

export async function askClass(
  target: EncodedImage,
  { candidates, consistent, prior, drop, judge, pixels }: ClassQuestion,
  { stage }: StageRunner,
): Promise<Segmentation> {
  const usable = (consistent || prior === undefined) && candidates.some((one) => one.label === 1 && isKept(one));
  const prompts = usable ? candidates : candidates.map(unused);
  if (!usable && prior === undefined) return absent(target.size, prompts, ['no match came back']);

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
  const decoded = second?.logits.data.some((logit) => logit > 0) ? second : first;

  const told = pixels ? await stage('pixels', () => pixels.withPixels(target, decoded.logits)) : decoded.logits;

  const answered = drop.specks ? withoutSpecks(told) : told;
  const logits = drop.rivals ? withoutSpecks(answered, true) : answered;
  const mask = await stage('mask', () => thresholdToRuns(logits, target.size, 0));
  if (!hasForeground(mask)) {
    return { ...absent(target.size, prompts.map(unused), ['the segmenter drew nothing']), ...decoded.told };
  }
  return {
    outcome: 'mask',
    mask,
    instances: [],
    logits: [logits],
    prompts,
    // A segmenter's own estimate says little of kinds it was not trained on, and nothing of the prior's share in the
    // answer. How much of the mask stays where the threshold is moved ranks better on all of twelve sets together, and
    // lies nearer to the IoU.
    iouPrediction: prior ? maskStability([answered]) : decoded.iouPrediction,
    // A rival that was struck out says something of the mask that stays.
    ...(await stage('trust', () => judge([answered]))),
    ...decoded.told,
    notes: usable ? [] : ['too few matches came back; drawn from the prior alone, without points'],
  };
}
