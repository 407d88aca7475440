/** Starts the engine process on first use, restarts it after a crash, and kills it as a last resort. */
import { NoEngineError, UserError } from '../core/userError';
import { runtimeEnvironment } from '../devices/runtimeFolder';
import { ChildCrashError, type RunningChild, startChild, withRestarts } from '../processes/child';
import type { EngineApi, EngineConfig, EngineEvents, EngineInfo } from '../protocol/engineApi';
import { type CallOptions, type Params, type Result, remoteBase } from '../rpc';
import { ENGINE_CALLS } from './calls';
import { CallWatch } from './callWatch';

export interface EngineClientOptions {
  /** Absolute path of the engine's bundle. */
  readonly entry: string;
  /** A function is asked at each start. */
  readonly config: EngineConfig | (() => EngineConfig);
  /** Told which device is in use whenever a process has opened its models, or a model had to move. */
  readonly onPlaced?: ((info: EngineInfo) => void) | undefined;
  /** Receives sentences that a person should know, of the client and of the engine. */
  readonly log?: (line: string) => void;
  /** Receives what the engine and its native libraries write to stdout and stderr, line by line. */
  readonly onOutput?: ((line: string) => void) | undefined;
  /** Milliseconds that a cancelled call may keep the engine busy before the process is killed. */
  readonly cancelGraceMs?: number;
  /** Milliseconds that `dispose` waits for the process to go by itself. */
  readonly disposeGraceMs?: number;
  /** Milliseconds after a failed start during which calls repeat its error instead of starting another process. */
  readonly restartDelayMs?: number;
}

/** A process and the calls that it has not answered, by their numbers. */
interface RunningEngine {
  readonly child: RunningChild<EngineApi>;
  readonly watch: CallWatch;
  readonly limitSeconds: number;
  readonly calls: Map<number, SentCall>;
}

interface SentCall {
  readonly subject: string;
  /** Set where the call took too long. */
  overdue?: UserError;
}

/**
 * The engine in a process of its own. A call whose process dies is repeated once, alone, so that it cannot be the
 * victim of its neighbour; a second death is blamed on the call. Not so the death of a process that starts, opens its
 * models or prepares references: it is started again, and where that does not help no call is to blame but there is no
 * engine.
 *
 * A call whose image takes longer than the configuration allows fails alone: its process is killed, and what else it
 * was doing is repeated.
 */
export class EngineClient extends remoteBase<EngineApi>(ENGINE_CALLS) {
  private running: RunningEngine | undefined;
  private readonly inFlight = new Set<Promise<unknown>>();
  /** Settles when every repeated call so far is over; calls made meanwhile wait for it. */
  private repeats: Promise<unknown> = Promise.resolve();
  /** The ending that was logged last: the calls that met it share its error, and one line tells of them all. */
  private told: ChildCrashError | undefined;
  private failedStart: { readonly error: NoEngineError; readonly until: number } | undefined;
  private disposed = false;

  constructor(private readonly options: EngineClientOptions) {
    super();
  }

  /** Process id of the engine, undefined while none runs. */
  get pid(): number | undefined {
    return this.running?.child.process.pid;
  }

  /** Lets the process go, kills it if it stays, and resolves when it is gone. Waiting calls reject. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await this.running?.child.stop(this.options.disposeGraceMs ?? 2000);
  }

  /** Ends the process when its calls are over; the next call starts a new one, with the configuration of then. */
  async renew(): Promise<void> {
    while (this.inFlight.size > 0) await Promise.allSettled(this.inFlight);
    const { running } = this;
    this.running = undefined;
    await running?.child.stop(this.options.disposeGraceMs ?? 2000);
  }

  protected call<M extends keyof EngineApi>(method: M, params: Params<EngineApi[M]>, options: CallOptions = {}) {
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
      return await this.sendToStarted(method, params, options);
    } catch (error) {
      if (!(error instanceof ChildCrashError) || this.disposed) throw error;
      if (error !== this.told) this.options.log?.(`${sentenceOf(error)}; repeating what it was doing in a new process`);
      this.told = error;
    }
    const repeat = this.repeats.then(async () => {
      await Promise.allSettled(this.inFlight);
      return await this.sendToStarted(method, params, options);
    });
    this.repeats = repeat.catch(() => undefined);
    try {
      return await repeat;
    } catch (error) {
      if (!(error instanceof ChildCrashError) || this.disposed) throw error;
      throw new UserError(`The engine crashed twice (${error.ending}) on ${subjectOf(method, params)}.`, {
        cause: error,
      });
    }
  }

  /** Sends a call, and again where the process was killed before it could begin with it. Throws NoEngineError. */
  private async sendToStarted<M extends keyof EngineApi>(
    method: M,
    params: Params<EngineApi[M]>,
    options: CallOptions,
  ): Promise<Result<EngineApi[M]>> {
    try {
      return await withRestarts(() => this.send(method, params, options), options.signal);
    } catch (error) {
      if (!(error instanceof ChildCrashError) || error.wasReady || this.disposed) throw error;
      const failure = new NoEngineError(`The segmentation engine could not start: ${error.lastWords}.`, {
        cause: error,
      });
      this.failedStart = { error: failure, until: Date.now() + (this.options.restartDelayMs ?? 5000) };
      throw failure;
    }
  }

  private async send<M extends keyof EngineApi>(method: M, params: Params<EngineApi[M]>, options: CallOptions) {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.disposed) throw new Error('the engine was shut down');
    if (this.failedStart && Date.now() < this.failedStart.until) throw this.failedStart.error;
    this.running ??= this.start();
    const { child, watch, calls } = this.running;

    let overstay: NodeJS.Timeout | undefined;
    const cancelled = () => {
      overstay = setTimeout(() => child.process.kill('SIGKILL'), this.options.cancelGraceMs ?? 3000).unref();
    };
    signal?.addEventListener('abort', cancelled, { once: true });
    const sent: SentCall = { subject: subjectOf(method, params) };
    let number = 0;
    const onSent = (call: number) => {
      number = call;
      calls.set(call, sent);
      watch.begin();
    };
    const onAnswer = () => {
      clearTimeout(overstay);
      options.onAnswer?.();
    };
    const result = child.peer.call(method, params, { ...options, onSent, onAnswer });
    this.inFlight.add(result);
    try {
      return await result;
    } catch (error) {
      if (sent.overdue) throw sent.overdue;
      if (!(error instanceof ChildCrashError) || !watch.preparing) throw error;
      throw new ChildCrashError('engine', error.ending, error.stderrTail, false);
    } finally {
      if (calls.delete(number)) watch.end();
      this.inFlight.delete(result);
      signal?.removeEventListener('abort', cancelled);
    }
  }

  private start(): RunningEngine {
    const { entry, config, log, onOutput } = this.options;
    const current = typeof config === 'function' ? config() : config;
    const limitSeconds = current.imageSeconds || Number.POSITIVE_INFINITY;
    const watch = new CallWatch(limitSeconds * 1000, (call) => this.giveUpOn(running, call));
    const onReady = () => {
      this.failedStart = undefined;
      watch.heard({ call: null, preparing: false });
    };
    const child = startChild<EngineApi, EngineEvents>({
      name: 'engine',
      entry,
      config: current,
      v8Options: ROOM_FOR_TENSORS,
      env: runtimeEnvironment(entry, current.homeDir, current.device),
      handlers: {
        placed: (info) => this.options.onPlaced?.(info),
        note: ({ note }) => log?.(note),
        busy: (busy) => watch.heard(busy),
        overdue: ({ call, image }) => this.giveUpOn(running, call, image),
      },
      log: onOutput,
      onReady,
    });
    child.process.on('message', () => watch.heard());
    const running: RunningEngine = { child, watch, limitSeconds, calls: new Map() };
    void child.ended.then(() => this.forget(running));
    return running;
  }

  private forget(engine: RunningEngine): void {
    engine.watch.stop();
    if (this.running === engine) this.running = undefined;
  }

  /**
   * Ends a process that is kept by a call, which fails; the others are repeated. Where several may be what keeps it,
   * all are repeated, each alone.
   */
  private giveUpOn(engine: RunningEngine, call: number | null, image?: string): void {
    const { calls, child, limitSeconds } = engine;
    const [only] = calls.size === 1 && !engine.watch.preparing ? calls.values() : [];
    const guilty = (call === null ? undefined : calls.get(call)) ?? only;
    if (guilty) {
      guilty.overdue = new UserError(
        `${image ?? guilty.subject} took longer than ${limitSeconds} s, the most that one image may take: give it more with --image-timeout or the setting apMedSam.imageTimeout.`,
      );
    }
    this.forget(engine);
    child.abandon(`no answer for ${limitSeconds} s`);
  }
}

/**
 * An image leaves 12 MB of tensors behind, beside a heap of 9 MB: by its own rule the collector would go through the
 * heap once or twice per image, each time throwing away compiled code as well.
 */
const ROOM_FOR_TENSORS = ['--initial-old-space-size=128', '--min-semi-space-size=8'];

/** What has become of a process, in a line: an uncaught error says why. */
function sentenceOf(error: ChildCrashError): string {
  const why = error.ending.startsWith('exit code') && error.stderrTail ? `: ${error.lastWords}` : '';
  return `the engine process ended with ${error.ending}${why}`;
}

function subjectOf(method: string, params: unknown): string {
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
