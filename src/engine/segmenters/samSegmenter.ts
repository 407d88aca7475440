/**
 * SAM (Kirillov et al. 2023, arXiv 2304.02643) and what keeps its decoder: MobileSAM (arXiv 2306.14289) and SAM-HQ (Ke
 * et al. 2023, arXiv 2306.01567). Encoders come in two exports: normalised and padded outside (labelme's), or both
 * inside (Acly's MobileSAM, samexporter's SAM, CVHub's SAM-HQ). Decoders are those of segment-anything's export script.
 */
import type { Size } from '../../core/geometry';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../../core/prompting/segmenter';
import type { ModelEntry } from '../../models/manifest';
import type { ResolvedModel } from '../../models/modelStore';
import { inputSideOf } from '../encoders/imageEncoder';
import { type Contract, float32 } from '../runtime/contract';
import { type GraphPair, openPair } from '../runtime/graphs';
import { Tensor } from '../runtime/onnxRuntime';
import { IMAGENET, interleavedFloats, normalisedFloats, ownOr, stretchedRange } from '../runtime/pixelTensors';
import { toFloats, toNamedFloats, toTensor, toTensors } from '../runtime/tensors';
import type { ImageEmbedding, PixelSegmenter } from './imageSegmenter';
import {
  bestOf,
  coordinatesOf,
  cornerTokens,
  MASK_STRIDE,
  PADDING,
  paddedPrompt,
  placedSize,
  pointTokens,
  type Token,
  withoutPadding,
} from './samFrame';

/** Names that exports give the encoder's input: planar ones are normalised and padded, interleaved ones as they are. */
const PLANAR = ['x', 'input_image', 'image'];
const INTERLEAVED = ['input_image'];

function encoderContracts(outputs: Contract['outputs']): Contract[] {
  const taking = (name: string, rank: number): Contract => ({ inputs: { [name]: float32(rank) }, outputs });
  return [...PLANAR.map((name) => taking(name, 4)), ...INTERLEAVED.map((name) => taking(name, 3))];
}

/** The same decoder cut at its low-resolution masks, or as a whole; only one of the two outputs is asked for. */
function decoderContracts(embeddings: Contract['outputs']): Contract[] {
  const giving = (masks: string): Contract => ({
    inputs: {
      ...embeddings,
      point_coords: float32(3),
      point_labels: float32(2),
      mask_input: float32(4),
      has_mask_input: float32(1),
    },
    // Without the full masks nothing needs it, and an export may drop it.
    optionalInputs: { orig_im_size: float32(1) },
    outputs: { [masks]: float32(4), iou_predictions: float32(2) },
  });
  return [giving(LOW_RESOLUTION), giving(FULL)];
}

const LOW_RESOLUTION = 'low_res_masks';
const FULL = 'masks';

const EMBEDDINGS = { image_embeddings: float32(4) };

/** SAM-HQ's decoder also reads what the encoder's global attention blocks gave. */
const HQ_EMBEDDINGS = { ...EMBEDDINGS, interm_embeddings: float32(5) };

/** Most tokens of a question that may mean several things, after segment-anything's export: a click and its padding. */
const MOST_AMBIGUOUS = 2;

export class SamSegmenter implements PixelSegmenter {
  readonly reads = 'pixels';

  readonly capabilities: SegmenterCapabilities;

  private constructor(
    private readonly graphs: GraphPair,
    private readonly entry: ModelEntry,
    private readonly side: number,
    private readonly embeddings: readonly string[],
  ) {
    const points = entry.boxesOnly !== true;
    this.capabilities = {
      points,
      negatives: points,
      box: true,
      maskPrompt: true,
      iterative: points,
      promptBatch: false,
      multimask: true,
      wholeClass: false,
    };
  }

  static open(model: ResolvedModel, threads: number): Promise<SamSegmenter> {
    return SamSegmenter.openWith(EMBEDDINGS, model, threads);
  }

  static openHq(model: ResolvedModel, threads: number): Promise<SamSegmenter> {
    return SamSegmenter.openWith(HQ_EMBEDDINGS, model, threads);
  }

  private static async openWith(
    embeddings: Contract['outputs'],
    model: ResolvedModel,
    threads: number,
  ): Promise<SamSegmenter> {
    const side = inputSideOf(model.entry);
    const contracts = { encoder: encoderContracts(embeddings), decoder: decoderContracts(embeddings) };
    const graphs = await openPair(model, contracts, threads);
    return new SamSegmenter(graphs, model.entry, side, Object.keys(embeddings));
  }

  inputSize(size: Size): Size {
    return placedSize(size, this.side, this.entry.placement ?? 'padded');
  }

  async embed(pixels: Uint8Array, modelSize: Size): Promise<ImageEmbedding> {
    const outputs = await this.graphs.encoder.run(this.encoderFeeds(pixels, modelSize));
    return { modelSize, tensors: toNamedFloats(outputs, this.embeddings) };
  }

  private encoderFeeds(pixels: Uint8Array, modelSize: Size): Record<string, Tensor> {
    const interleaved = INTERLEAVED.find((name) => this.graphs.encoder.inputDims(name)?.length === 3);
    if (interleaved) return { [interleaved]: toTensor(interleavedFloats(pixels, modelSize)) };
    const planar = PLANAR.find((name) => this.graphs.encoder.inputDims(name))!;
    const usual = this.entry.ownRange ? stretchedRange(pixels) : IMAGENET;
    const square = { width: this.side, height: this.side };
    return { [planar]: toTensor(normalisedFloats(pixels, modelSize, ownOr(usual, this.entry), square)) };
  }

  async decode({ tensors, modelSize }: ImageEmbedding, image: Size, prompts: readonly PromptSet[]) {
    const embeddings = toTensors(tensors);
    const decoded: DecodedMask[] = [];
    for (const prompt of prompts) {
      const corners = cornerTokens(prompt, image, modelSize);
      const padding = corners.length === 0 ? [{ at: { x: 0, y: 0 }, label: PADDING }] : [];
      const tokens = [...pointTokens(prompt, image, modelSize), ...corners, ...padding];
      const outputs = await this.graphs.decoder.run({
        ...embeddings,
        ...tokenFeeds(tokens),
        ...this.maskFeeds(prompt, modelSize),
        ...this.sizeFeeds(modelSize),
      });
      decoded.push(this.answer(outputs, modelSize, tokens.length));
    }
    return decoded;
  }

  dispose(): Promise<void> {
    return this.graphs.dispose();
  }

  private maskFeeds({ maskPrompt }: PromptSet, modelSize: Size): Record<string, Tensor> {
    const side = this.side / MASK_STRIDE;
    const data = maskPrompt ? paddedPrompt(maskPrompt, modelSize, this.side).data : new Float32Array(side * side);
    return {
      mask_input: new Tensor('float32', data, [1, 1, side, side]),
      has_mask_input: new Tensor('float32', Float32Array.of(maskPrompt ? 1 : 0), [1]),
    };
  }

  /** The size of the full masks, which cost the less the smaller they are where nobody looks at them. */
  private sizeFeeds({ width, height }: Size): Record<string, Tensor> {
    if (!this.graphs.decoder.inputDims('orig_im_size')) return {};
    const scale = this.graphs.decoder.gives(LOW_RESOLUTION) ? MASK_STRIDE : 1;
    const size = Float32Array.of(Math.ceil(height / scale), Math.ceil(width / scale));
    return { orig_im_size: new Tensor('float32', size, [2]) };
  }

  private answer(outputs: Readonly<Record<string, Tensor>>, modelSize: Size, tokens: number): DecodedMask {
    const isLow = this.graphs.decoder.gives(LOW_RESOLUTION);
    const { dims, data } = toFloats(outputs[isLow ? LOW_RESOLUTION : FULL]!);
    const predictions = toFloats(outputs.iou_predictions!).data;
    const [height, width] = dims.slice(-2) as [number, number];
    const chosen = chooseCandidate(predictions, tokens);
    const map = { size: { width, height }, data: data.slice(chosen * width * height, (chosen + 1) * width * height) };
    return {
      // Full masks have lost their padding inside the graph.
      logits: isLow ? withoutPadding(map, modelSize, this.side) : map,
      iouPrediction: predictions[chosen]!,
    };
  }
}

/**
 * Of four candidates the first is SAM's answer to a question with one meaning, the others are whole, part and part of
 * the part: they are for questions that may mean either. A decoder of one mask leaves no choice.
 */
function chooseCandidate(predictions: Float32Array, tokens: number): number {
  if (predictions.length !== 4) return bestOf(predictions);
  return tokens > MOST_AMBIGUOUS ? 0 : 1 + bestOf(predictions.subarray(1));
}

const tokenFeeds = (tokens: readonly Token[]): Record<string, Tensor> => ({
  point_coords: new Tensor('float32', coordinatesOf(tokens), [1, tokens.length, 2]),
  point_labels: new Tensor(
    'float32',
    Float32Array.from(tokens, ({ label }) => label),
    [1, tokens.length],
  ),
});
