/** Several engine processes behind the interface of one, for a batch. */
import type { DeviceName } from '../protocol/deviceApi';
import type { BatchApi } from '../protocol/engineApi';
import type { CallOptions, Params, Remote } from '../rpc';
import { EngineClient, type EngineClientOptions } from './client';

/** An engine that can be shut down. */
export type DisposableEngine = Remote<BatchApi> & { dispose(): Promise<void> };

/** Calls per engine that pay off: while one is inferred, the next image is read and decoded on a libuv thread. */
const LANES_PER_ENGINE = 2;

/** The same for the one engine of a GPU, whose inference is over sooner than an image is read: libuv has four threads. */
const LANES_ON_GPU = 5;

/** Beyond four processes memory bandwidth, not arithmetic, is what a batch waits for. */
const MAX_ENGINES = 4;

/**
 * Engines and threads per engine for a batch on `cores` cores: several one-thread processes equal one process of many
 * threads on an idle machine and win on a busy one.
 */
export function defaultParallelism(cores: number): { engines: number; threads: number } {
  const engines = Math.max(1, Math.min(cores, MAX_ENGINES));
  return { engines, threads: Math.max(1, Math.floor(cores / engines)) };
}

/**
 * Engines and threads for a batch on a device, as far as nobody asks for others. On a GPU one process: several would each
 * hold the models there and wait for each other. Its threads are for what stays on the CPU, the matching above all.
 */
export function parallelismOn(
  device: DeviceName,
  cores: number,
  asked: { readonly engines?: number | undefined; readonly threads?: number | undefined } = {},
): { engines: number; threads: number } {
  const engines = asked.engines ?? (device === 'cpu' ? defaultParallelism(cores).engines : 1);
  return { engines, threads: asked.threads ?? Math.max(1, Math.floor(cores / engines)) };
}

/** `count` engines of one configuration; a process starts when its first call comes. */
export function createPool(count: number, options: EngineClientOptions, device: DeviceName = 'cpu'): EnginePool {
  const engines = Array.from({ length: count }, () => new EngineClient(options));
  return new EnginePool(engines, device === 'cpu' ? LANES_PER_ENGINE : LANES_ON_GPU);
}

export class EnginePool implements DisposableEngine {
  get size(): number {
    return this.engines.length;
  }

  /** Calls that are worth having under way at the same time. */
  readonly lanes: number;
  private readonly inFlight: number[];

  /** Throws RangeError without engines. */
  constructor(
    private readonly engines: readonly DisposableEngine[],
    lanesPerEngine: number = LANES_PER_ENGINE,
  ) {
    if (engines.length === 0) throw new RangeError('a pool needs at least one engine, got none');
    this.lanes = engines.length * lanesPerEngine;
    this.inFlight = engines.map(() => 0);
  }

  readonly info = (options?: CallOptions) => this.engines[0]!.info(options);

  /**
   * Goes to the first engine, which leaves the reference's tokens in the cache on disk; the others find them there,
   * since every segment request names its reference.
   */
  readonly prepareReference = (params: Params<BatchApi['prepareReference']>, options?: CallOptions) =>
    this.on(0, (engine) => engine.prepareReference(params, options));

  readonly inspectImage = (params: Params<BatchApi['inspectImage']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.inspectImage(params, options));
  readonly readReference = (params: Params<BatchApi['readReference']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.readReference(params, options));
  readonly sampleWindow = (params: Params<BatchApi['sampleWindow']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.sampleWindow(params, options));
  readonly segment = (params: Params<BatchApi['segment']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.segment(params, options));
  readonly segmentClasses = (params: Params<BatchApi['segmentClasses']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.segmentClasses(params, options));
  readonly describeImage = (params: Params<BatchApi['describeImage']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.describeImage(params, options));
  readonly saveOverlay = (params: Params<BatchApi['saveOverlay']>, options?: CallOptions) =>
    this.on(this.leastBusy(), (engine) => engine.saveOverlay(params, options));

  async dispose(): Promise<void> {
    await Promise.all(this.engines.map((engine) => engine.dispose()));
  }

  /** Index of the engine with the fewest calls under way; the lowest of equals, so that few calls start few processes. */
  private leastBusy(): number {
    return this.inFlight.indexOf(Math.min(...this.inFlight));
  }

  private async on<T>(index: number, use: (engine: DisposableEngine) => Promise<T>): Promise<T> {
    this.inFlight[index]!++;
    try {
      return await use(this.engines[index]!);
    } finally {
      this.inFlight[index]!--;
    }
  }
}
