/** How fast bytes come, over the last seconds: what a person takes for "now". */

const WINDOW_MS = 5_000;
/** A rate over less is noise. */
const LEAST_MS = 500;

export class TransferRate {
  private samples: { readonly at: number; readonly bytes: number }[] = [];

  /**
   * @param at milliseconds of a clock that only goes forwards
   * @param bytes received in all so far
   * @returns bytes per second, null before there is anything to measure
   */
  add(at: number, bytes: number): number | null {
    const last = this.samples.at(-1);
    // A transfer that began anew has no rate across the seam.
    if (last !== undefined && bytes < last.bytes) this.samples = [];
    this.samples.push({ at, bytes });
    const recent = this.samples.findIndex((sample) => at - sample.at <= WINDOW_MS);
    this.samples = this.samples.slice(recent);
    const first = this.samples[0]!;
    const elapsed = at - first.at;
    return elapsed < LEAST_MS ? null : ((bytes - first.bytes) / elapsed) * 1000;
  }

  /** What was received before does not count any more. */
  pause(): void {
    this.samples = [];
  }
}
