/** The engine's calls bound to the adapters: what the process answers, apart from how it is reached. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { degradePrompts, isEmptyQuestion } from '../core/degradation';
import { describeSize, sameSize } from '../core/geometry';
import { toLabelRuns } from '../core/labelMap';
import { describeImage } from '../core/labelNext';
import { fromRuns } from '../core/mask';
import { thresholdToRuns } from '../core/raster';
import { checkPrompts, type DecodedMask, type PromptSet } from '../core/segmenter';
import { withoutSpecks } from '../core/specks';
import { strategies } from '../core/strategies';
import type {
  EncodedImage,
  ImageVariant,
  PreparationRunner,
  PreparedReference,
  StageRunner,
} from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import { sha256 } from '../disk/hashing';
import { explainReadError } from '../disk/storageError';
import { decodeMaskPng } from '../formats/maskPng';
import type {
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
import type { EntryKey } from './boundedFolder';
import { TensorCache } from './cache';
import { CosineGraph } from './cosineGraph';
import { Display } from './display';
import type { Encoding } from './encoders';
import { homeCacheDir } from './home';
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
import { Matcher } from './matcher';
import { ModelStore } from './modelStore';
import { type LoadedModels, loadModels } from './models';
import { saveOverlay } from './overlay';
import type { ImageEmbedding, Segmenter } from './segmenters';
import { type NamedTensors, runtimeVersion } from './sessions';
import { SharedWork } from './sharedWork';
import { readVariant } from './variants';

/** A reference ready to be matched, with the matchers to release when it is forgotten and nobody uses it. */
interface ReadyReference {
  readonly info: ReferenceInfo;
  readonly prepared: PreparedReference;
  /** Requests under way. */
  users: number;
  forgotten: boolean;
  dispose(): Promise<void>;
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

/** Prepared references kept in memory; a batch uses one, an editor a few in turn. Each costs about 50 MB. */
const REFERENCES_KEPT = 3;

export class Engine implements Handlers<EngineApi> {
  private readonly store: ModelStore;
  private readonly cache: TensorCache;
  private readonly display: Display;
  private models: Promise<LoadedModels> | undefined;
  /** Least recently used first. */
  private readonly references = new Map<string, Promise<ReadyReference>>();
  /** Least recently used first; by path, window and what `stat` says of the file. */
  private readonly encoded = new Map<string, EncodedFile>();
  private readonly encoding = new SharedWork<EncodedFile>();
  private inference: Promise<unknown> = Promise.resolve();

  constructor(private readonly config: EngineConfig) {
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
      device: 'cpu',
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
    const reference = await this.reference(request, signal);
    reference.users++;
    try {
      return await this.segmentWith(reference.prepared, request, signal);
    } finally {
      reference.users--;
      await disposeIfUnused(reference);
    }
  }

  private async segmentWith(
    prepared: PreparedReference,
    request: SegmentRequest,
    signal: AbortSignal,
  ): Promise<SegmentResult> {
    const started = performance.now();
    const times: Record<string, number> = {};
    const runner = stageRunner(signal, times);
    const { segmenter } = await this.loaded();
    // Who wants the details will ask about this image next; a batch never comes back to it.
    const target = await this.target(request, request.withDetails === true, signal, times);
    const degradations = new Set<string>();
    const found = await this.exclusively(() =>
      prepared.segment(imageOf(target, segmenter, runner, degradations), runner),
    );
    // Beside the inference of the next image: what is kept is written, not waited for by others.
    if ((found.trust ?? found.iouPrediction) < (request.cacheBelow ?? 0)) {
      await runner.stage('keep', () => target.keep('everything'));
    }
    return {
      size: target.info.size,
      file: target.info.file,
      outcome: found.outcome,
      mask: found.mask,
      instances: found.instances,
      prompts: request.withDetails ? found.prompts : found.prompts.filter(({ reason }) => reason === 'kept'),
      iouPrediction: found.iouPrediction,
      ...(found.trust !== undefined && { trust: found.trust }),
      ...(found.trustParts && { trustParts: found.trustParts }),
      ...(request.withDetails && found.maskPrompt && { maskPrompt: found.maskPrompt }),
      notes: [...target.notes, ...found.notes, ...degradations],
      times: { ...times, total: performance.now() - started },
    };
  }

  async decode(request: DecodeRequest, signal: AbortSignal): Promise<DecodeResult> {
    const started = performance.now();
    const times: Record<string, number> = {};
    const { stage } = stageRunner(signal, times);
    const { segmenter, segmenterModel } = await this.loaded();
    checkPrompts(request.prompts);
    const target = await this.target(request, true, signal, times);
    const { size, file } = target.info;
    const { prompts, notes } = degradePrompts(request.prompts, segmenter.capabilities, size, halfPatch(target));
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
    const mask = await stage('mask', () =>
      thresholdToRuns(request.dropSpecks ? withoutSpecks(logits) : logits, size, 0),
    );
    return { mask, iouPrediction, file, notes, times: { ...times, total: performance.now() - started } };
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

  /** The reference of a request, prepared once; a failure is forgotten so that it can be tried again. */
  private reference(request: ReferenceRequest, signal: AbortSignal): Promise<ReadyReference> {
    const key = referenceKey(request);
    let ready = this.references.get(key);
    // Preparing serves every request with this reference, so the first one's cancellation must not fail the others.
    ready ??= this.exclusively(() => this.prepare(request));
    this.references.delete(key);
    this.references.set(key, ready);
    ready.catch(() => this.references.delete(key));
    for (const [oldest, forgotten] of this.references) {
      if (this.references.size <= REFERENCES_KEPT) break;
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
    const references = [];
    const degradations = new Set<string>();
    for (const { source, mask } of sources) {
      const encoded = await this.encode(source, runner);
      const image = {
        ...imageOf(encoded, segmenter, runner, degradations),
        variant: (change: ImageVariant) => this.encodeVariant(source.file, change, window),
      };
      references.push({ image, mask, keep: () => encoded.keep('everything') });
    }
    const [first, ...others] = references;
    const prepared = await strategies[strategy].prepare(first!.image, first!.mask, parameters, runner, others);
    for (const { keep } of references) await keep();
    const { size, file } = sources[0]!.source.file.info;
    const { foregroundPatches, backgroundPatches } = prepared;
    return {
      prepared,
      users: 0,
      forgotten: false,
      info: {
        size,
        file,
        foregroundPatches,
        backgroundPatches,
        notes: [...sources.flatMap(({ source }) => source.file.notes), ...prepared.notes, ...degradations],
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

  private async encodeVariant(file: ImageFile, change: ImageVariant, window: IntensityWindow | undefined) {
    const { encoder } = await this.loaded();
    const modelSize = encoder.inputSize(file.info.size);
    return (await encoder.encode(await readVariant(file, change, modelSize, window), modelSize)).tokens;
  }

  private loaded(): Promise<LoadedModels> {
    this.models ??= loadModels(this.store, this.config, this.config.threads).catch((error: unknown) => {
      this.models = undefined;
      throw error;
    });
    return this.models;
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
  target: EncodedFile,
  segmenter: Segmenter,
  { stage }: StageRunner,
  degradations: Set<string>,
): EncodedImage {
  const { info, encoding, embedding } = target;
  const { capabilities } = segmenter;
  const margin = halfPatch(target);
  const ask = (asked: PromptSet): PromptSet => {
    const { prompts, notes } = degradePrompts(asked, capabilities, info.size, margin);
    for (const note of notes) degradations.add(note);
    return prompts;
  };
  return {
    size: info.size,
    tokens: encoding.tokens,
    ...(encoding.preNormTokens && { preNormTokens: encoding.preNormTokens }),
    capabilities,
    promptable: async () => {
      const bound = await stageEmbedding(segmenter, stage, embedding);
      return {
        capabilities,
        decode: async (prompts: readonly PromptSet[]) => {
          const asked = prompts.map(ask);
          // What had something to ask and has nothing left gets no answer instead of one to another question.
          const isAsked = (index: number) => !isEmptyQuestion(asked[index]!) || isEmptyQuestion(prompts[index]!);
          const answers = await segmenter.decode(
            bound,
            info.size,
            asked.filter((_, index) => isAsked(index)),
          );
          return prompts.map((_, index) => (isAsked(index) ? answers.shift()! : NOTHING_DRAWN));
        },
      };
    },
  };
}

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
const halfPatch = ({ info: { size }, encoding: { tokens } }: EncodedFile) => ({
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
