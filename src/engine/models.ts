/** From a manifest entry's family name to the adapter that knows its graph. */
import { UserError } from '../core/userError';
import { EmbeddedEncoder, type ImageEncoder } from './encoders';
import type { EncoderFamily, SegmenterFamily } from './families';
import type { ModelStore, ResolvedModel } from './modelStore';
import { EmbeddedSegmenter, type Segmenter } from './segmenters';

type Opener<T> = (model: ResolvedModel, threads: number) => Promise<T>;

const encoderFamilies: Readonly<Record<EncoderFamily, Opener<ImageEncoder>>> = { embedded: EmbeddedEncoder.open };

const segmenterFamilies: Readonly<Record<SegmenterFamily, Opener<Segmenter>>> = { embedded: EmbeddedSegmenter.open };

/** The encoder and segmenter of one engine process, and the hashes that stand for them in keys. */
export interface LoadedModels {
  readonly encoder: ImageEncoder;
  readonly segmenter: Segmenter;
  readonly encoderModel: ResolvedModel;
  readonly segmenterModel: ResolvedModel;
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
  return {
    encoderModel,
    segmenterModel,
    encoder: await openEncoder(encoderModel, threads),
    segmenter: await openSegmenter(segmenterModel, threads),
  };
}

function opener<T>(families: Readonly<Record<string, Opener<T>>>, { entry }: ResolvedModel): Opener<T> {
  const open = Object.hasOwn(families, entry.family) ? families[entry.family] : undefined;
  if (open !== undefined) return open;
  throw new UserError(
    `The ${entry.kind} "${entry.id}" is of family "${entry.family}", which this version does not know; known: ${Object.keys(families).join(', ')}.`,
  );
}
