/** Starts the engine process on first use, restarts it after a crash, and kills it as a last resort. */
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { UserError } from '../core/userError';
import type { EngineApi, EngineConfig } from '../protocol';
import { type CallOptions, connect, type Params, type Peer, type Remote, type Result } from '../rpc';

export interface EngineClientOptions {
  /** Absolute path of the engine's bundle. */
  readonly entry: string;
  readonly config: EngineConfig;
  /** Receives what the engine writes to stdout and stderr, line by line. */
  readonly log?: (line: string) => void;
  /** Milliseconds that a cancelled call may keep the engine busy before the process is killed. */
  readonly cancelGraceMs?: number;
  /** Milliseconds that `dispose` waits for the process to go by itself. */
  readonly disposeGraceMs?: number;
  /** Milliseconds after a failed start during which calls repeat its error instead of starting another process. */
  readonly restartDelayMs?: number;
}

/** The engine process went away while a call was waiting for it. */
export class EngineCrashError extends Error {
  constructor(
    /** How the process ended, for example `signal SIGKILL` or `exit code 134`. */
    readonly ending: string,
    /** The last lines that it wrote to stderr. */
    readonly stderrTail: string,
    /** False where it ended before it was ready for calls. */
    readonly wasReady: boolean,
  ) {
    super(`the engine process ended with ${ending}${stderrTail && `: ${stderrTail}`}`);
    this.name = 'EngineCrashError';
  }
}

/** Enough for an uncaught exception with its stack. */
const TAIL_LINES = 30;

/** How long after its process an engine's last output may still arrive. */
const LAST_WORDS_MS = 500;

/** One engine process, as long as it lives. */
interface Running {
  readonly child: ChildProcess;
  readonly peer: Peer<EngineApi>;
  readonly ended: Promise<void>;
}

/**
 * The engine in a process of its own. A call whose process dies is repeated once, alone, so that it cannot be the victim
 * of its neighbour; a second death is blamed on the call.
 */
export class EngineClient implements Remote<EngineApi> {
  private running: Running | undefined;
  private readonly inFlight = new Set<Promise<unknown>>();
  /** Settles when every repeated call so far is over; calls made meanwhile wait for it. */
  private repeats: Promise<unknown> = Promise.resolve();
  /** The ending that was logged last: the calls that met it share its error, and one line tells of them all. */
  private told: EngineCrashError | undefined;
  private failedStart: { readonly error: UserError; readonly until: number } | undefined;
  private disposed = false;

  constructor(private readonly options: EngineClientOptions) {}

  /** Process id of the engine, undefined while none runs. */
  get pid(): number | undefined {
    return this.running?.child.pid;
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
  readonly saveOverlay = (params: Params<EngineApi['saveOverlay']>, options?: CallOptions) =>
    this.call('saveOverlay', params, options);

  /** Lets the process go, kills it if it stays, and resolves when it is gone. Waiting calls reject. */
  async dispose(): Promise<void> {
    this.disposed = true;
    const running = this.running;
    if (!running) return;
    running.peer.close(new Error('the engine was shut down'));
    if (running.child.connected) running.child.disconnect();
    const grace = setTimeout(() => running.child.kill('SIGKILL'), this.options.disposeGraceMs ?? 2000);
    await running.ended;
    clearTimeout(grace);
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
    const { child, peer } = this.running;

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
  private throwUnlessRepeatable(error: unknown): asserts error is EngineCrashError {
    if (!(error instanceof EngineCrashError) || this.disposed) throw error;
    if (error.wasReady) return;
    const failure = new UserError(`The segmentation engine could not start: ${lastWords(error)}.`, { cause: error });
    this.failedStart = { error: failure, until: Date.now() + (this.options.restartDelayMs ?? 5000) };
    throw failure;
  }

  private start(): Running {
    const { entry, config, log } = this.options;
    const env: NodeJS.ProcessEnv = { ...process.env, ELECTRON_RUN_AS_NODE: '1', ORT_DISABLE_TELEMETRY: '1' };
    // A debugger or a preload meant for the editor must not follow into the engine.
    delete env.NODE_OPTIONS;
    const child = fork(entry, [JSON.stringify(config)], {
      serialization: 'advanced',
      execArgv: [],
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });

    const tail: string[] = [];
    createInterface({ input: child.stdout! }).on('line', (line) => log?.(line));
    createInterface({ input: child.stderr! }).on('line', (line) => {
      log?.(line);
      tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
    });

    let ready = false;
    child.once('message', () => {
      ready = true;
      this.failedStart = undefined;
    });
    const peer = connect<EngineApi>(
      {
        // A message that finds the process gone needs no error of its own: the ending below rejects its call.
        post: (message) => void child.send(message as object, () => undefined),
        listen: (receive) => void child.on('message', receive),
      },
      {},
    );

    const ended = new Promise<void>((resolve) => {
      const end = (ending: string) => {
        if (this.running?.child === child) this.running = undefined;
        peer.close(new EngineCrashError(ending, tail.join('\n'), ready));
        resolve();
      };
      child.on('error', (error) => {
        end(`the error "${error.message}"`);
        child.kill('SIGKILL');
      });
      const endAs = (code: number | null, signal: string | null) =>
        end(signal ? `signal ${signal}` : `exit code ${code}`);
      // 'close' comes after the last line of stderr and the last message, but not at all where we closed the channel
      // ourselves (node 20) or something else holds the pipes.
      child.once('close', endAs);
      child.once('exit', (...status) => void setTimeout(endAs, this.disposed ? 0 : LAST_WORDS_MS, ...status));
    });
    return { child, peer, ended };
  }
}

/** The error line of an uncaught exception, else the last line, else how the process ended. */
function lastWords({ stderrTail, ending }: EngineCrashError): string {
  const lines = stderrTail.split('\n').filter((line) => line.trim());
  const line = lines.find((candidate) => /Error\b.*: /.test(candidate)) ?? lines.at(-1) ?? `it ended with ${ending}`;
  return line.trim().replace(/\.$/, '');
}

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
