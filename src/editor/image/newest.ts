/** One job at a time, and of those that wait only the newest: what a person has meanwhile replaced need not be done. */
export class NewestWins {
  private running: Promise<unknown> = Promise.resolve();
  private turn = 0;

  /**
   * Runs `work` when the job before is over; undefined where a newer job, or `cancel`, has replaced this one by then.
   */
  run<T>(work: () => Promise<T>): Promise<T | undefined> {
    const turn = ++this.turn;
    const result = this.running.then(() => (turn === this.turn ? work() : undefined));
    this.running = result.catch(() => undefined);
    return result;
  }

  /** Drops the job that waits; one that runs goes on. */
  cancel(): void {
    this.turn++;
  }
}
