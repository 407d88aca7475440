/** The embedded family's segmenter. */
import { moveToFrame, type Size } from '../../core/geometry';
import { resizeBilinear } from '../../core/pixels/raster';
import type { DecodedMask, PromptSet, SegmenterCapabilities } from '../../core/prompting/segmenter';
import type { ResolvedModel } from '../../models/modelStore';
import { type Encoding, embeddedFeatures } from '../encoders';
import { type Contract, float32 } from '../runtime/contract';
import { openGraph } from '../runtime/graphs';
import { Tensor } from '../runtime/onnxRuntime';
import type { Session } from '../runtime/sessions';
import { toFloats, toTensors } from '../runtime/tensors';
import type { FeatureSegmenter, ImageEmbedding } from './imageSegmenter';
import { BOX_BOTTOM_RIGHT, BOX_TOP_LEFT, PADDING } from './samFrame';

/** Logit maps of the embedded decoder have this stride, its mask prompts twice it. */
const EMBEDDED_MASK_STRIDE = 2;
const EMBEDDED_PROMPT_STRIDE = 4;

const embeddedContract: Contract = {
  inputs: {
    pixel_values: float32(4),
    ...Object.fromEntries(embeddedFeatures.map((name) => [name, float32(4)])),
    point_coords: float32(3),
    point_labels: float32(2),
    mask_input: float32(4),
    has_mask_input: float32(1),
  },
  outputs: { masks: float32(4), iou_predictions: float32(2) },
};

/**
 * The embedded decoder: answers SAM's questions from the embedded encoder's features, but segments everything that the
 * points mean instead of one object. See models/README.md.
 */
export class EmbeddedSegmenter implements FeatureSegmenter {
  readonly reads = 'features';
  readonly needs = ['pixel_values', ...embeddedFeatures];

  readonly capabilities: SegmenterCapabilities = {
    points: true,
    negatives: true,
    box: true,
    maskPrompt: true,
    iterative: true,
    promptBatch: false,
    multimask: false,
    wholeClass: true,
  };

  private constructor(private readonly session: Session) {}

  static async open(model: ResolvedModel, threads: number): Promise<EmbeddedSegmenter> {
    return new EmbeddedSegmenter(await openGraph(model, 'model', embeddedContract, { threads }));
  }

  async embed({ features, modelSize }: Encoding): Promise<ImageEmbedding> {
    return { modelSize, tensors: features };
  }

  async decode(embedding: ImageEmbedding, image: Size, prompts: readonly PromptSet[]): Promise<DecodedMask[]> {
    const features = toTensors(embedding.tensors);
    const decoded: DecodedMask[] = [];
    for (const prompt of prompts) {
      const { masks, iou_predictions } = await this.session.run({
        ...features,
        ...pointTensors(prompt, image, embedding.modelSize),
        ...maskTensors(prompt, embedding.modelSize),
      });
      decoded.push({
        logits: { size: strided(embedding.modelSize, EMBEDDED_MASK_STRIDE), data: toFloats(masks!).data },
        iouPrediction: toFloats(iou_predictions!).data[0],
      });
    }
    return decoded;
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }
}

function pointTensors({ points, box }: PromptSet, image: Size, modelSize: Size): Record<string, Tensor> {
  const entries = points.map(({ point, label }) => ({ point, label: label as number }));
  if (box !== undefined) {
    entries.push(
      { point: { x: box.left, y: box.top }, label: BOX_TOP_LEFT },
      { point: { x: box.right, y: box.bottom }, label: BOX_BOTTOM_RIGHT },
    );
  }
  if (entries.length === 0) entries.push({ point: { x: 0, y: 0 }, label: PADDING });
  const coords = entries.flatMap(({ point }) => {
    const { x, y } = moveToFrame(point, image, modelSize);
    return [x, y];
  });
  return {
    point_coords: new Tensor('float32', Float32Array.from(coords), [1, entries.length, 2]),
    point_labels: new Tensor(
      'float32',
      Float32Array.from(entries, ({ label }) => label),
      [1, entries.length],
    ),
  };
}

function maskTensors({ maskPrompt }: PromptSet, modelSize: Size): Record<string, Tensor> {
  const size = strided(modelSize, EMBEDDED_PROMPT_STRIDE);
  const data = maskPrompt ? resizeBilinear(maskPrompt, size).data : new Float32Array(size.width * size.height);
  return {
    mask_input: new Tensor('float32', data, [1, 1, size.height, size.width]),
    has_mask_input: new Tensor('float32', Float32Array.of(maskPrompt ? 1 : 0), [1]),
  };
}

const strided = ({ width, height }: Size, stride: number): Size => ({ width: width / stride, height: height / stride });
