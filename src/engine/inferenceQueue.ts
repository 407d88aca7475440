/** One inference at a time, in order of arrival: the next image is decoded meanwhile, not inferred in turns. */
export class InferenceQueue {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}
