/** One at a time, for each thing that is worked on. */

export class Turns {
  /** The last work on each thing that is not over; none of them rejects. */
  private readonly last = new Map<string, Promise<unknown>>();

  /** Does `work` when all work that was asked for before on the same thing is over, however it ended. */
  take<T>(thing: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.last.get(thing) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.last.set(thing, settled);
    void settled.then(() => {
      if (this.last.get(thing) === settled) this.last.delete(thing);
    });
    return turn;
  }

  /** Resolves when all work that has been asked for is over. */
  async over(): Promise<void> {
    await Promise.all(this.last.values());
  }
}
