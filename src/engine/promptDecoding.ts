/** Questions about an image that a person asks with prompts, one after another. */

import { forBestDice } from '../core/pixels/expectedDice';
import { thresholdToRuns } from '../core/pixels/raster';
import { degradePrompts, isEmptyQuestion } from '../core/prompting/degradation';
import { checkPrompts } from '../core/prompting/segmenter';
import { withPrior } from '../core/tokens/foregroundPrior';
import { maskStability } from '../core/tokens/trust';
import { UserError } from '../core/userError';
import type { DecodeRequest, DecodeResult, EngineApi } from '../protocol/engineApi';
import type { EncodedFiles } from './images/encodedFiles';
import { halfPatch, stageEmbedding } from './images/strategyImage';
import type { EngineModels } from './models/engineModels';
import type { InferenceQueue } from './runtime/inferenceQueue';
import { stageRunner } from './runtime/stages';

export class PromptDecoding {
  constructor(
    private readonly models: EngineModels,
    private readonly files: EncodedFiles,
    private readonly inference: InferenceQueue,
  ) {}

  async decode(request: DecodeRequest, signal: AbortSignal): Promise<DecodeResult> {
    const started = performance.now();
    const times: Record<string, number> = {};
    const { stage } = stageRunner(signal, times);
    const { segmenter, segmenterModel } = await this.models.loaded();
    checkPrompts(request.prompts);
    const target = await this.files.target(request, true, signal, times);
    const { size, file } = target.info;
    const { prompts, notes } = degradePrompts(
      request.prompts,
      segmenter.capabilities,
      size,
      halfPatch({ size, tokens: target.encoding.tokens }),
    );
    if (isEmptyQuestion(prompts)) {
      const { points } = segmenter.capabilities;
      throw new UserError(
        `The segmenter "${segmenterModel.entry.id}" cannot be asked this: mark the object with a ${points ? 'positive point' : 'box'}.`,
      );
    }
    const decoded = await this.inference.run(async () => {
      const embedding = await stageEmbedding(segmenter, stage, () => target.embedding());
      const [answer] = await stage('decode', () => segmenter.decode(embedding, size, [prompts]));
      return answer!;
    });
    await target.keep('embedding');
    const { mask, drawn } = await stage('mask', () => {
      const logits = withPrior(decoded.logits, request.answerPrior);
      const drawn = request.bestOverlap && segmenter.capabilities.wholeClass ? forBestDice(logits) : logits;
      return { mask: thresholdToRuns(drawn, size, 0), drawn };
    });
    return {
      mask,
      iouPrediction: request.asApMedSam ? maskStability([drawn]) : decoded.iouPrediction,
      ...(request.withMaskPrompt && segmenter.capabilities.maskPrompt && { maskPrompt: drawn }),
      file,
      notes,
      times: { ...times, total: performance.now() - started },
    };
  }

  /** Does what a question about the image would wait for. */
  async prefetch(request: Parameters<EngineApi['prefetch']>[0], signal: AbortSignal): Promise<void> {
    const target = await this.files.target(request, true, signal, {});
    await this.inference.run(() => stageRunner(signal, {}).stage('embed', () => target.embedding()));
    await target.keep('embedding');
  }
}
