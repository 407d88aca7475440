/**
 * Segmenters as exported for transformers.js: SlimSAM (Chen et al. 2023, arXiv 2312.05284) and MedSAM (Ma et al. 2024,
 * Nature Communications 15, 654) with the contract of its SamModel, SAM 2.1 (Ravi et al. 2024, arXiv 2408.00714) with
 * that of its Sam2Model. None takes a mask prompt. SamModel's export has no input for a box, and its labels know no
 * corners; a graph that has `input_boxes` is given boxes.
 */
import type { Size } from '../../core/geometry';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../../core/prompting/segmenter';
import type { ModelEntry } from '../../models/manifest';
import type { ResolvedModel } from '../../models/modelStore';
import { inputSideOf } from '../encoders/imageEncoder';
import { type Contract, float32 } from '../runtime/contract';
import { type GraphPair, openPair } from '../runtime/graphs';
import { Tensor } from '../runtime/onnxRuntime';
import { IMAGENET, normalisedFloats, ownOr, stretchedRange } from '../runtime/pixelTensors';
import { toFloats, toNamedFloats, toTensor, toTensors } from '../runtime/tensors';
import type { ImageEmbedding, PixelSegmenter } from './imageSegmenter';
import {
  bestOf,
  coordinatesOf,
  cornerTokens,
  type Placement,
  placedSize,
  pointTokens,
  type Token,
  withoutPadding,
} from './samFrame';

/** Where the families differ. */
interface Variant {
  /** Outputs of the encoder that are inputs of the decoder, all of rank 4. */
  readonly embeddings: readonly string[];
  readonly placement: Placement;
  /** Each image's own range of values is spread over 0..1; else ImageNet's normalisation. */
  readonly ownRange: boolean;
  /** Whether every decoder of the family takes boxes. */
  readonly needsBoxes: boolean;
  /** Trained with boxes alone: points say little where boxes can be given. */
  readonly boxesOnly: boolean;
}

const SLIM_SAM: Variant = {
  embeddings: ['image_embeddings', 'image_positional_embeddings'],
  placement: 'padded',
  ownRange: false,
  needsBoxes: false,
  boxesOnly: false,
};

/** As its authors' inference: stretched to a square, and each image's own range of values spread over 0..1. */
const MEDSAM: Variant = {
  ...SLIM_SAM,
  placement: 'stretched',
  ownRange: true,
  boxesOnly: true,
};

const SAM2: Variant = {
  embeddings: ['image_embeddings.0', 'image_embeddings.1', 'image_embeddings.2'],
  placement: 'stretched',
  ownRange: false,
  needsBoxes: true,
  boxesOnly: false,
};

/** Most questions in one run; each costs about a megabyte of masks. */
const MOST_AT_ONCE = 32;

export class TransformersSegmenter implements PixelSegmenter {
  readonly reads = 'pixels';
  readonly capabilities: SegmenterCapabilities;

  private constructor(
    private readonly graphs: GraphPair,
    private readonly entry: ModelEntry,
    private readonly side: number,
    private readonly variant: Variant,
  ) {
    const box = graphs.decoder.inputDims('input_boxes') !== undefined;
    const points = !((entry.boxesOnly ?? variant.boxesOnly) && box);
    this.capabilities = {
      points,
      negatives: points,
      box,
      maskPrompt: false,
      iterative: false,
      promptBatch: typeof graphs.decoder.inputDims('input_points')![1] === 'string',
      multimask: true,
      wholeClass: false,
    };
  }

  static openSlimSam(model: ResolvedModel, threads: number): Promise<TransformersSegmenter> {
    return TransformersSegmenter.open(SLIM_SAM, model, threads);
  }

  static openMedSam(model: ResolvedModel, threads: number): Promise<TransformersSegmenter> {
    return TransformersSegmenter.open(MEDSAM, model, threads);
  }

  static openSam2(model: ResolvedModel, threads: number): Promise<TransformersSegmenter> {
    return TransformersSegmenter.open(SAM2, model, threads);
  }

  private static async open(variant: Variant, model: ResolvedModel, threads: number): Promise<TransformersSegmenter> {
    const side = inputSideOf(model.entry);
    const embeddings = Object.fromEntries(variant.embeddings.map((name) => [name, float32(4)]));
    const boxes = { input_boxes: float32(3) };
    const encoderContract: Contract = { inputs: { pixel_values: float32(4) }, outputs: embeddings };
    const decoderContract: Contract = {
      inputs: {
        ...embeddings,
        input_points: float32(4),
        input_labels: { type: 'int64', rank: 3 },
        ...(variant.needsBoxes && boxes),
      },
      optionalInputs: boxes,
      outputs: { iou_scores: float32(3), pred_masks: float32(5) },
    };
    const contracts = { encoder: encoderContract, decoder: decoderContract };
    const graphs = await openPair(model, contracts, threads);
    return new TransformersSegmenter(graphs, model.entry, side, variant);
  }

  inputSize(size: Size): Size {
    return placedSize(size, this.side, this.entry.placement ?? this.variant.placement);
  }

  async embed(pixels: Uint8Array, modelSize: Size): Promise<ImageEmbedding> {
    const ownRange = this.entry.ownRange ?? this.variant.ownRange;
    const usual = ownRange ? stretchedRange(pixels) : IMAGENET;
    const square = { width: this.side, height: this.side };
    const outputs = await this.graphs.encoder.run({
      pixel_values: toTensor(normalisedFloats(pixels, modelSize, ownOr(usual, this.entry), square)),
    });
    return { modelSize, tensors: toNamedFloats(outputs, this.variant.embeddings) };
  }

  async decode({ tensors, modelSize }: ImageEmbedding, image: Size, prompts: readonly PromptSet[]) {
    const embeddings = toTensors(tensors);
    const decoded: DecodedMask[] = new Array(prompts.length);
    for (const group of this.groups(prompts)) {
      const asked = group.map((index) => prompts[index]!);
      const outputs = await this.graphs.decoder.run({ ...embeddings, ...this.promptFeeds(asked, image, modelSize) });
      for (const [k, answer] of this.answers(outputs, modelSize).entries()) decoded[group[k]!] = answer;
    }
    return decoded;
  }

  dispose(): Promise<void> {
    return this.graphs.dispose();
  }

  /**
   * Indices of the questions that one run can answer: without a box, and of equally many points, as padding is no
   * point.
   */
  private groups(prompts: readonly PromptSet[]): number[][] {
    const groups: number[][] = [];
    const open = new Map<number, number[]>();
    for (const [index, { points, box }] of prompts.entries()) {
      const group = box || !this.capabilities.promptBatch ? undefined : open.get(points.length);
      if (group && group.length < MOST_AT_ONCE) {
        group.push(index);
        continue;
      }
      const started = [index];
      groups.push(started);
      if (!box) open.set(points.length, started);
    }
    return groups;
  }

  /** @param prompts of equally many points; one alone where there is a box. */
  private promptFeeds(prompts: readonly PromptSet[], image: Size, modelSize: Size): Record<string, Tensor> {
    const tokens: Token[] = prompts.flatMap((prompt) => pointTokens(prompt, image, modelSize));
    const sets = prompts.length;
    const each = tokens.length / sets;
    const labels = BigInt64Array.from(tokens, ({ label }) => BigInt(label));
    const corners = cornerTokens(prompts[0]!, image, modelSize);
    return {
      input_points: new Tensor('float32', coordinatesOf(tokens), [1, sets, each, 2]),
      input_labels: new Tensor('int64', labels, [1, sets, each]),
      ...(this.capabilities.box && {
        input_boxes: new Tensor('float32', coordinatesOf(corners), [1, corners.length / 2, 4]),
      }),
    };
  }

  private answers(outputs: Readonly<Record<string, Tensor>>, modelSize: Size): DecodedMask[] {
    const { dims, data } = toFloats(outputs.pred_masks!);
    const scores = toFloats(outputs.iou_scores!).data;
    const [sets, candidates, height, width] = dims.slice(1) as [number, number, number, number];
    const pixels = width * height;
    return Array.from({ length: sets }, (_, set) => {
      const predictions = scores.subarray(set * candidates, (set + 1) * candidates);
      const chosen = bestOf(predictions);
      const start = (set * candidates + chosen) * pixels;
      const map = { size: { width, height }, data: data.slice(start, start + pixels) };
      return { logits: withoutPadding(map, modelSize, this.side), iouPrediction: predictions[chosen]! };
    });
  }
}
