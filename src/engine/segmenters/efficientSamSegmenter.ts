/**
 * EfficientSAM (Xiong et al. 2024, arXiv 2312.00863) as labelme exports it. The graph resizes and normalises images itself,
 * keeps six points of a prompt set, and knows no negative ones: its prompt encoder has embeddings for points, two corners of
 * a box, and nothing.
 */
import type { Size } from '../../core/geometry';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../../core/segmenter';
import type { ModelEntry } from '../../models/manifest';
import type { ResolvedModel } from '../../models/modelStore';
import { inputSideOf } from '../encoders/imageEncoder';
import { openPair } from '../graphs';
import { normalisedFloats, UNIT_RANGE } from '../pixelTensors';
import { type Contract, type Session, Tensor, toFloats, toTensor } from '../sessions';
import type { ImageEmbedding, PixelSegmenter } from './imageSegmenter';
import { bestOf, cornerTokens, MASK_STRIDE, placedSize, pointTokens } from './samFrame';

const spec = (rank: number) => ({ type: 'float32', rank }) as const;

const encoderContract: Contract = { inputs: { batched_images: spec(4) }, outputs: { image_embeddings: spec(4) } };

const decoderContract: Contract = {
  inputs: {
    image_embeddings: spec(4),
    batched_point_coords: spec(4),
    batched_point_labels: spec(3),
    orig_im_size: { type: 'int64', rank: 1 },
  },
  outputs: { output_masks: spec(5), iou_predictions: spec(3) },
};

export class EfficientSamSegmenter implements PixelSegmenter {
  readonly reads = 'pixels';

  readonly capabilities: SegmenterCapabilities = {
    points: true,
    negatives: false,
    box: true,
    maskPrompt: false,
    iterative: false,
    promptBatch: false,
    multimask: true,
    mostPoints: 6,
    wholeClass: false,
  };

  private constructor(
    private readonly encoder: Session,
    private readonly decoder: Session,
    private readonly entry: ModelEntry,
    private readonly side: number,
  ) {}

  static async open(model: ResolvedModel, threads: number): Promise<EfficientSamSegmenter> {
    const side = inputSideOf(model.entry);
    const contracts = { encoder: encoderContract, decoder: decoderContract };
    const { encoder, decoder } = await openPair(model, contracts, threads);
    return new EfficientSamSegmenter(encoder, decoder, model.entry, side);
  }

  /** The graph stretches to this size whatever it is given, but without smoothing. */
  inputSize(size: Size): Size {
    return placedSize(size, this.side, 'stretched');
  }

  async embed(pixels: Uint8Array, modelSize: Size): Promise<ImageEmbedding> {
    const { mean = UNIT_RANGE.mean, std = UNIT_RANGE.std } = this.entry;
    const images = toTensor(normalisedFloats(pixels, modelSize, { mean, std }));
    const outputs = await this.encoder.run({ batched_images: images });
    return { modelSize, tensors: { image_embeddings: toFloats(outputs.image_embeddings!) } };
  }

  async decode({ tensors, modelSize }: ImageEmbedding, image: Size, prompts: readonly PromptSet[]) {
    const embeddings = toTensor(tensors.image_embeddings!);
    const decoded: DecodedMask[] = [];
    for (const prompt of prompts) {
      const outputs = await this.decoder.run({
        image_embeddings: embeddings,
        ...this.promptFeeds(prompt, image, modelSize),
      });
      decoded.push(answer(outputs));
    }
    return decoded;
  }

  async dispose(): Promise<void> {
    await this.encoder.dispose();
    await this.decoder.dispose();
  }

  /**
   * The size given as the original's is the frame of the points and the size of the masks. A quarter of the input's side is
   * what the decoder draws at: the masks come as they are instead of enlarged.
   */
  private promptFeeds(prompt: PromptSet, image: Size, modelSize: Size): Record<string, Tensor> {
    const tokens = [...pointTokens(prompt, image, modelSize), ...cornerTokens(prompt, image, modelSize)];
    // What lies below zero would be taken for padding.
    const inFrame = (value: number) => Math.max(0, value) / MASK_STRIDE;
    const coords = Float32Array.from(tokens.flatMap(({ at }) => [inFrame(at.x), inFrame(at.y)]));
    const labels = Float32Array.from(tokens, ({ label }) => label);
    const frame = BigInt(this.side / MASK_STRIDE);
    return {
      batched_point_coords: new Tensor('float32', coords, [1, 1, tokens.length, 2]),
      batched_point_labels: new Tensor('float32', labels, [1, 1, tokens.length]),
      orig_im_size: new Tensor('int64', BigInt64Array.of(frame, frame), [2]),
    };
  }
}

function answer(outputs: Readonly<Record<string, Tensor>>): DecodedMask {
  const { dims, data } = toFloats(outputs.output_masks!);
  const predictions = toFloats(outputs.iou_predictions!).data;
  const [height, width] = dims.slice(-2) as [number, number];
  const pixels = width * height;
  const chosen = bestOf(predictions);
  return {
    logits: { size: { width, height }, data: data.slice(chosen * pixels, (chosen + 1) * pixels) },
    iouPrediction: predictions[chosen]!,
  };
}
