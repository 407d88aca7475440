/** One inference at a time, in order of arrival: the next image is decoded meanwhile, not inferred in turns. */
import { inPhase } from './workClock';

export class InferenceQueue {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const before = this.last;
    const result = inPhase('waits', () => before).then(() => inPhase('infers', work));
    this.last = result.catch(() => undefined);
    return result;
  }
}
