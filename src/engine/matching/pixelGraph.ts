/** Scores of stage *pixel prior* as an ONNX graph; the specification is the plain loops in core/pixelPrior. */
import {
  FARTHEST,
  HIDDEN,
  hiddenLayer,
  type PixelClassifier,
  type Standard,
} from '../../core/pixelPrior/pixelClassifier';
import { PIXEL_CHANNELS, type PixelFeatures } from '../../core/pixelPrior/pixelFeatures';
import type { FloatMap } from '../../core/pixels/raster';
import type { PixelPort } from '../../core/strategies/strategy';
import { type Contract, float32 } from '../runtime/contract';
import { encodeModel, type Initializer, type Node, type ValueInfo } from '../runtime/onnxGraph';
import { Session } from '../runtime/sessions';
import { toFloats, toTensor } from '../runtime/tensors';

/** Pixels at a time, so that what lies between stays in the processor's cache. */
const CHUNK = 16_384;

const inputs: ValueInfo[] = [
  { name: 'features', type: 'float32', dims: ['n', PIXEL_CHANNELS] },
  { name: 'scale', type: 'float32', dims: [PIXEL_CHANNELS] },
  { name: 'shift', type: 'float32', dims: [PIXEL_CHANNELS] },
];
const outputs: ValueInfo[] = [{ name: 'scores', type: 'float32', dims: ['n', 1] }];

const contract: Contract = {
  inputs: { features: float32(2), scale: float32(1), shift: float32(1) },
  outputs: { scores: float32(2) },
};

const nodes: Node[] = [
  { op: 'Mul', inputs: ['features', 'scale'], outputs: ['scaled'] },
  { op: 'Add', inputs: ['scaled', 'shift'], outputs: ['shifted'] },
  { op: 'Clip', inputs: ['shifted', 'least', 'most'], outputs: ['standard'] },
  { op: 'Gemm', inputs: ['standard', 'random', 'offsets'], outputs: ['projected'] },
  { op: 'Relu', inputs: ['projected'], outputs: ['hidden'] },
  { op: 'Gemm', inputs: ['standard', 'direct', 'bias'], outputs: ['straight'] },
  { op: 'Gemm', inputs: ['hidden', 'bent', 'straight'], outputs: ['scores'] },
];

const floats = (name: string, dims: readonly number[], data: Float32Array): Initializer => ({
  ...{ name, type: 'float32', dims, data },
});

export class PixelGraph implements PixelPort {
  private constructor(private readonly session: Session) {}

  static async open(classifier: PixelClassifier, threads: number): Promise<PixelGraph> {
    const initializers = [
      floats('least', [], Float32Array.of(-FARTHEST)),
      floats('most', [], Float32Array.of(FARTHEST)),
      floats('random', [PIXEL_CHANNELS, HIDDEN], hiddenLayer.weights),
      floats('offsets', [HIDDEN], hiddenLayer.offsets),
      floats('direct', [PIXEL_CHANNELS, 1], classifier.slice(0, PIXEL_CHANNELS)),
      floats('bent', [HIDDEN, 1], classifier.slice(PIXEL_CHANNELS, PIXEL_CHANNELS + HIDDEN)),
      floats('bias', [1], classifier.slice(PIXEL_CHANNELS + HIDDEN)),
    ];
    const model = encodeModel({ name: 'pixels', nodes, inputs, outputs, initializers });
    return new PixelGraph(await Session.open('pixel graph', model, contract, { threads }));
  }

  async scores({ size, data }: PixelFeatures, { scale, shift }: Standard): Promise<FloatMap> {
    const scores = new Float32Array(data.length / PIXEL_CHANNELS);
    const vector = (values: Float32Array) => toTensor({ dims: [PIXEL_CHANNELS], data: values });
    const standard = { scale: vector(scale), shift: vector(shift) };
    for (let start = 0; start < scores.length; start += CHUNK) {
      const end = Math.min(scores.length, start + CHUNK);
      const part = data.subarray(start * PIXEL_CHANNELS, end * PIXEL_CHANNELS);
      const features = toTensor({ dims: [end - start, PIXEL_CHANNELS], data: part });
      scores.set(toFloats((await this.session.run({ features, ...standard })).scores!).data, start);
    }
    return { size, data: scores };
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }
}
