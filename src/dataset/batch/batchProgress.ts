/** Counts, rate and remaining time of a batch. */
import type { BatchCounts } from '../../protocol/runnerApi';

/** Images that have an outcome. */
export const finished = ({ done, skipped, kept, absent, failed }: BatchCounts): number =>
  done + skipped + kept + absent + failed;

/** "120 labelled, 3 without the object, 2 failed of 125 images": what a run comes to, for a person. */
export function countsText({ done, absent, skipped, kept, failed, total }: BatchCounts): string {
  const parts = [
    `${done} labelled`,
    ...(absent > 0 ? [`${absent} without the object`] : []),
    ...(skipped > 0 ? [`${skipped} done before`] : []),
    ...(kept > 0 ? [`${kept} kept as a person left them`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ];
  return `${parts.join(', ')} of ${total} images`;
}

export type BatchOutcome = Exclude<keyof BatchCounts, 'total'>;

/** In this order the outcome of a class becomes that of its image: one mask that was written makes it done. */
const PRECEDENCE: readonly BatchOutcome[] = ['failed', 'done', 'absent', 'skipped', 'kept'];

/** The outcome of an image from those of its classes, of which there is at least one. */
export function imageOutcome(outcomes: readonly BatchOutcome[]): BatchOutcome {
  return PRECEDENCE.find((one) => outcomes.includes(one))!;
}

export interface BatchProgress extends BatchCounts {
  /** Images that went through the engine per second, recently; null until two have. */
  readonly imagesPerSecond: number | null;
  /** Seconds until the end if all remaining images need the engine; null while the rate is unknown. */
  readonly etaSeconds: number | null;
  /** Image that was last finished, as a posix path relative to the root. */
  readonly image: string;
}

/** Completions that the rate is taken over: enough to be steady, few enough to follow a change of speed. */
const RATE_WINDOW = 50;

export class ProgressMeter {
  private readonly outcomes: Record<BatchOutcome, number> = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0 };
  /** Times of the last completions that took the engine, in milliseconds, oldest first. */
  private readonly completions: number[];

  /** @param now milliseconds on a clock that never goes back */
  constructor(
    private readonly total: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.completions = [this.now()];
  }

  /** Counts an image; `segmented`: it took the engine. */
  add(image: string, outcome: BatchOutcome, segmented: boolean): BatchProgress {
    this.outcomes[outcome]++;
    if (segmented) this.completions.push(this.now());
    if (this.completions.length > RATE_WINDOW) this.completions.shift();
    const first = this.completions[0];
    const span = this.completions[this.completions.length - 1] - first;
    const imagesPerSecond = span > 0 ? ((this.completions.length - 1) * 1000) / span : null;
    const etaSeconds = imagesPerSecond === null ? null : this.remaining() / imagesPerSecond;
    return { ...this.counts(), imagesPerSecond, etaSeconds, image };
  }

  counts(): BatchCounts {
    return { ...this.outcomes, total: this.total };
  }

  /** Images that have no outcome yet. */
  remaining(): number {
    return this.total - finished(this.counts());
  }
}
