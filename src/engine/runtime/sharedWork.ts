/** Work that several callers may ask for at the same time. */

interface UnderWay<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiting: number;
}

/** Does each piece of work once for all who ask for it meanwhile, and aborts it when all of them have gone. */
export class SharedWork<T> {
  private readonly underWay = new Map<string, UnderWay<T>>();

  /**
   * The result of the work that is under way for `key`; `start` begins it where there is none. Rejects as soon as
   * `signal` is aborted, with its reason, whether or not the work goes on for others.
   */
  async join(key: string, signal: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const work = this.underWay.get(key) ?? this.begin(key, start);
    work.waiting++;
    return await new Promise<T>((resolve, reject) => {
      const leave = () => {
        reject(signal.reason);
        if (--work.waiting > 0) return;
        this.forget(key, work);
        work.controller.abort(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      work.result.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
    });
  }

  private begin(key: string, start: (signal: AbortSignal) => Promise<T>): UnderWay<T> {
    const controller = new AbortController();
    const work: UnderWay<T> = { controller, waiting: 0, result: start(controller.signal) };
    this.underWay.set(key, work);
    const forget = () => this.forget(key, work);
    work.result.then(forget, forget);
    return work;
  }

  /** An aborted piece of work may end long after another has begun under its key. */
  private forget(key: string, work: UnderWay<T>): void {
    if (this.underWay.get(key) === work) this.underWay.delete(key);
  }
}
