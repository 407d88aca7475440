/** Images as strategies see them: what the segmenter cannot be asked as it was is degraded, and noted. */
import { setImmediate } from 'node:timers/promises';
import { degradePrompts, isEmptyQuestion } from '../../core/prompting/degradation';
import type { DecodedMask, PromptableImage, PromptSet } from '../../core/prompting/segmenter';
import type { EncodedImage, StageRunner } from '../../core/strategies/strategy';
import { restartClock } from '../runtime/workClock';
import type { ImageEmbedding, Segmenter } from '../segmenters';
import type { SeenFile } from './encodedFiles';
import { TiledImage, type TileModels, type TileSource } from './tiledImage';

/**
 * An encoded file as strategies see it.
 *
 * @param degradations collects what the segmenter could not be asked as it was.
 */
export function imageOf(
  { info: { size }, encoding: { tokens, preNormTokens }, embedding }: SeenFile,
  segmenter: Segmenter,
  { stage }: StageRunner,
  degradations: Set<string>,
): EncodedImage {
  const promptable = async () => {
    const bound = await stageEmbedding(segmenter, stage, embedding);
    const { capabilities } = segmenter;
    return { capabilities, decode: (prompts: readonly PromptSet[]) => segmenter.decode(bound, size, prompts) };
  };
  return imageOfParts({ size, tokens, ...(preNormTokens && { preNormTokens }) }, segmenter, promptable, degradations);
}

/**
 * An image in tiles as strategies see it.
 *
 * @param degradations collects what the segmenter could not be asked as it was.
 * @param signal ends the work before the next tile; nothing does where undefined
 */
export async function tiledImageOf(
  source: TileSource,
  models: TileModels,
  runner: StageRunner,
  degradations: Set<string>,
  signal?: AbortSignal,
): Promise<EncodedImage> {
  const pause = async () => {
    await setImmediate();
    signal?.throwIfAborted();
    // A picture of many parts takes its time, and gets on.
    restartClock();
  };
  const tiled = await runner.stage('encode', () => TiledImage.encode(source, models, pause));
  const { size, tokens, promptable } = tiled.image;
  return imageOfParts({ size, tokens }, models.segmenter, promptable, degradations);
}

/** An image whose prompts are degraded to what the segmenter can be asked. */
function imageOfParts(
  parts: Pick<EncodedImage, 'size' | 'tokens' | 'preNormTokens'>,
  { capabilities }: Segmenter,
  promptable: () => Promise<PromptableImage>,
  degradations: Set<string>,
): EncodedImage {
  const margin = halfPatch(parts);
  const ask = (asked: PromptSet): PromptSet => {
    const { prompts, notes } = degradePrompts(asked, capabilities, parts.size, margin);
    for (const note of notes) degradations.add(note);
    return prompts;
  };
  return {
    ...parts,
    capabilities,
    promptable: async () => {
      const image = await promptable();
      return {
        capabilities,
        decode: async (prompts: readonly PromptSet[]) => {
          const asked = prompts.map(ask);
          // What had something to ask and has nothing left gets no answer instead of one to another question.
          const isAsked = (index: number) => !isEmptyQuestion(asked[index]!) || isEmptyQuestion(prompts[index]!);
          const answers = await image.decode(asked.filter((_, index) => isAsked(index)));
          return prompts.map((_, index) => (isAsked(index) ? answers.shift()! : NOTHING_DRAWN));
        },
      };
    },
  };
}

/** A stage of its own where it is work. */
export const stageEmbedding = (
  { reads }: Segmenter,
  stage: StageRunner['stage'],
  embed: () => Promise<ImageEmbedding>,
): Promise<ImageEmbedding> => (reads === 'pixels' ? stage('embed', embed) : embed());

const NOTHING_DRAWN: DecodedMask = {
  logits: { size: { width: 1, height: 1 }, data: Float32Array.of(-1) },
  iouPrediction: 0,
};

/** Half a patch of an image, in its own pixels. */
export const halfPatch = ({ size, tokens }: Pick<EncodedImage, 'size' | 'tokens'>) => ({
  width: size.width / tokens.grid.width / 2,
  height: size.height / tokens.grid.height / 2,
});
