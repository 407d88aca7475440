/** Starts the engine process on first use, restarts it after a crash, and kills it as a last resort. */
import { UserError } from '../core/userError';
import { runtimeEnvironment } from '../devices/runtimeFolder';
import { ChildCrashError, type RunningChild, startChild } from '../processes/child';
import type { EngineApi, EngineConfig, EngineEvents, EngineInfo } from '../protocol/engineApi';
import type { CallOptions, Params, Remote, Result } from '../rpc';

export interface EngineClientOptions {
  /** Absolute path of the engine's bundle. */
  readonly entry: string;
  /** A function is asked at each start. */
  readonly config: EngineConfig | (() => EngineConfig);
  /** Told which device is in use whenever a process has opened its models, or a model had to move. */
  readonly onPlaced?: ((info: EngineInfo) => void) | undefined;
  /** Receives what the engine writes to stdout and stderr, line by line. */
  readonly log?: (line: string) => void;
  /** Milliseconds that a cancelled call may keep the engine busy before the process is killed. */
  readonly cancelGraceMs?: number;
  /** Milliseconds that `dispose` waits for the process to go by itself. */
  readonly disposeGraceMs?: number;
  /** Milliseconds after a failed start during which calls repeat its error instead of starting another process. */
  readonly restartDelayMs?: number;
}

/**
 * The engine in a process of its own. A call whose process dies is repeated once, alone, so that it cannot be the victim
 * of its neighbour; a second death is blamed on the call.
 */
export class EngineClient implements Remote<EngineApi> {
  private running: RunningChild<EngineApi> | undefined;
  private readonly inFlight = new Set<Promise<unknown>>();
  /** Settles when every repeated call so far is over; calls made meanwhile wait for it. */
  private repeats: Promise<unknown> = Promise.resolve();
  /** The ending that was logged last: the calls that met it share its error, and one line tells of them all. */
  private told: ChildCrashError | undefined;
  private failedStart: { readonly error: UserError; readonly until: number } | undefined;
  private disposed = false;

  constructor(private readonly options: EngineClientOptions) {}

  /** Process id of the engine, undefined while none runs. */
  get pid(): number | undefined {
    return this.running?.process.pid;
  }

  readonly info = (options?: CallOptions) => this.call('info', undefined, options);
  readonly inspectImage = (params: Params<EngineApi['inspectImage']>, options?: CallOptions) =>
    this.call('inspectImage', params, options);
  readonly sampleWindow = (params: Params<EngineApi['sampleWindow']>, options?: CallOptions) =>
    this.call('sampleWindow', params, options);
  readonly prepareReference = (params: Params<EngineApi['prepareReference']>, options?: CallOptions) =>
    this.call('prepareReference', params, options);
  readonly segment = (params: Params<EngineApi['segment']>, options?: CallOptions) =>
    this.call('segment', params, options);
  readonly segmentClasses = (params: Params<EngineApi['segmentClasses']>, options?: CallOptions) =>
    this.call('segmentClasses', params, options);
  readonly saveOverlay = (params: Params<EngineApi['saveOverlay']>, options?: CallOptions) =>
    this.call('saveOverlay', params, options);
  readonly decode = (params: Params<EngineApi['decode']>, options?: CallOptions) =>
    this.call('decode', params, options);
  readonly prefetch = (params: Params<EngineApi['prefetch']>, options?: CallOptions) =>
    this.call('prefetch', params, options);
  readonly displayOverview = (params: Params<EngineApi['displayOverview']>, options?: CallOptions) =>
    this.call('displayOverview', params, options);
  readonly displayTiles = (params: Params<EngineApi['displayTiles']>, options?: CallOptions) =>
    this.call('displayTiles', params, options);
  readonly describeImage = (params: Params<EngineApi['describeImage']>, options?: CallOptions) =>
    this.call('describeImage', params, options);
  readonly readReference = (params: Params<EngineApi['readReference']>, options?: CallOptions) =>
    this.call('readReference', params, options);
  readonly readLabels = (params: Params<EngineApi['readLabels']>, options?: CallOptions) =>
    this.call('readLabels', params, options);

  /** Lets the process go, kills it if it stays, and resolves when it is gone. Waiting calls reject. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await this.running?.stop(this.options.disposeGraceMs ?? 2000);
  }

  /** Ends the process when its calls are over; the next call starts a new one, with the configuration of then. */
  async renew(): Promise<void> {
    while (this.inFlight.size > 0) await Promise.allSettled(this.inFlight);
    const { running } = this;
    this.running = undefined;
    await running?.stop(this.options.disposeGraceMs ?? 2000);
  }

  private call<M extends keyof EngineApi>(method: M, params: Params<EngineApi[M]>, options: CallOptions = {}) {
    return orAborted(this.sendOrRepeat(method, params, options), options.signal);
  }

  private async sendOrRepeat<M extends keyof EngineApi>(
    method: M,
    params: Params<EngineApi[M]>,
    options: CallOptions,
  ): Promise<Result<EngineApi[M]>> {
    for (let seen: unknown; seen !== this.repeats; ) {
      seen = this.repeats;
      await seen;
    }
    try {
      return await this.send(method, params, options);
    } catch (error) {
      this.throwUnlessRepeatable(error);
      if (error !== this.told) this.options.log?.(`${error.message}; repeating what it was doing in a new process`);
      this.told = error;
    }
    const repeat = this.repeats.then(async () => {
      await Promise.allSettled(this.inFlight);
      return await this.send(method, params, options);
    });
    this.repeats = repeat.catch(() => undefined);
    try {
      return await repeat;
    } catch (error) {
      this.throwUnlessRepeatable(error);
      throw new UserError(`The engine crashed twice (${error.ending}) on ${subject(method, params)}.`, {
        cause: error,
      });
    }
  }

  private async send<M extends keyof EngineApi>(method: M, params: Params<EngineApi[M]>, options: CallOptions) {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.disposed) throw new Error('the engine was shut down');
    if (this.failedStart && Date.now() < this.failedStart.until) throw this.failedStart.error;
    this.running ??= this.start();
    const { process: child, peer } = this.running;

    let overstay: NodeJS.Timeout | undefined;
    const watch = () => {
      overstay = setTimeout(() => child.kill('SIGKILL'), this.options.cancelGraceMs ?? 3000).unref();
    };
    signal?.addEventListener('abort', watch, { once: true });
    const onAnswer = () => {
      clearTimeout(overstay);
      options.onAnswer?.();
    };
    const result = peer.call(method, params, { ...options, onAnswer });
    this.inFlight.add(result);
    try {
      return await result;
    } finally {
      this.inFlight.delete(result);
      signal?.removeEventListener('abort', watch);
    }
  }

  /** Returns when the call met a crash that may have been an accident. */
  private throwUnlessRepeatable(error: unknown): asserts error is ChildCrashError {
    if (!(error instanceof ChildCrashError) || this.disposed) throw error;
    if (error.wasReady) return;
    const failure = new UserError(`The segmentation engine could not start: ${error.lastWords}.`, { cause: error });
    this.failedStart = { error: failure, until: Date.now() + (this.options.restartDelayMs ?? 5000) };
    throw failure;
  }

  private start(): RunningChild<EngineApi> {
    const { entry, config, log } = this.options;
    const onReady = () => {
      this.failedStart = undefined;
    };
    const current = typeof config === 'function' ? config() : config;
    const env = runtimeEnvironment(entry, current.homeDir, current.device);
    const handlers = { placed: (info: EngineInfo) => this.options.onPlaced?.(info) };
    const child = startChild<EngineApi, EngineEvents>({
      name: 'engine',
      entry,
      config: current,
      v8Options: ROOM_FOR_TENSORS,
      env,
      handlers,
      log,
      onReady,
    });
    void child.ended.then(() => {
      if (this.running === child) this.running = undefined;
    });
    return child;
  }
}

/**
 * An image leaves 12 MB of tensors behind, beside a heap of 9 MB: by its own rule the collector would go through the heap
 * once or twice per image, each time throwing away compiled code as well.
 */
const ROOM_FOR_TENSORS = ['--initial-old-space-size=128', '--min-semi-space-size=8'];

function subject(method: string, params: unknown): string {
  const image = (params as { image?: unknown } | undefined)?.image;
  return typeof image === 'string' ? image : `the call ${method}()`;
}

/** Settles like `promise`, but rejects with the signal's reason as soon as it is aborted. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
