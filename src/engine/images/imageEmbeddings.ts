/** Image embeddings of a segmenter that reads pixels: found on disk, or made; of images that may be opened twice. */
import type { Size } from '../../core/geometry';
import type { EntryKey } from '../../disk/boundedFolder';
import type { IntensityWindow, Shown } from '../../protocol/engineApi';
import { type ImageFile, openAgain } from '../pictures/imageFile';
import { readRgb } from '../pictures/imagePixels';
import type { NamedTensors } from '../runtime/tensors';
import type { ImageEmbedding, PixelSegmenter } from '../segmenters';
import type { TensorCache } from './cache';

/** Everything that an image embedding is made from, so that no file is touched during inference. */
export interface EmbeddingSource {
  /** Of the cache on disk. */
  readonly key: EntryKey;
  readonly modelSize: Size;
  /** The embedding's tensors where they are on disk; else the pixels. */
  readonly cached?: NamedTensors;
  readonly pixels?: Uint8Array;
}

export class ImageEmbeddings {
  /** @param modelHash of the segmenter: its embeddings are no other's. */
  constructor(
    private readonly segmenter: PixelSegmenter,
    private readonly modelHash: string,
    private readonly cache: TensorCache,
  ) {}

  /** Reads and decodes; runs beside the inference of other images. */
  async read(file: ImageFile, window: IntensityWindow | undefined): Promise<EmbeddingSource> {
    const modelSize = this.segmenter.inputSize(file.info.size);
    const key = ['image embedding', ...imageKey(file, this.modelHash, modelSize, window)];
    const cached = await this.cache.get(key);
    return { key, modelSize, ...(cached ? { cached } : { pixels: await readRgb(file, modelSize, window) }) };
  }

  /** The same for an image that was read before. Throws UserError when the file has changed since. */
  async readAgain(path: string, hash: string, { window, bands }: Shown, pixelLimit: number) {
    return await this.read(await openAgain(path, hash, pixelLimit, bands), window);
  }

  async make({ cached, pixels, modelSize }: EmbeddingSource): Promise<ImageEmbedding> {
    return cached ? { modelSize, tensors: cached } : await this.segmenter.embed(pixels!, modelSize);
  }

  async keep({ key }: Pick<EmbeddingSource, 'key'>, { tensors }: ImageEmbedding): Promise<void> {
    await this.cache.put(key, tensors);
  }
}

/** Everything that a model's view of an image depends on. */
export const imageKey = (
  file: ImageFile,
  modelHash: string,
  { width, height }: Size,
  window: IntensityWindow | undefined,
): EntryKey => [
  file.info.file.sha256,
  modelHash,
  width,
  height,
  ...(file.deep && window ? [window.low, window.high] : []),
  ...(file.closely ? [CLOSELY, ...file.bands.shown] : []),
];

/** To be raised with any change of how images are put right that libvips alone would spoil. */
const CLOSELY = 'closely-1';
