/** The stages of one request: timed, and where a cancellation comes through. */
import { setImmediate } from 'node:timers/promises';
import type { StageRunner } from '../../core/strategies/strategy';

/** @param times milliseconds of each stage, added to. */
export function stageRunner(signal: AbortSignal, times: Record<string, number>): StageRunner {
  return {
    stage: async (name, work) => {
      // Inference blocks the message loop; only here can a cancellation come through.
      await setImmediate();
      signal.throwIfAborted();
      const started = performance.now();
      const result = await work();
      times[name] = (times[name] ?? 0) + performance.now() - started;
      return result;
    },
  };
}
