/**
 * EfficientSAM (Xiong et al. 2024, arXiv 2312.00863) as labelme exports it. The graph resizes and normalises images
 * itself, keeps six points of a prompt set, and knows no negative ones: its prompt encoder has embeddings for points,
 * two corners of a box, and nothing.
 */
import type { Size } from '../../core/geometry';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../../core/prompting/segmenter';
import type { ModelEntry } from '../../models/manifest';
import type { ResolvedModel } from '../../models/modelStore';
import { inputSideOf } from '../encoders/imageEncoder';
import { type Contract, float32 } from '../runtime/contract';
import { type GraphPair, openPair } from '../runtime/graphs';
import { Tensor } from '../runtime/onnxRuntime';
import { normalisedFloats, ownOr, UNIT_RANGE } from '../runtime/pixelTensors';
import { toFloats, toTensor } from '../runtime/tensors';
import type { ImageEmbedding, PixelSegmenter } from './imageSegmenter';
import { bestOf, cornerTokens, MASK_STRIDE, placedSize, pointTokens } from './samFrame';

const encoderContract: Contract = { inputs: { batched_images: float32(4) }, outputs: { image_embeddings: float32(4) } };

const decoderContract: Contract = {
  inputs: {
    image_embeddings: float32(4),
    batched_point_coords: float32(4),
    batched_point_labels: float32(3),
    orig_im_size: { type: 'int64', rank: 1 },
  },
  outputs: { output_masks: float32(5), iou_predictions: float32(3) },
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
    private readonly graphs: GraphPair,
    private readonly entry: ModelEntry,
    private readonly side: number,
  ) {}

  static async open(model: ResolvedModel, threads: number): Promise<EfficientSamSegmenter> {
    const side = inputSideOf(model.entry);
    const contracts = { encoder: encoderContract, decoder: decoderContract };
    const graphs = await openPair(model, contracts, threads);
    return new EfficientSamSegmenter(graphs, model.entry, side);
  }

  /** The graph stretches to this size whatever it is given, but without smoothing. */
  inputSize(size: Size): Size {
    return placedSize(size, this.side, 'stretched');
  }

  async embed(pixels: Uint8Array, modelSize: Size): Promise<ImageEmbedding> {
    const images = toTensor(normalisedFloats(pixels, modelSize, ownOr(UNIT_RANGE, this.entry)));
    const outputs = await this.graphs.encoder.run({ batched_images: images });
    return { modelSize, tensors: { image_embeddings: toFloats(outputs.image_embeddings!) } };
  }

  async decode({ tensors, modelSize }: ImageEmbedding, image: Size, prompts: readonly PromptSet[]) {
    const embeddings = toTensor(tensors.image_embeddings!);
    const decoded: DecodedMask[] = [];
    for (const prompt of prompts) {
      const outputs = await this.graphs.decoder.run({
        image_embeddings: embeddings,
        ...this.promptFeeds(prompt, image, modelSize),
      });
      decoded.push(answer(outputs));
    }
    return decoded;
  }

  dispose(): Promise<void> {
    return this.graphs.dispose();
  }

  /**
   * The size given as the original's is the frame of the points and the size of the masks. A quarter of the input's
   * side is what the decoder draws at: the masks come as they are instead of enlarged.
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
