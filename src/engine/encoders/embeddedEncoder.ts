/** The embedded family's encoder. */
import { area, type Size } from '../../core/geometry';
import type { PatchTokens } from '../../core/tokens/patchGrid';
import type { ResolvedModel } from '../../models/modelStore';
import { type Contract, float32 } from '../runtime/contract';
import { openGraph } from '../runtime/graphs';
import { planarFloats } from '../runtime/pixelTensors';
import type { Session } from '../runtime/sessions';
import { type FloatTensor, toFloats, toTensor } from '../runtime/tensors';
import { type Encoding, type ImageEncoder, inputSideOf } from './imageEncoder';

const EMBEDDED_STRIDE = 8;
const EMBEDDED_DIM = 128;

/** Outputs of the embedded encoder that the embedded decoder reads; together they are its image embedding. */
export const embeddedFeatures = [
  'features_s2',
  'features_s4',
  'features_s8',
  'features_s16',
  'features_s32',
  'match_s8',
  'match_s16',
] as const;

const embeddedContract: Contract = {
  inputs: { pixel_values: float32(4) },
  outputs: {
    patch_tokens: float32(3),
    ...Object.fromEntries(embeddedFeatures.map((name) => [name, float32(4)])),
  },
};

/** The embedded MobileNetV2 pyramid: RGB 0..255, tokens at stride 8, normalised. See models/README.md. */
export class EmbeddedEncoder implements ImageEncoder {
  readonly features = ['pixel_values', ...embeddedFeatures];

  private constructor(
    private readonly session: Session,
    private readonly side: number,
  ) {}

  static async open(model: ResolvedModel, threads: number): Promise<EmbeddedEncoder> {
    const side = inputSideOf(model.entry);
    return new EmbeddedEncoder(await openGraph(model, 'model', embeddedContract, { threads, int8Weights: true }), side);
  }

  inputSize(): Size {
    return { width: this.side, height: this.side };
  }

  async encode(pixels: Uint8Array, modelSize: Size): Promise<Encoding> {
    const pixelValues = planarFloats(pixels, modelSize);
    const { patch_tokens: tokens, ...features } = await this.session.run({ pixel_values: toTensor(pixelValues) });
    return {
      modelSize,
      tokens: embeddedTokens(toFloats(tokens!), modelSize),
      features: {
        pixel_values: pixelValues,
        ...Object.fromEntries(Object.entries(features).map(([name, tensor]) => [name, toFloats(tensor)])),
      },
    };
  }

  dispose(): Promise<void> {
    return this.session.dispose();
  }
}

function embeddedTokens({ dims, data }: FloatTensor, modelSize: Size): PatchTokens {
  const grid = { width: modelSize.width / EMBEDDED_STRIDE, height: modelSize.height / EMBEDDED_STRIDE };
  if (dims[1] !== area(grid) || dims[2] !== EMBEDDED_DIM) {
    throw new RangeError(
      `embedded encoder: expected tokens [1, ${area(grid)}, ${EMBEDDED_DIM}], got [${dims.join(', ')}]`,
    );
  }
  return { grid, dim: EMBEDDED_DIM, data, normalised: true };
}
