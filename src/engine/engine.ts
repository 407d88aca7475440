/** The engine's calls bound to the adapters: what the process answers, apart from how it is reached. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { describeSize, sameSize } from '../core/geometry';
import { fromRuns, toRuns } from '../core/mask';
import { strategies } from '../core/strategies';
import type { EncodedImage, PreparationRunner, PreparedReference, StageRunner } from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import type {
  EngineApi,
  EngineConfig,
  EngineInfo,
  IntensityWindow,
  ReferenceInfo,
  SegmentRequest,
  SegmentResult,
} from '../protocol';
import type { Handlers } from '../rpc';
import { type CacheKey, TensorCache } from './cache';
import type { Encoding } from './encoders';
import { homeCacheDir } from './home';
import { imageLibraryVersions, initImageIo, openImage, readRgb, sampleWindow } from './imageIo';
import { Matcher } from './matcher';
import { ModelStore } from './modelStore';
import { type LoadedModels, loadModels } from './models';
import { saveOverlay } from './overlay';
import type { ImageEmbedding } from './segmenters';
import { type NamedTensors, runtimeVersion } from './sessions';
import { readVariant } from './variants';

type ReferenceRequest = Pick<SegmentRequest, 'reference' | 'strategy' | 'parameters' | 'window'>;

/** A reference ready to be matched, with the matchers to release when it is forgotten and nobody uses it. */
interface ReadyReference {
  readonly info: ReferenceInfo;
  readonly prepared: PreparedReference;
  /** Requests under way. */
  users: number;
  forgotten: boolean;
  dispose(): Promise<void>;
}

/** Prepared references kept in memory; a batch uses one, an editor a few in turn. Each costs about 50 MB. */
const REFERENCES_KEPT = 3;

export class Engine implements Handlers<EngineApi> {
  private readonly store: ModelStore;
  private readonly cache: TensorCache;
  private models: Promise<LoadedModels> | undefined;
  /** Least recently used first. */
  private readonly references = new Map<string, Promise<ReadyReference>>();
  private inference: Promise<unknown> = Promise.resolve();

  constructor(private readonly config: EngineConfig) {
    initImageIo();
    this.store = new ModelStore(config.modelsDir, config.homeDir);
    this.cache = new TensorCache(homeCacheDir(config.homeDir), config.cacheBytes);
  }

  async info(): Promise<EngineInfo> {
    const { encoderModel, segmenterModel } = await this.loaded();
    return {
      pid: process.pid,
      node: process.versions.node,
      onnxruntime: runtimeVersion(),
      ...imageLibraryVersions(),
      threads: this.config.threads,
      device: 'cpu',
      encoder: { id: encoderModel.entry.id, sha256: encoderModel.sha256 },
      segmenter: { id: segmenterModel.entry.id, sha256: segmenterModel.sha256 },
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
    const target = await runner.stage('read', () => this.read(request.image, request.window));
    const { file } = target;
    const { encoding, found } = await this.exclusively(async () => {
      const encoded = await this.encode(target, runner);
      return { encoding: encoded.encoding, found: await prepared.segment(encoded.image, runner) };
    });
    // Beside the inference of the next image: what is kept is written, not waited for by others.
    if (found.iouPrediction < (request.cacheBelow ?? 0)) {
      await runner.stage('keep', () => this.cache.put(target.key, toCached(encoding)));
    }
    return {
      size: file.info.size,
      file: file.info.file,
      outcome: found.outcome,
      mask: toRuns(found.mask),
      instances: found.instances.map(toRuns),
      prompts: request.withRejected ? found.prompts : found.prompts.filter(({ reason }) => reason === 'kept'),
      iouPrediction: found.iouPrediction,
      notes: [...file.notes, ...found.notes],
      times: { ...times, total: performance.now() - started },
    };
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

  private async prepare({ reference, strategy, parameters, window }: ReferenceRequest): Promise<ReadyReference> {
    const mask = fromRuns(reference.mask);
    const source = await this.read(reference.image, window);
    const { info, notes } = source.file;
    if (reference.imageHash !== undefined && reference.imageHash !== info.file.sha256) {
      throw new UserError(
        `The reference image ${reference.image} has changed since its mask was set: set the reference again.`,
      );
    }
    if (!sameSize(mask.size, info.size)) {
      throw new UserError(
        `The support mask is ${describeSize(mask.size)} pixels, but its reference image ${reference.image} is ${describeSize(info.size)}.`,
      );
    }
    const matchers: Matcher[] = [];
    const { segmenterModel } = await this.loaded();
    const maskHash = createHash('sha256').update(reference.mask.runs).digest('hex');
    const runner: PreparationRunner = {
      ...stageRunner(new AbortController().signal, {}),
      openMatcher: async (tokens, proposers) => {
        const matcher = await Matcher.create(tokens, proposers, this.config.threads);
        matchers.push(matcher);
        return matcher;
      },
      remember: async (revision, compute) => {
        const key = [...source.key, segmenterModel.sha256, maskHash, revision];
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
    const { image, encoding, cached } = await this.encode(source, runner);
    const prepared = await strategies[strategy].prepare(image, mask, parameters, runner);
    if (!cached) await this.cache.put(source.key, toCached(encoding));
    const { foregroundPatches, backgroundPatches } = prepared;
    return {
      prepared,
      users: 0,
      forgotten: false,
      info: {
        size: info.size,
        file: info.file,
        foregroundPatches,
        backgroundPatches,
        notes: [...notes, ...prepared.notes],
      },
      dispose: async () => {
        for (const matcher of matchers) await matcher.dispose();
      },
    };
  }

  /** Reads and decodes an image, or its embedding where that is on disk; runs beside the inference of other images. */
  private async read(path: string, window: IntensityWindow | undefined) {
    const { encoder, encoderModel } = await this.loaded();
    const file = await openImage(path, this.config.pixelLimit);
    const modelSize = encoder.inputSize(file.info.size);
    const key: CacheKey = [
      file.info.file.sha256,
      encoderModel.sha256,
      modelSize.width,
      modelSize.height,
      ...(file.deep && window ? [window.low, window.high] : []),
    ];
    const cached = await this.cache.get(key);
    const pixels = cached ? undefined : await readRgb(file, modelSize, window);
    return { file, window, modelSize, key, cached, pixels };
  }

  private async encode(
    { file, window, modelSize, cached, pixels }: Awaited<ReturnType<Engine['read']>>,
    { stage }: StageRunner,
  ): Promise<{ image: EncodedImage; encoding: Encoding; cached: boolean }> {
    const { encoder, segmenter } = await this.loaded();
    const encoding = cached ? fromCached(cached) : await stage('encode', () => encoder.encode(pixels!, modelSize));
    let embedding: Promise<ImageEmbedding> | undefined;
    const { size } = file.info;
    return {
      encoding,
      cached: cached !== undefined,
      image: {
        size,
        tokens: encoding.tokens,
        capabilities: segmenter.capabilities,
        variant: async (change) =>
          (await encoder.encode(await readVariant(file, change, modelSize, window), modelSize)).tokens,
        promptable: async () => {
          embedding ??= segmenter.embed(encoding);
          const bound = await embedding;
          return {
            capabilities: segmenter.capabilities,
            decode: (prompts) => segmenter.decode(bound, size, prompts),
          };
        },
      },
    };
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

function referenceKey({ reference, strategy, parameters, window }: ReferenceRequest): string {
  const hash = createHash('sha256');
  hash.update(
    JSON.stringify([reference.image, reference.imageHash, reference.mask.size, strategy, parameters, window]),
  );
  hash.update(reference.mask.runs);
  return hash.digest('hex');
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

const TOKENS = 'patch_tokens';
const NORMALISED = 'normalised_tokens';
const MODEL_SIZE = 'model_size';

/** An encoding as named tensors; what is not a tensor (sizes) becomes one, so that a single container serves. */
function toCached({ modelSize, tokens, features }: Encoding): NamedTensors {
  const { grid, dim, data, normalised } = tokens;
  return {
    ...features,
    [normalised ? NORMALISED : TOKENS]: { dims: [grid.height, grid.width, dim], data },
    [MODEL_SIZE]: { dims: [2], data: Float32Array.of(modelSize.height, modelSize.width) },
  };
}

function fromCached(tensors: NamedTensors): Encoding {
  const { [MODEL_SIZE]: size, [TOKENS]: plain, [NORMALISED]: unit, ...features } = tensors;
  const tokens = (unit ?? plain)!;
  const [height, width, dim] = tokens.dims;
  return {
    modelSize: { height: size!.data[0], width: size!.data[1] },
    tokens: { grid: { width, height }, dim, data: tokens.data, normalised: unit !== undefined },
    features,
  };
}
