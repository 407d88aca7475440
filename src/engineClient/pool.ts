/** Several engine processes behind the interface of one, for a batch. */
import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { NoEngineError } from '../core/userError';
import type { DeviceName } from '../protocol/deviceApi';
import type { BatchApi } from '../protocol/engineApi';
import { type CallOptions, type Params, type Remote, type Result, remoteBase } from '../rpc';
import { BATCH_ROUTES, type Route } from './calls';
import { EngineClient, type EngineClientOptions } from './client';

/** An engine that can be shut down. */
export type DisposableEngine = Remote<BatchApi> & { dispose(): Promise<void> };

/** Calls per engine that pay off: while one is inferred, the next image is read and decoded on a libuv thread. */
const LANES_PER_ENGINE = 2;

/**
 * The same for the one engine of a GPU, whose inference is over sooner than an image is read: libuv has four threads.
 */
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
 * Engines and threads for a batch on a device, as far as nobody asks for others. On a GPU one process: several would
 * each hold the models there and wait for each other. Its threads are for what stays on the CPU, the matching above
 * all.
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
  // How long a failed start counts is the pool's to say, which knows about the others.
  const engines = Array.from({ length: count }, () => new EngineClient({ restartDelayMs: 100, ...options }));
  return new EnginePool(engines, device === 'cpu' ? LANES_PER_ENGINE : LANES_ON_GPU);
}

/** How long the pool goes on without an engine, and how it asks one again that could not start, in milliseconds. */
interface PoolPatience {
  /** From the time on at which none would start. */
  readonly giveUpMs: number;
  /** After its first failed start; twice as long after each further one. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

const PATIENCE: PoolPatience = { giveUpMs: 30_000, firstPauseMs: 500, longestPauseMs: 15_000 };

/** An engine as the pool sees it. */
interface Member {
  readonly engine: DisposableEngine;
  inFlight: number;
  /** Failed starts since its last answer, and when it is asked again. */
  failures: number;
  askAgain: number;
}

/**
 * A call whose engine cannot be started goes to another one, and the engine gets no more for a while; where none can be
 * started, the calls wait. A NoEngineError comes only where no engine has ever answered, or none could be started for
 * as long as `PoolPatience` says.
 */
export class EnginePool extends remoteBase<BatchApi>(BATCH_ROUTES) implements DisposableEngine {
  get size(): number {
    return this.members.length;
  }

  /** Calls that are worth having under way at the same time. */
  readonly lanes: number;
  private readonly members: readonly Member[];
  private hasAnswered = false;
  /** Since when none of the engines could be started. */
  private noneSince: number | undefined;
  private readonly ended = new AbortController();

  /** Throws RangeError without engines. */
  constructor(
    engines: readonly DisposableEngine[],
    lanesPerEngine: number = LANES_PER_ENGINE,
    private readonly patience = PATIENCE,
  ) {
    super();
    if (engines.length === 0) throw new RangeError('a pool needs at least one engine, got none');
    this.lanes = engines.length * lanesPerEngine;
    this.members = engines.map((engine) => ({ engine, inFlight: 0, failures: 0, askAgain: 0 }));
    // Every waiting call listens; Node would take that many for a leak.
    setMaxListeners(0, this.ended.signal);
  }

  async dispose(): Promise<void> {
    this.ended.abort(new Error('the engines were shut down'));
    await Promise.all(this.members.map(({ engine }) => engine.dispose()));
  }

  protected async call<M extends keyof BatchApi>(
    method: M,
    params: Params<BatchApi[M]>,
    options: CallOptions = {},
  ): Promise<Result<BatchApi[M]>> {
    for (;;) {
      const usable = this.members.filter(({ askAgain }) => askAgain <= performance.now());
      if (usable.length === 0) {
        await this.untilAskedAgain(options.signal);
        continue;
      }
      const member = routeTo(BATCH_ROUTES[method], usable);
      const engine: Remote<BatchApi> = member.engine;
      member.inFlight++;
      try {
        const result = await engine[method](params, options);
        this.answered(member);
        return result;
      } catch (error) {
        if (!(error instanceof NoEngineError)) this.answered(member);
        if (!(error instanceof NoEngineError) || !this.mayGoOnWithout(member)) throw error;
      } finally {
        member.inFlight--;
      }
    }
  }

  private answered(member: Member): void {
    member.failures = 0;
    this.hasAnswered = true;
    this.noneSince = undefined;
  }

  /** Notes a failed start; whether the call may go to another engine, or to this one later. */
  private mayGoOnWithout(member: Member): boolean {
    const { firstPauseMs, longestPauseMs, giveUpMs } = this.patience;
    const now = performance.now();
    // Calls that have failed together have met one start.
    if (member.askAgain <= now) {
      member.askAgain = now + Math.min(longestPauseMs, firstPauseMs * 2 ** member.failures++);
    }
    if (this.members.every(({ failures }) => failures > 0)) this.noneSince ??= now;
    return this.hasAnswered && now - (this.noneSince ?? now) < giveUpMs;
  }

  /** Rejects with the signal's reason, or when the pool is shut down. */
  private async untilAskedAgain(signal?: AbortSignal): Promise<void> {
    const first = Math.min(...this.members.map(({ askAgain }) => askAgain));
    const ended = signal ? AbortSignal.any([this.ended.signal, signal]) : this.ended.signal;
    await pause(Math.max(0, Math.ceil(first - performance.now())), undefined, { signal: ended }).catch(() => undefined);
    ended.throwIfAborted();
  }
}

function routeTo(route: Route, usable: readonly Member[]): Member {
  if (route === 'first') return usable[0]!;
  return usable.reduce((best, one) => (one.inFlight < best.inFlight ? one : best));
}
