/** Image files, encoded: the ones looked at last in memory, the others on disk, or made anew. */
import { type Box, longSide, type Size } from '../../core/geometry';
import { partInsteadOf, pictureIn } from '../../core/pixels/plainBorder';
import type { StageRunner } from '../../core/strategies/strategy';
import type { EntryKey } from '../../disk/boundedFolder';
import type { ImageInfo, Shown } from '../../protocol/engineApi';
import type { Encoding } from '../encoders';
import type { EngineModels } from '../models/engineModels';
import { openImage, stampOf } from '../pictures/imageFile';
import { readRgb } from '../pictures/imagePixels';
import type { InferenceQueue } from '../runtime/inferenceQueue';
import { SharedWork } from '../runtime/sharedWork';
import { stageRunner } from '../runtime/stages';
import type { ImageEmbedding } from '../segmenters';
import type { TensorCache } from './cache';
import { fromCached, toCached } from './cachedEncoding';
import { type EmbeddingSource, ImageEmbeddings, imageKey } from './imageEmbeddings';
import { readPart } from './variants';

/** An image that can be asked about, without its pixels. */
export interface EncodedFile {
  readonly info: ImageInfo;
  /** Things a person should know about the file. */
  readonly notes: readonly string[];
  /** Of the cache on disk. */
  readonly key: EntryKey;
  readonly encoding: Encoding;
  /** Where the picture lies in the image, see `pictureIn` of core. */
  readonly picture: Box;
  /** Made on the first call, then the same. */
  embedding(): Promise<ImageEmbedding>;
  /**
   * Puts what was computed on disk and is not there yet: the encoding, and the embedding if it was made from pixels.
   */
  keep(what: 'everything' | 'embedding'): Promise<void>;
}

/** What of an encoded image is seen of strategies. */
export type SeenFile = Pick<EncodedFile, 'info' | 'encoding' | 'embedding'>;

/**
 * Encoded images kept in memory for the next click: the ones looked at last, and a neighbour or two. About 6 MB each
 * with the embedded models.
 */
const ENCODINGS_KEPT = 8;

/** Pixels of an image's long side at which a picture is found on its canvas to the pixel, or nearly. */
const CLOSE_SIDE = 2048;

export class EncodedFiles {
  /** Least recently used first; by path, what is shown of it and what `stat` says of the file. */
  private readonly encoded = new Map<string, EncodedFile>();
  private readonly encoding = new SharedWork<EncodedFile>();

  constructor(
    private readonly models: EngineModels,
    private readonly cache: TensorCache,
    private readonly inference: InferenceQueue,
    private readonly pixelLimit: number,
  ) {}

  /**
   * The image of a request, encoded: from memory while `stat` says that the file is the same, else from disk, else
   * anew. Requests for the same image at the same time share the work, whose stages count in the `times` of the first.
   *
   * @param keep whether to leave it in memory.
   * @param forSegmenter whether the segmenter is going to be asked, so that what it needs is read beside other
   *   inference.
   */
  async target(
    { image, window, bands }: { readonly image: string } & Shown,
    keep: boolean,
    signal: AbortSignal,
    times: Record<string, number>,
    forSegmenter = true,
  ): Promise<EncodedFile> {
    const stamp = await stampOf(image);
    const key = JSON.stringify([image, stamp.bytes, stamp.mtimeMs, window?.low, window?.high, bands]);
    const known = this.encoded.get(key);
    const encoded =
      known ??
      (await this.encoding.join(key, signal, async (shared) => {
        const runner = stageRunner(shared, times);
        const source = await runner.stage('read', () =>
          this.read(image, { ...(window && { window }), ...(bands && { bands }) }, forSegmenter),
        );
        return await this.inference.run(() => this.encode(source, runner));
      }));
    const { bytes, mtimeMs } = encoded.info.file;
    // Replaced between the two looks at it: the next request will see what it has become.
    if (keep && bytes === stamp.bytes && mtimeMs === stamp.mtimeMs) {
      this.encoded.delete(key);
      this.encoded.set(key, encoded);
      for (const oldest of this.encoded.keys()) {
        if (this.encoded.size <= ENCODINGS_KEPT) break;
        this.encoded.delete(oldest);
      }
    }
    return encoded;
  }

  /** Everything that an image's encoding depends on, without decoding it. */
  async identify(path: string, { window, bands }: Shown) {
    const { encoder, encoderModel } = await this.models.encoder();
    const file = await openImage(path, this.pixelLimit, bands);
    const modelSize = encoder.inputSize(file.info.size);
    return { file, info: file.info, modelSize, key: imageKey(file, encoderModel.sha256, modelSize, window) };
  }

  /**
   * Reads an image and decodes it for the encoder, or finds its encoding on disk; the same for a segmenter that reads
   * pixels. Runs beside the inference of other images.
   */
  async read(path: string, shown: Shown, forSegmenter = false) {
    const { window } = shown;
    const embeddings = forSegmenter ? await this.embeddings() : undefined;
    const { file, modelSize, key } = await this.identify(path, shown);
    const readForEncoder = async () => {
      const cached = await this.cache.get(key);
      return { cached, pixels: cached ? undefined : await readRgb(file, modelSize, window) };
    };
    const [{ cached, pixels }, embeddingSource] = await Promise.all([readForEncoder(), embeddings?.read(file, window)]);
    return { file, shown, modelSize, key, cached, pixels, embeddingSource };
  }

  /** Inference, where no encoding was on disk. */
  async encode(
    { file, shown, modelSize, key, cached, pixels, embeddingSource }: Awaited<ReturnType<EncodedFiles['read']>>,
    { stage }: StageRunner,
  ): Promise<EncodedFile> {
    const { encoder } = await this.models.encoder();
    const { encoding, picture } = cached
      ? fromCached(cached)
      : {
          encoding: await stage('encode', () => encoder.encode(pixels!, modelSize)),
          picture: pictureIn(pixels!, modelSize),
        };
    const { path, info } = file;
    let source: EmbeddingSource | undefined = embeddingSource;
    const embed = async (): Promise<ImageEmbedding> => {
      const { segmenter } = await this.models.loaded();
      if (segmenter.reads === 'features') return await segmenter.embed(encoding);
      const embeddings = (await this.embeddings())!;
      source ??= await embeddings.readAgain(path, info.file.sha256, shown, this.pixelLimit);
      const made = await embeddings.make(source);
      // Not the source itself, which may hold pixels.
      const embeddingKey = source.key;
      if (!source.cached) keepEmbedding = () => embeddings.keep({ key: embeddingKey }, made);
      source = undefined;
      return made;
    };
    let embedding: Promise<ImageEmbedding> | undefined;
    let keepEmbedding: (() => Promise<void>) | undefined;
    let isKept = cached !== undefined;
    return {
      info,
      notes: file.notes,
      key,
      encoding,
      picture,
      embedding: () => {
        embedding ??= embed().catch((error: unknown) => {
          embedding = undefined;
          throw error;
        });
        return embedding;
      },
      keep: async (what) => {
        const keepOnce = keepEmbedding;
        keepEmbedding = undefined;
        await keepOnce?.();
        if (what === 'embedding' || isKept) return;
        isKept = true;
        await this.cache.put(key, toCached({ encoding, picture }));
      },
    };
  }

  /**
   * The part of an image that is to be seen in place of all of it (see `partInsteadOf` of core), as if it were an
   * image; nothing of it is kept. Undefined where a closer look finds none.
   *
   * @param reference where its picture lies
   */
  async part(path: string, { window, bands }: Shown, reference: Box, runner: StageRunner) {
    const { encoder, segmenter } = await this.models.loaded();
    const source = await runner.stage('read', async () => {
      const file = await openImage(path, this.pixelLimit, bands);
      const whole = file.info.size;
      const scale = Math.min(1, CLOSE_SIDE / longSide(whole));
      const close = { width: Math.ceil(scale * whole.width), height: Math.ceil(scale * whole.height) };
      const box = partInsteadOf(whole, pictureIn(await readRgb(file, close, window), close), reference);
      if (!box) return undefined;
      const size = { width: box.right - box.left, height: box.bottom - box.top };
      const read = async (modelSize: Size) => ({ modelSize, pixels: await readPart(file, box, modelSize, window) });
      const own = segmenter.reads === 'pixels' ? await read(segmenter.inputSize(size)) : undefined;
      return { info: { ...file.info, size }, box, own, ...(await read(encoder.inputSize(size))) };
    });
    if (!source) return undefined;
    const { info, box, own, modelSize, pixels } = source;
    const encoding = await this.inference.run(() => runner.stage('encode', () => encoder.encode(pixels, modelSize)));
    let embedding: Promise<ImageEmbedding> | undefined;
    const embed = () =>
      segmenter.reads === 'features' ? segmenter.embed(encoding) : segmenter.embed(own!.pixels, own!.modelSize);
    return {
      box,
      info,
      encoding,
      embedding: () => {
        embedding ??= embed();
        return embedding;
      },
    };
  }

  /** Undefined where the segmenter makes its embeddings from an encoder's features. */
  private async embeddings(): Promise<ImageEmbeddings | undefined> {
    const { segmenter, segmenterModel } = await this.models.loaded();
    return segmenter.reads === 'pixels' ? new ImageEmbeddings(segmenter, segmenterModel.sha256, this.cache) : undefined;
  }
}
