/** Image encoders: pixels -> patch tokens and features. One small adapter per model family behind one interface. */
import { area, type Size } from '../core/geometry';
import type { PatchTokens } from '../core/patchGrid';
import { UserError } from '../core/userError';
import type { ResolvedModel } from './modelStore';
import { type Contract, type FloatTensor, type NamedTensors, Session, toFloats, toTensor } from './sessions';

/** What an encoder makes of one image. */
export interface Encoding {
  /** Size of the model input, in modelPx; it covers the whole image. */
  readonly modelSize: Size;
  readonly tokens: PatchTokens;
  /** Further outputs that a segmenter of the same family reads; empty for a pure encoder. */
  readonly features: NamedTensors;
}

export interface ImageEncoder {
  /** Size in modelPx to which an image of `size` pixels is stretched. */
  inputSize(size: Size): Size;
  /**
   * @param pixels uint8 [modelSize.height, modelSize.width, 3], RGB.
   * @param modelSize as `inputSize` gave it.
   */
  encode(pixels: Uint8Array, modelSize: Size): Promise<Encoding>;
  dispose(): Promise<void>;
}

/** Side of the square input where the manifest names none; 48 x 48 tokens. The family was measured at this side. */
const EMBEDDED_SIDE = 384;

const EMBEDDED_STRIDE = 8;
/** Sides must be multiples of the pyramid's coarsest stride. */
const EMBEDDED_COARSEST_STRIDE = 32;
const EMBEDDED_DIM = 1088;

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
  inputs: { pixel_values: { type: 'float32', rank: 4 } },
  outputs: {
    patch_tokens: { type: 'float32', rank: 3 },
    ...Object.fromEntries(embeddedFeatures.map((name) => [name, { type: 'float32', rank: 4 } as const])),
  },
};

/** The embedded MobileNetV2 pyramid: RGB 0..255, tokens at stride 8, normalised. See models/README.md. */
export class EmbeddedEncoder implements ImageEncoder {
  private constructor(
    private readonly session: Session,
    private readonly side: number,
  ) {}

  static async open({ path, entry }: ResolvedModel, threads: number): Promise<EmbeddedEncoder> {
    const side = entry.inputSide ?? EMBEDDED_SIDE;
    if (side % EMBEDDED_COARSEST_STRIDE !== 0) {
      throw new UserError(
        `The encoder "${entry.id}" has input side ${side} in its manifest; expected a multiple of ${EMBEDDED_COARSEST_STRIDE}.`,
      );
    }
    const session = await Session.open(`Encoder "${entry.id}"`, path, embeddedContract, { threads, int8Weights: true });
    return new EmbeddedEncoder(session, side);
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

/** uint8 [h, w, 3] -> float32 [1, 3, h, w], values unchanged. */
function planarFloats(pixels: Uint8Array, size: Size): FloatTensor {
  const plane = area(size);
  if (pixels.length !== plane * 3) {
    throw new RangeError(`expected ${plane * 3} bytes of RGB for ${size.width} x ${size.height}, got ${pixels.length}`);
  }
  const data = new Float32Array(plane * 3);
  for (let i = 0, p = 0; i < plane; i++, p += 3) {
    data[i] = pixels[p];
    data[plane + i] = pixels[p + 1];
    data[2 * plane + i] = pixels[p + 2];
  }
  return { dims: [1, 3, size.height, size.width], data };
}
