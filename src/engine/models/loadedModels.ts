/** From a manifest entry's family name to the adapter that knows its graph. */
import { UserError } from '../../core/userError';
import type { EncoderFamily, SegmenterFamily } from '../../models/families';
import type { ModelStore, ResolvedModel } from '../../models/modelStore';
import { DinoEncoder, EmbeddedEncoder, type ImageEncoder } from '../encoders';
import {
  EfficientSamSegmenter,
  EmbeddedSegmenter,
  SamSegmenter,
  type Segmenter,
  TransformersSegmenter,
} from '../segmenters';

type Opener<T> = (model: ResolvedModel, threads: number) => Promise<T>;

const encoderFamilies: Readonly<Record<EncoderFamily, Opener<ImageEncoder>>> = {
  embedded: EmbeddedEncoder.open,
  dinov2: DinoEncoder.openV2,
  dinov3: DinoEncoder.openV3,
};

export const segmenterFamilies: Readonly<Record<SegmenterFamily, Opener<Segmenter>>> = {
  embedded: EmbeddedSegmenter.open,
  sam: SamSegmenter.open,
  'mobile-sam': SamSegmenter.open,
  'sam-hq': SamSegmenter.openHq,
  'slim-sam': TransformersSegmenter.openSlimSam,
  medsam: TransformersSegmenter.openMedSam,
  sam2: TransformersSegmenter.openSam2,
  'efficient-sam': EfficientSamSegmenter.open,
};

/** An encoder, and the hash that stands for it in keys. */
export interface LoadedEncoder {
  readonly encoder: ImageEncoder;
  readonly encoderModel: ResolvedModel;
}

/** The encoder and segmenter of one engine process, and the hashes that stand for them in keys. */
export interface LoadedModels extends LoadedEncoder {
  readonly segmenter: Segmenter;
  readonly segmenterModel: ResolvedModel;
}

/** Verifies and opens an encoder. Throws as `loadModels`. */
export async function loadEncoder(store: ModelStore, id: string, threads: number): Promise<LoadedEncoder> {
  const encoderModel = await store.resolve('encoder', id);
  return { encoderModel, encoder: await opener(encoderFamilies, encoderModel)(encoderModel, threads) };
}

/** Verifies and opens both models. Throws UserError for an unknown id or family, a damaged file or a wrong graph. */
export async function loadModels(
  store: ModelStore,
  ids: { readonly encoder: string; readonly segmenter: string },
  threads: number,
): Promise<LoadedModels> {
  const [encoderModel, segmenterModel] = await Promise.all([
    store.resolve('encoder', ids.encoder),
    store.resolve('segmenter', ids.segmenter),
  ]);
  const openEncoder = opener(encoderFamilies, encoderModel);
  const openSegmenter = opener(segmenterFamilies, segmenterModel);
  const encoder = await openEncoder(encoderModel, threads);
  try {
    const segmenter = await openSegmenter(segmenterModel, threads);
    checkPair(encoder, segmenter, ids);
    return { encoderModel, segmenterModel, encoder, segmenter };
  } catch (error) {
    await encoder.dispose();
    throw error;
  }
}

/** Throws UserError for a segmenter that reads what the encoder does not give. */
function checkPair(
  { features }: ImageEncoder,
  segmenter: Segmenter,
  ids: { readonly encoder: string; readonly segmenter: string },
): void {
  const needs = segmenter.reads === 'features' ? segmenter.needs : [];
  if (needs.every((name) => features.includes(name))) return;
  throw new UserError(
    `The segmenter "${ids.segmenter}" reads features of an encoder of its own family, which the encoder "${ids.encoder}" does not give: choose another encoder, or a segmenter that reads images.`,
  );
}

function opener<T>(families: Readonly<Record<string, Opener<T>>>, { entry }: ResolvedModel): Opener<T> {
  const open = Object.hasOwn(families, entry.family) ? families[entry.family] : undefined;
  if (open !== undefined) return open;
  throw new UserError(
    `The ${entry.kind} "${entry.id}" is of family "${entry.family}", which this version does not know; known: ${Object.keys(families).join(', ')}.`,
  );
}
