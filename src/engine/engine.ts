/** The engine's calls bound to the adapters: what the process answers, apart from how it is reached. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { degradePrompts, isEmptyQuestion } from '../core/degradation';
import { describeSize, sameSize } from '../core/geometry';
import { toLabelRuns } from '../core/labelMap';
import { describeImage } from '../core/labelNext';
import { fromRuns, type Mask } from '../core/mask';
import { thresholdToRuns } from '../core/raster';
import { checkPrompts, type DecodedMask, type PromptableImage, type PromptSet } from '../core/segmenter';
import { withoutSpecks } from '../core/specks';
import { strategies } from '../core/strategies';
import { settleClasses } from '../core/strategies/settleClasses';
import {
  DEFAULT_TILES,
  type EncodedImage,
  type ImageVariant,
  type PreparationRunner,
  type PreparedReference,
  type Segmentation,
  type StageRunner,
  type TileChoice,
} from '../core/strategies/strategy';
import { chooseTiles } from '../core/tiles';
import { UserError } from '../core/userError';
import type { EntryKey } from '../disk/boundedFolder';
import { sha256 } from '../disk/hashing';
import { homeCacheDir } from '../disk/home';
import { explainReadError } from '../disk/storageError';
import { decodeMaskPng } from '../formats/maskPng';
import { ModelStore } from '../models/modelStore';
import type {
  ClassesRequest,
  DecodeRequest,
  DecodeResult,
  DisplayOverview,
  DisplayRequest,
  EngineApi,
  EngineConfig,
  EngineInfo,
  ImageInfo,
  IntensityWindow,
  ReferenceInfo,
  ReferenceRequest,
  ReferenceSpec,
  SegmentRequest,
  SegmentResult,
  TileFiles,
} from '../protocol/engineApi';
import type { Handlers } from '../rpc';
import { TensorCache } from './cache';
import { CosineGraph } from './cosineGraph';
import { Display } from './display';
import type { Encoding } from './encoders';
import { openPlaced, type Placed } from './enginePlacement';
import { type EmbeddingSource, ImageEmbeddings, imageKey } from './imageEmbeddings';
import {
  type ImageFile,
  imageLibraryVersions,
  initImageIo,
  openImage,
  readRgb,
  sampleWindow,
  stampOf,
} from './imageIo';
import { type LoadedModels, loadModels } from './loadedModels';
import { Matcher } from './matcher';
import { saveOverlay } from './overlay';
import type { ImageEmbedding, Segmenter } from './segmenters';
import { type NamedTensors, runtimeVersion } from './sessions';
import { SharedWork } from './sharedWork';
import {
  encodeTokens,
  planOf,
  readTileSource,
  TiledImage,
  type TileSource,
  type Tiling,
  tiledModelSize,
} from './tiledImage';
import { readVariant } from './variants';

/** A reference ready to be matched, with the matchers to release when it is forgotten and nobody uses it. */
interface ReadyReference {
  readonly info: ReferenceInfo;
  readonly prepared: PreparedReference;
  /** How targets are to be seen: tiles per side, and modelPx per patch. */
  readonly tiling: Tiling;
  /** Requests under way. */
  users: number;
  forgotten: boolean;
  dispose(): Promise<void>;
}

/** An image that is to be segmented. */
interface Target {
  readonly info: ImageInfo;
  readonly notes: readonly string[];
  readonly image: EncodedImage;
  /** What may be kept on disk; tiles are not. */
  readonly whole?: EncodedFile;
}

/** An image that can be asked about, without its pixels. */
interface EncodedFile {
  readonly info: ImageInfo;
  /** Things a person should know about the file. */
  readonly notes: readonly string[];
  /** Of the cache on disk. */
  readonly key: EntryKey;
  readonly encoding: Encoding;
  /** Made on the first call, then the same. */
  embedding(): Promise<ImageEmbedding>;
  /** Puts what was computed on disk and is not there yet: the encoding, and the embedding if it was made from pixels. */
  keep(what: 'everything' | 'embedding'): Promise<void>;
}

/** Says that kept descriptors were made this way; to be raised with any change of it. */
const DESCRIPTOR_REVISION = 'descriptor-1';

/** Encoded images kept in memory for the next click: the ones looked at last, and a neighbour or two. About 16 MB each. */
const ENCODINGS_KEPT = 8;

/** Prepared references kept in memory; a batch uses one per class, an editor a few in turn. Each costs about 50 MB. */
const REFERENCES_KEPT = 3;

export class Engine implements Handlers<EngineApi> {
  private readonly store: ModelStore;
  private readonly cache: TensorCache;
  private readonly display: Display;
  private models: Promise<LoadedModels> | undefined;
  private placed: Placed<LoadedModels> | undefined;
  /** Least recently used first. */
  private readonly references = new Map<string, Promise<ReadyReference>>();
  /** Least recently used first; by path, window and what `stat` says of the file. */
  private readonly encoded = new Map<string, EncodedFile>();
  private readonly encoding = new SharedWork<EncodedFile>();
  private inference: Promise<unknown> = Promise.resolve();

  /** @param onPlaced told where the models are, when they were opened and when one had to move. */
  constructor(
    private readonly config: EngineConfig,
    private readonly onPlaced?: (info: EngineInfo) => void,
  ) {
    initImageIo();
    this.store = new ModelStore(config.modelsDir, config.homeDir);
    this.cache = new TensorCache(homeCacheDir(config.homeDir), config.cacheBytes);
    this.display = new Display(config.homeDir, config.cacheBytes, config.pixelLimit);
  }

  async info(): Promise<EngineInfo> {
    const { encoderModel, segmenterModel, segmenter } = await this.loaded();
    return {
      pid: process.pid,
      node: process.versions.node,
      onnxruntime: runtimeVersion(),
      ...imageLibraryVersions(),
      threads: this.config.threads,
      ...this.placed!.inUse(),
      encoder: { id: encoderModel.entry.id, sha256: encoderModel.sha256 },
      segmenter: { id: segmenterModel.entry.id, sha256: segmenterModel.sha256 },
      capabilities: segmenter.capabilities,
      peakRss: process.resourceUsage().maxRSS * 1024,
    };
  }

  async inspectImage({ image }: { image: string }) {
    return (await openImage(image, this.config.pixelLimit)).info;
  }

  sampleWindow({ images }: { images: readonly string[] }): Promise<IntensityWindow> {
    return sampleWindow(images, this.config.pixelLimit);
  }

  saveOverlay(request: Parameters<EngineApi['saveOverlay']>[0]): Promise<void> {
    return saveOverlay(request, this.config.pixelLimit);
  }

  displayOverview(request: DisplayRequest, signal: AbortSignal): Promise<DisplayOverview> {
    return this.display.overview(request, signal);
  }

  displayTiles(request: DisplayRequest, signal: AbortSignal): Promise<TileFiles> {
    return this.display.tiles(request, signal);
  }

  async prepareReference(request: ReferenceRequest, signal: AbortSignal): Promise<ReferenceInfo> {
    return (await this.reference(request, signal)).info;
  }

  async segment(request: SegmentRequest, signal: AbortSignal): Promise<SegmentResult> {
    const { reference, moreReferences, ...shared } = request;
    // A single class has nobody to compete with: its id does not matter.
    const only = { classId: 1, reference, ...(moreReferences && { moreReferences }) };
    const [result] = await this.segmentClasses({ ...shared, classes: [only] }, signal);
    return result!;
  }

  async segmentClasses(request: ClassesRequest, signal: AbortSignal): Promise<SegmentResult[]> {
    const { classes, ...shared } = request;
    const references: ReadyReference[] = [];
    try {
      for (const question of classes) {
        const reference = await this.reference({ ...shared, ...question }, signal, classes.length);
        reference.users++;
        references.push(reference);
      }
      return await this.segmentWith(references, request, signal);
    } finally {
      for (const reference of references) {
        reference.users--;
        await disposeIfUnused(reference);
      }
    }
  }

  private async segmentWith(
    references: readonly ReadyReference[],
    request: ClassesRequest,
    signal: AbortSignal,
  ): Promise<SegmentResult[]> {
    let started = performance.now();
    const times = references.map((): Record<string, number> => ({}));
    const degradations = new Set<string>();
    const targets = new Map<number, Target>();
    for (const { tiling } of references) {
      const { tilesPerSide } = tiling;
      if (targets.has(tilesPerSide)) continue;
      targets.set(tilesPerSide, await this.segmentTarget(request, tiling, signal, times[0]!, degradations));
    }
    const found = await this.exclusively(async () => {
      const each: Segmentation[] = [];
      for (const [index, { prepared, tiling }] of references.entries()) {
        const { image } = targets.get(tiling.tilesPerSide)!;
        each.push(await prepared.segment(image, stageRunner(signal, times[index]!)));
        times[index]!.total = performance.now() - started;
        started = performance.now();
      }
      if (each.length < 2) return each;
      const ids = request.classes.map(({ classId }) => classId);
      const last = times[times.length - 1]!;
      const settled = await stageRunner(signal, last).stage('compete', () => settleClasses(each, ids));
      last.total! += performance.now() - started;
      return settled;
    });
    // Beside the inference of the next image: what is kept is written, not waited for by others.
    if (found.some(({ trust, iouPrediction }) => (trust ?? iouPrediction) < (request.cacheBelow ?? 0))) {
      const { stage } = stageRunner(signal, times[0]!);
      for (const { whole } of targets.values()) {
        if (whole) await stage('keep', () => whole.keep('everything'));
      }
    }
    const { info, notes } = [...targets.values()][0]!;
    return found.map((one, index) => ({
      size: info.size,
      file: info.file,
      outcome: one.outcome,
      mask: one.mask,
      instances: one.instances,
      prompts: request.withDetails ? one.prompts : one.prompts.filter(({ reason }) => reason === 'kept'),
      iouPrediction: one.iouPrediction,
      ...(one.trust !== undefined && { trust: one.trust }),
      ...(one.trustParts && { trustParts: one.trustParts }),
      ...(request.withDetails && one.maskPrompt && { maskPrompt: one.maskPrompt }),
      notes: [...notes, ...one.notes, ...degradations],
      times: { total: 0, ...times[index] },
    }));
  }

  /** The image of a request as strategies are to see it. */
  private async segmentTarget(
    request: ClassesRequest,
    tiling: Tiling,
    signal: AbortSignal,
    times: Record<string, number>,
    degradations: Set<string>,
  ): Promise<Target> {
    const runner = stageRunner(signal, times);
    if (tiling.tilesPerSide === 1) {
      const { segmenter } = await this.loaded();
      // Who wants the details will ask about this image next; a batch never comes back to it.
      const whole = await this.target(request, request.withDetails === true, signal, times);
      return {
        info: whole.info,
        notes: whole.notes,
        image: imageOf(whole, segmenter, runner, degradations),
        whole,
      };
    }
    const source = await runner.stage('read', async () =>
      this.readTiles(await openImage(request.image, this.config.pixelLimit), request.window, tiling),
    );
    const image = await this.exclusively(() => this.tiledImage(source, runner, degradations, signal));
    return { info: source.info, notes: source.notes, image };
  }

  async decode(request: DecodeRequest, signal: AbortSignal): Promise<DecodeResult> {
    const started = performance.now();
    const times: Record<string, number> = {};
    const { stage } = stageRunner(signal, times);
    const { segmenter, segmenterModel } = await this.loaded();
    checkPrompts(request.prompts);
    const target = await this.target(request, true, signal, times);
    const { size, file } = target.info;
    const { prompts, notes } = degradePrompts(
      request.prompts,
      segmenter.capabilities,
      size,
      halfPatch({ size, tokens: target.encoding.tokens }),
    );
    if (isEmptyQuestion(prompts)) {
      const { points } = segmenter.capabilities;
      throw new UserError(
        `The segmenter "${segmenterModel.entry.id}" cannot be asked this: mark the object with a ${points ? 'positive point' : 'box'}.`,
      );
    }
    const { logits, iouPrediction } = await this.exclusively(async () => {
      const embedding = await stageEmbedding(segmenter, stage, () => target.embedding());
      const [decoded] = await stage('decode', () => segmenter.decode(embedding, size, [prompts]));
      return decoded!;
    });
    await target.keep('embedding');
    const { mask, drawn } = await stage('mask', () => {
      const drawn = request.dropSpecks ? withoutSpecks(logits) : logits;
      return { mask: thresholdToRuns(drawn, size, 0), drawn };
    });
    return {
      mask,
      iouPrediction,
      ...(request.withMaskPrompt && segmenter.capabilities.maskPrompt && { maskPrompt: drawn }),
      file,
      notes,
      times: { ...times, total: performance.now() - started },
    };
  }

  async prefetch(request: Pick<DecodeRequest, 'image' | 'window'>, signal: AbortSignal): Promise<void> {
    const target = await this.target(request, true, signal, {});
    await this.exclusively(() => stageRunner(signal, {}).stage('embed', () => target.embedding()));
    await target.keep('embedding');
  }

  async describeImage({ image, window }: Pick<DecodeRequest, 'image' | 'window'>, signal: AbortSignal) {
    const { info, key } = await this.identify(image, window);
    const descriptorKey = [...key, DESCRIPTOR_REVISION];
    const known = (await this.cache.get(descriptorKey))?.descriptor;
    if (known) return { file: info.file, descriptor: known.data };
    const target = await this.target({ image, ...(window && { window }) }, false, signal, {}, false);
    const descriptor = describeImage(target.encoding.tokens);
    await this.cache.put([...target.key, DESCRIPTOR_REVISION], {
      descriptor: { dims: [descriptor.length], data: descriptor },
    });
    return { file: target.info.file, descriptor };
  }

  async readLabels({ mask }: { mask: string }) {
    const bytes = await readFile(mask).catch((error: unknown) => {
      throw explainReadError(error, mask);
    });
    return { labels: toLabelRuns(decodeMaskPng(bytes, mask)), sha256: sha256(bytes) };
  }

  /**
   * The reference of a request, prepared once; a failure is forgotten so that it can be tried again.
   *
   * @param together references that one request needs: as many are kept
   */
  private reference(request: ReferenceRequest, signal: AbortSignal, together = 1): Promise<ReadyReference> {
    const key = referenceKey(request);
    let ready = this.references.get(key);
    // Preparing serves every request with this reference, so the first one's cancellation must not fail the others.
    ready ??= this.exclusively(() => this.prepare(request));
    this.references.delete(key);
    this.references.set(key, ready);
    ready.catch(() => this.references.delete(key));
    for (const [oldest, forgotten] of this.references) {
      if (this.references.size <= Math.max(REFERENCES_KEPT, together)) break;
      this.references.delete(oldest);
      // One that could not be prepared has told its callers, and holds nothing.
      void forgotten.then(forget, () => undefined);
    }
    signal.throwIfAborted();
    return ready;
  }

  private async prepare(request: ReferenceRequest): Promise<ReadyReference> {
    const { reference, moreReferences = [], strategy, parameters, window } = request;
    const sources: Awaited<ReturnType<Engine['readReference']>>[] = [];
    for (const one of [reference, ...moreReferences]) sources.push(await this.readReference(one, window));
    const opened: { dispose(): Promise<void> }[] = [];
    const { segmenter, segmenterModel } = await this.loaded();
    const runner: PreparationRunner = {
      ...stageRunner(new AbortController().signal, {}),
      openMatcher: async (tokens, proposers) => {
        const matcher = await Matcher.create(tokens, proposers, this.config.threads);
        opened.push(matcher);
        return matcher;
      },
      openCosines: async () => {
        const graph = await CosineGraph.open(this.config.threads);
        opened.push(graph);
        return graph;
      },
      remember: async (revision, compute) => {
        const key = [
          ...sources.flatMap(({ source, maskHash }) => [...source.key, maskHash]),
          ...(tiling.tilesPerSide > 1 ? [`${tiling.tilesPerSide} tiles`] : []),
          segmenterModel.sha256,
          revision,
        ];
        const known = await this.cache.get(key);
        if (known) return mapValues(known, ({ data }) => data);
        const values = await compute();
        await this.cache.put(
          key,
          mapValues(values, (data) => ({ dims: [data.length], data })),
        );
        return values;
      },
    };
    const encoded: EncodedFile[] = [];
    for (const { source } of sources) encoded.push(await this.encode(source, runner));
    const tiling = tilingOf(
      strategies[strategy].tiles ? (parameters.tiles ?? DEFAULT_TILES) : 'off',
      encoded.map(({ encoding }, index) => ({ encoding, mask: sources[index]!.mask })),
    );
    const references = [];
    const degradations = new Set<string>();
    for (const [index, { source, mask }] of sources.entries()) {
      const whole = encoded[index]!;
      const variant = (change: ImageVariant) => this.encodeVariant(source.file, change, window, tiling, runner);
      const image =
        tiling.tilesPerSide > 1
          ? await this.tiledImage(await this.readTiles(source.file, window, tiling), runner, degradations)
          : imageOf(whole, segmenter, runner, degradations);
      references.push({ image: { ...image, variant }, mask, keep: () => whole.keep('everything') });
    }
    const [first, ...others] = references;
    const prepared = await strategies[strategy].prepare(first!.image, first!.mask, parameters, runner, others);
    for (const { keep } of references) await keep();
    const { size, file } = sources[0]!.source.file.info;
    const { foregroundPatches, backgroundPatches } = prepared;
    return {
      prepared,
      tiling,
      users: 0,
      forgotten: false,
      info: {
        size,
        file,
        foregroundPatches,
        backgroundPatches,
        notes: [
          ...sources.flatMap(({ source }) => source.file.notes),
          ...(tiling.tilesPerSide > 1 ? [describeTiling(tiling, parameters.tiles === 'auto')] : []),
          ...prepared.notes,
          ...degradations,
        ],
      },
      dispose: async () => {
        for (const graph of opened) await graph.dispose();
      },
    };
  }

  /** A reference's image and mask. Throws UserError where the image has changed since, or the mask does not fit it. */
  private async readReference({ image, imageHash, mask: runs }: ReferenceSpec, window: IntensityWindow | undefined) {
    const mask = fromRuns(runs);
    const source = await this.read(image, window);
    const { info } = source.file;
    if (imageHash !== undefined && imageHash !== info.file.sha256) {
      throw new UserError(`The reference image ${image} has changed since its mask was set: set the reference again.`);
    }
    if (!sameSize(mask.size, info.size)) {
      throw new UserError(
        `The support mask is ${describeSize(mask.size)} pixels, but its reference image ${image} is ${describeSize(info.size)}.`,
      );
    }
    return { source, mask, maskHash: createHash('sha256').update(runs.runs).digest('hex') };
  }

  /**
   * The image of a request, encoded: from memory while `stat` says that the file is the same, else from disk, else anew.
   * Requests for the same image at the same time share the work, whose stages count in the `times` of the first.
   *
   * @param keep whether to leave it in memory.
   * @param forSegmenter whether the segmenter is going to be asked, so that what it needs is read beside other inference.
   */
  private async target(
    { image, window }: Pick<DecodeRequest, 'image' | 'window'>,
    keep: boolean,
    signal: AbortSignal,
    times: Record<string, number>,
    forSegmenter = true,
  ): Promise<EncodedFile> {
    const stamp = await stampOf(image);
    const key = JSON.stringify([image, stamp.bytes, stamp.mtimeMs, window?.low, window?.high]);
    const known = this.encoded.get(key);
    const encoded =
      known ??
      (await this.encoding.join(key, signal, async (shared) => {
        const runner = stageRunner(shared, times);
        const source = await runner.stage('read', () => this.read(image, window, forSegmenter));
        return await this.exclusively(() => this.encode(source, runner));
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
  private async identify(path: string, window: IntensityWindow | undefined) {
    const { encoder, encoderModel } = await this.loaded();
    const file = await openImage(path, this.config.pixelLimit);
    const modelSize = encoder.inputSize(file.info.size);
    return { file, info: file.info, modelSize, key: imageKey(file, encoderModel.sha256, modelSize, window) };
  }

  /**
   * Reads an image and decodes it for the encoder, or finds its encoding on disk; the same for a segmenter that reads pixels.
   * Runs beside the inference of other images.
   */
  private async read(path: string, window: IntensityWindow | undefined, forSegmenter = false) {
    const { file, modelSize, key } = await this.identify(path, window);
    const embeddings = await this.embeddings();
    const readForEncoder = async () => {
      const cached = await this.cache.get(key);
      return { cached, pixels: cached ? undefined : await readRgb(file, modelSize, window) };
    };
    const [{ cached, pixels }, embeddingSource] = await Promise.all([
      readForEncoder(),
      forSegmenter ? embeddings?.read(file, window) : undefined,
    ]);
    return { file, window, modelSize, key, cached, pixels, embeddingSource };
  }

  private async encode(
    { file, window, modelSize, key, cached, pixels, embeddingSource }: Awaited<ReturnType<Engine['read']>>,
    { stage }: StageRunner,
  ): Promise<EncodedFile> {
    const { encoder, segmenter } = await this.loaded();
    const encoding = cached ? fromCached(cached) : await stage('encode', () => encoder.encode(pixels!, modelSize));
    const embeddings = await this.embeddings();
    const { path, info } = file;
    let source: EmbeddingSource | undefined = embeddingSource;
    const embed = async (): Promise<ImageEmbedding> => {
      if (segmenter.reads === 'features') return await segmenter.embed(encoding);
      source ??= await embeddings!.readAgain(path, info.file.sha256, window, this.config.pixelLimit);
      const made = await embeddings!.make(source);
      if (!source.cached) unkept = { source: { key: source.key }, embedding: made };
      source = undefined;
      return made;
    };
    let embedding: Promise<ImageEmbedding> | undefined;
    let unkept: { readonly source: Pick<EmbeddingSource, 'key'>; readonly embedding: ImageEmbedding } | undefined;
    let isKept = cached !== undefined;
    return {
      info,
      notes: file.notes,
      key,
      encoding,
      embedding: () => {
        embedding ??= embed().catch((error: unknown) => {
          embedding = undefined;
          throw error;
        });
        return embedding;
      },
      keep: async (what) => {
        const made = unkept;
        unkept = undefined;
        if (made) await embeddings!.keep(made.source, made.embedding);
        if (what === 'embedding' || isKept) return;
        isKept = true;
        await this.cache.put(key, toCached(encoding));
      },
    };
  }

  /** Undefined where the segmenter makes its embeddings from an encoder's features. */
  private async embeddings(): Promise<ImageEmbeddings | undefined> {
    const { segmenter, segmenterModel } = await this.loaded();
    return segmenter.reads === 'pixels' ? new ImageEmbeddings(segmenter, segmenterModel.sha256, this.cache) : undefined;
  }

  /** What all tiles of an image are made from, read beside the inference of other images. */
  private async readTiles(file: ImageFile, window: IntensityWindow | undefined, tiling: Tiling): Promise<TileSource> {
    const { encoder, segmenter } = await this.loaded();
    return readTileSource(file, window, tiling, encoder, segmenter);
  }

  /** @param signal ends the work before the next tile; nothing does where undefined */
  private async tiledImage(
    source: TileSource,
    runner: StageRunner,
    degradations: Set<string>,
    signal?: AbortSignal,
  ): Promise<EncodedImage> {
    const models = await this.loaded();
    const { segmenter } = models;
    const pause = async () => {
      await setImmediate();
      signal?.throwIfAborted();
    };
    const tiled = await runner.stage('encode', () => TiledImage.encode(source, models, pause));
    const { size, tokens, promptable } = tiled.image;
    return imageOfParts({ size, tokens }, segmenter, promptable, degradations);
  }

  private async encodeVariant(
    file: ImageFile,
    change: ImageVariant,
    window: IntensityWindow | undefined,
    tiling: Tiling,
    runner: StageRunner,
  ) {
    const { encoder } = await this.loaded();
    const modelSize = encoder.inputSize(file.info.size);
    if (tiling.tilesPerSide > 1) {
      const { plan, tileSize } = planOf(tiling, modelSize);
      const pixels = await readVariant(file, change, tiledModelSize(plan, tileSize), window);
      return await runner.stage('encode', () => encodeTokens(plan, tileSize, pixels, encoder));
    }
    return (await encoder.encode(await readVariant(file, change, modelSize, window), modelSize)).tokens;
  }

  private loaded(): Promise<LoadedModels> {
    this.models ??= this.openModels().catch((error: unknown) => {
      this.models = undefined;
      throw error;
    });
    return this.models;
  }

  private async openModels(): Promise<LoadedModels> {
    // What changes while the models are opened is told when all are.
    let tell = () => {};
    const open = () => loadModels(this.store, this.config, this.config.threads);
    this.placed = await openPlaced(this.config, open, () => tell());
    tell = () => {
      if (this.onPlaced) this.info().then(this.onPlaced, () => undefined);
    };
    void setImmediate().then(tell);
    return this.placed.models;
  }

  /** One inference at a time, in order of arrival: the next image is decoded meanwhile, not inferred in turns. */
  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.inference.then(work);
    this.inference = result.catch(() => undefined);
    return result;
  }
}

/**
 * An encoded file as strategies see it.
 *
 * @param degradations collects what the segmenter could not be asked as it was.
 */
function imageOf(
  { info: { size }, encoding: { tokens, preNormTokens }, embedding }: EncodedFile,
  segmenter: Segmenter,
  { stage }: StageRunner,
  degradations: Set<string>,
): EncodedImage {
  const promptable = async () => {
    const bound = await stageEmbedding(segmenter, stage, embedding);
    const { capabilities } = segmenter;
    return { capabilities, decode: (prompts: readonly PromptSet[]) => segmenter.decode(bound, size, prompts) };
  };
  return imageOfParts({ size, tokens, ...(preNormTokens && { preNormTokens }) }, segmenter, promptable, degradations);
}

/** An image whose prompts are degraded to what the segmenter can be asked. */
function imageOfParts(
  parts: Pick<EncodedImage, 'size' | 'tokens' | 'preNormTokens'>,
  { capabilities }: Segmenter,
  promptable: () => Promise<PromptableImage>,
  degradations: Set<string>,
): EncodedImage {
  const margin = halfPatch(parts);
  const ask = (asked: PromptSet): PromptSet => {
    const { prompts, notes } = degradePrompts(asked, capabilities, parts.size, margin);
    for (const note of notes) degradations.add(note);
    return prompts;
  };
  return {
    ...parts,
    capabilities,
    promptable: async () => {
      const image = await promptable();
      return {
        capabilities,
        decode: async (prompts: readonly PromptSet[]) => {
          const asked = prompts.map(ask);
          // What had something to ask and has nothing left gets no answer instead of one to another question.
          const isAsked = (index: number) => !isEmptyQuestion(asked[index]!) || isEmptyQuestion(prompts[index]!);
          const answers = await image.decode(asked.filter((_, index) => isAsked(index)));
          return prompts.map((_, index) => (isAsked(index) ? answers.shift()! : NOTHING_DRAWN));
        },
      };
    },
  };
}

/** What the references' masks ask for under `choice`, on the patches of their encodings. */
function tilingOf(choice: TileChoice, references: readonly { encoding: Encoding; mask: Mask }[]): Tiling {
  const { modelSize, tokens } = references[0]!.encoding;
  const pitch = { width: modelSize.width / tokens.grid.width, height: modelSize.height / tokens.grid.height };
  if (choice === 'off') return { tilesPerSide: 1, pitch };
  if (choice !== 'auto') return { tilesPerSide: choice, pitch };
  return {
    tilesPerSide: chooseTiles(references.map(({ encoding, mask }) => ({ mask, grid: encoding.tokens.grid }))),
    pitch,
  };
}

const describeTiling = ({ tilesPerSide }: Tiling, chosen: boolean): string =>
  `${chosen ? 'the objects are many and small: they are ' : ''}seen in ${tilesPerSide} x ${tilesPerSide} tiles`;

/** A stage of its own where it is work. */
const stageEmbedding = (
  { reads }: Segmenter,
  stage: StageRunner['stage'],
  embed: () => Promise<ImageEmbedding>,
): Promise<ImageEmbedding> => (reads === 'pixels' ? stage('embed', embed) : embed());

const NOTHING_DRAWN: DecodedMask = {
  logits: { size: { width: 1, height: 1 }, data: Float32Array.of(-1) },
  iouPrediction: 0,
};

/** Half a patch of an image, in its own pixels. */
const halfPatch = ({ size, tokens }: Pick<EncodedImage, 'size' | 'tokens'>) => ({
  width: size.width / tokens.grid.width / 2,
  height: size.height / tokens.grid.height / 2,
});

function forget(reference: ReadyReference): Promise<void> {
  reference.forgotten = true;
  return disposeIfUnused(reference);
}

async function disposeIfUnused(reference: ReadyReference): Promise<void> {
  if (reference.forgotten && reference.users === 0) await reference.dispose();
}

function stageRunner(signal: AbortSignal, times: Record<string, number>): StageRunner {
  return {
    stage: async (name, work) => {
      // Inference blocks the message loop; only here can a cancellation come through.
      await setImmediate();
      signal.throwIfAborted();
      const started = performance.now();
      const result = await work();
      times[name] = (times[name] ?? 0) + performance.now() - started;
      return result;
    },
  };
}

function referenceKey({ reference, moreReferences = [], strategy, parameters, window }: ReferenceRequest): string {
  const hash = createHash('sha256');
  const all = [reference, ...moreReferences];
  const about = all.map(({ image, imageHash, mask }) => [image, imageHash, mask.size, mask.runs.length]);
  hash.update(JSON.stringify([about, strategy, parameters, window]));
  for (const { mask } of all) hash.update(mask.runs);
  return hash.digest('hex');
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

const TOKENS = 'patch_tokens';
const NORMALISED = 'normalised_tokens';
const PRE_NORM = 'pre_norm_tokens';
const MODEL_SIZE = 'model_size';

/** An encoding as named tensors; what is not a tensor (sizes) becomes one, so that a single container serves. */
function toCached({ modelSize, tokens, preNormTokens, features }: Encoding): NamedTensors {
  const { grid, dim, data, normalised } = tokens;
  return {
    ...features,
    [normalised ? NORMALISED : TOKENS]: { dims: [grid.height, grid.width, dim], data },
    ...(preNormTokens && { [PRE_NORM]: { dims: [grid.height, grid.width, dim], data: preNormTokens.data } }),
    [MODEL_SIZE]: { dims: [2], data: Float32Array.of(modelSize.height, modelSize.width) },
  };
}

function fromCached(tensors: NamedTensors): Encoding {
  const { [MODEL_SIZE]: size, [TOKENS]: plain, [NORMALISED]: unit, [PRE_NORM]: before, ...features } = tensors;
  const tokens = (unit ?? plain)!;
  const [height, width, dim] = tokens.dims;
  return {
    modelSize: { height: size!.data[0], width: size!.data[1] },
    tokens: { grid: { width, height }, dim, data: tokens.data, normalised: unit !== undefined },
    ...(before && { preNormTokens: { grid: { width, height }, dim, data: before.data, normalised: false } }),
    features,
  };
}
