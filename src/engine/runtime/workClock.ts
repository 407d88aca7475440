/**
 * How long an engine has worked on each of its calls, so that one image that takes for ever is found out and no other
 * one is blamed for it.
 *
 * The clock of a call runs while something is done for its image: it is read, decoded, encoded, segmented, drawn. It
 * stands still while the call waits for the inference of others, for models that are being opened or for references
 * that are being prepared. Where a call is about several images (samples for a window, references) or about many tiles,
 * it starts anew with each.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Busy, EngineEvents } from '../../protocol/engineApi';
import type { Handlers } from '../../rpc';

/** What a call can be at, the first that applies: at an image after all, preparing, inferring, waiting for its turn. */
const PHASES = ['reads', 'prepares', 'infers', 'waits'] as const;

type Phase = (typeof PHASES)[number];

interface Work {
  readonly call: number;
  /** Of each phase how many are entered and not left: parts of a call may run beside each other. */
  readonly entered: Record<Phase, number>;
  readonly clock: WorkClock;
  image: string | undefined;
  spentMs: number;
  isTold: boolean;
}

interface WorkClockOptions {
  /** Milliseconds that the work on one image may take. */
  readonly limitMs: number;
  readonly events: Pick<EngineEvents, 'busy' | 'overdue'>;
}

/** How often time is taken. */
const TICK_MS = 500;

/**
 * Most that one look at the clock adds where nobody can say what the time went into: a stopped process has not worked.
 */
const MOST_PER_TICK_MS = 1000;

const current = new AsyncLocalStorage<Work>();

export class WorkClock {
  private readonly works = new Set<Work>();
  private ticker: NodeJS.Timeout | undefined;
  private last = { now: 0, cpuMs: 0 };

  constructor(private readonly options: WorkClockOptions) {}

  /** Does the work of a call on the clock. */
  async run<T>(call: number, params: unknown, work: () => T | Promise<T>): Promise<T> {
    const entered = { reads: 0, prepares: 0, infers: 0, waits: 0 };
    const { image } = (params ?? {}) as { readonly image?: string };
    const one: Work = { call, entered, clock: this, image, spentMs: 0, isTold: false };
    if (this.works.size === 0) this.start();
    this.works.add(one);
    try {
      return await current.run(one, work);
    } finally {
      this.works.delete(one);
      if (this.works.size === 0) clearInterval(this.ticker);
    }
  }

  /** Tells what has the message loop. */
  tell(): void {
    const works = [...this.works];
    const inferring = works.find((one) => phaseOf(one) === 'infers');
    const busy: Busy = {
      call: inferring?.call ?? null,
      preparing: works.some((one) => phaseOf(one) === 'prepares'),
    };
    this.options.events.busy(busy);
  }

  private start(): void {
    this.last = { now: performance.now(), cpuMs: cpuMs() };
    this.ticker = setInterval(() => this.tick(), Math.min(TICK_MS, this.options.limitMs / 4)).unref();
  }

  private tick(): void {
    const before = this.last;
    this.last = { now: performance.now(), cpuMs: cpuMs() };
    const passed = this.last.now - before.now;
    const unknown = Math.min(passed, MOST_PER_TICK_MS);
    // Inference keeps the clock from ticking: all of that time is its own, but for what a stopped process did not work.
    const inferred = Math.min(passed, MOST_PER_TICK_MS + this.last.cpuMs - before.cpuMs);
    for (const one of this.works) {
      const phase = phaseOf(one);
      if (phase === 'waits' || phase === 'prepares') continue;
      one.spentMs += phase === 'infers' ? inferred : unknown;
      if (one.spentMs <= this.options.limitMs || one.isTold) continue;
      one.isTold = true;
      const { call, image } = one;
      this.options.events.overdue({ call, ...(image !== undefined && { image }) });
    }
    this.tell();
  }
}

/** Handlers whose calls are all on the clock. */
export function onTheClock<Api>(handlers: Handlers<Api>, clock: WorkClock): Handlers<Api> {
  return new Proxy(handlers, {
    get(target, name) {
      const handler: unknown = Reflect.get(target, name);
      if (typeof handler !== 'function') return handler;
      return (params: unknown, signal: AbortSignal, call: number) =>
        clock.run(call, params, () => handler.call(target, params, signal));
    },
  });
}

/** Does a part of the work of the call under way, if there is one, in a phase. */
export async function inPhase<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
  const one = current.getStore();
  if (one === undefined) return await work();
  const change = (by: number) => {
    const before = phaseOf(one);
    one.entered[phase] += by;
    // What only waits is of no interest to the parent.
    if ([before, phaseOf(one)].some((now) => now === 'infers' || now === 'prepares')) one.clock.tell();
  };
  change(1);
  try {
    return await work();
  } finally {
    change(-1);
  }
}

/** Starts the clock of the call under way anew: for the next one of its images, or since something has come of it. */
export function restartClock(image?: string): void {
  const one = current.getStore();
  if (one === undefined) return;
  one.spentMs = 0;
  if (image !== undefined) one.image = image;
}

/** Undefined: at its image. */
const phaseOf = ({ entered }: Work): Phase | undefined => PHASES.find((phase) => entered[phase] > 0);

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
