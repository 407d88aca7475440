/**
 * The parent's half of the time limit: an engine that tells nothing any more, since one inference never ends or the
 * process was stopped, cannot say so itself. See `WorkClock` for the other half.
 */
import type { Busy } from '../protocol/engineApi';

/**
 * Opening models and preparing references may keep a process from telling anything: TensorRT builds engines for
 * minutes.
 */
const PREPARATION_MS = 30 * 60_000;

/** Between two looks at the clock. */
const TICK_MS = 1000;

export class CallWatch {
  private silentMs = 0;
  private last = 0;
  private calls = 0;
  private ticker: NodeJS.Timeout | undefined;
  /** A process that has not told anything yet is starting. */
  private busy: Busy = { call: null, preparing: true };

  /**
   * @param limitMs for the work on one image
   * @param onStuck called with the number of the call that keeps the process, where it is known
   */
  constructor(
    private readonly limitMs: number,
    private readonly onStuck: (call: number | null) => void,
  ) {}

  /** Whether the process was still opening its models or preparing references when it was last heard of. */
  get preparing(): boolean {
    return this.busy.preparing;
  }

  begin(): void {
    this.calls++;
    if (this.ticker !== undefined || !Number.isFinite(this.limitMs)) return;
    this.silentMs = 0;
    this.last = performance.now();
    this.ticker = setInterval(() => this.tick(), Math.min(TICK_MS, this.limitMs / 4)).unref();
  }

  end(): void {
    if (--this.calls === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.ticker);
    this.ticker = undefined;
  }

  /** The process has said something. */
  heard(busy = this.busy): void {
    this.silentMs = 0;
    this.busy = busy;
  }

  private tick(): void {
    const now = performance.now();
    // Where this process was stopped itself, or the machine slept, nobody has been silent.
    this.silentMs += Math.min(now - this.last, 2 * TICK_MS);
    this.last = now;
    const { call, preparing } = this.busy;
    if (this.silentMs <= (preparing ? Math.max(PREPARATION_MS, this.limitMs) : this.limitMs)) return;
    this.stop();
    this.onStuck(preparing ? null : call);
  }
}
