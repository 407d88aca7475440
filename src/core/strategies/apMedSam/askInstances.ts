/** Stage *instances*: one question per spatial cluster of positives, to segmenters that answer one object each. */
import { isEmpty, toRuns, union } from '../../pixels/mask';
import { thresholdToMask } from '../../pixels/raster';
import { clusterPositives, type Instance, instancePrompts, withoutDuplicates } from '../../prompting/instances';
import { isKept, type PromptCandidate, unused } from '../../prompting/prompts';
import type { DecodedMask, PromptSet } from '../../prompting/segmenter';
import type { Judge } from '../../tokens/trust';
import { absent } from '../absent';
import type { EncodedImage, Segmentation, StageRunner } from '../strategy';
import { refine } from './refinement';

interface InstanceQuestions {
  readonly candidates: readonly PromptCandidate[];
  /** Positives closer than this (targetPx) are of one object. */
  readonly link: number;
  /** Whether answers are refined, see `refine`. */
  readonly refined: boolean;
  readonly judge: Judge;
}

export async function askInstances(
  target: EncodedImage,
  { candidates, link, refined, judge }: InstanceQuestions,
  { stage }: StageRunner,
): Promise<Segmentation> {
  // What thinning dropped for the image as a whole may be what an instance needs.
  const positives = candidates
    .filter(({ label, reason }) => label === 1 && (reason === 'kept' || reason === 'thinned'))
    .map((candidate) => ({ ...candidate, reason: 'kept' as const }));
  // Without a positive no candidate was kept, see `dualSpacePrompts`.
  if (positives.length === 0) return absent(target.size, candidates, ['no match came back']);
  const negatives = candidates.filter((candidate) => candidate.label === 0 && isKept(candidate));
  const lists = instancePrompts(clusterPositives(positives, link), negatives);
  const questions = lists.map((list): PromptSet => ({ points: list.filter(isKept) }));
  const image = await target.promptable();
  const answers = await stage('decode', () => image.decode(questions));
  const decoded = refined
    ? await stage('refine', async () => {
        const better: DecodedMask[] = [];
        for (const [at, answer] of answers.entries()) {
          better.push(await refine(image, questions[at], answer, target.size));
        }
        return better;
      })
    : answers;
  const masks = await stage('mask', () => decoded.map(({ logits }) => thresholdToMask(logits, target.size, 0)));
  const predictions = decoded.map(({ iouPrediction }) => iouPrediction);
  const kept = withoutDuplicates(masks, predictions).filter((index) => !isEmpty(masks[index]));
  if (kept.length === 0) return absent(target.size, candidates.map(unused), ['the segmenter drew nothing']);
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
    mask: toRuns(
      union(
        target.size,
        kept.map((index) => masks[index]),
      ),
    ),
    instances: instances.length > 1 ? instances : [],
    logits,
    prompts: [...lists.flat(), ...candidates.filter(({ reason }) => reason !== 'kept' && reason !== 'thinned')],
    iouPrediction: kept.reduce((sum, index) => sum + predictions[index], 0) / kept.length,
    ...(await stage('trust', () => judge(logits))),
    notes: [],
  };
}
