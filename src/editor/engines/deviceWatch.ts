/**
 * Tries the devices once, in the background, when an engine on `auto` has nothing to go by. A first click does not wait
 * for that: it is answered on the CPU, and the engine starts anew on a better device when there is one.
 */

import { verdictOf, whyNotBetter } from '../../devices/deviceAnswers';
import { type DeviceAnswer, type ProbeTarget, probeDevices, recallAnswer } from '../../devices/deviceProber';
import { deviceTitles } from '../../devices/devices';
import { Owner } from '../../dispose';
import type { DeviceChoice } from '../../protocol/deviceApi';
import type { EngineInfo } from '../../protocol/engineApi';

interface DeviceWatchOptions {
  /** Absolute path of the engine's bundle. */
  readonly entry: string;
  readonly modelsDir: string;
  readonly homeDir: string;
  readonly choice: () => DeviceChoice;
  /** Lets engines start anew on their next call. */
  readonly renew: () => unknown;
  readonly log: (line: string) => void;
  /** Milliseconds after the engine's first answer: by then a person looks at it. */
  readonly quietMs?: number;
  /** How devices are tried; tests have their own. */
  readonly probe?: typeof probeDevices;
}

const QUIET_MS = 10_000;

export class DeviceWatch extends Owner {
  private readonly seen = new Set<string>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly stop = new AbortController();
  /** One probe at a time: two would measure each other. */
  private work: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: DeviceWatchOptions) {
    super();
    this.register({
      dispose: () => {
        for (const timer of this.timers) clearTimeout(timer);
        this.stop.abort(new Error('the extension was shut down'));
        return this.work;
      },
    });
  }

  /** To be told what an engine says of itself. */
  consider({ encoder, segmenter }: Pick<EngineInfo, 'encoder' | 'segmenter'>): void {
    const key = JSON.stringify([encoder.sha256, segmenter.sha256]);
    if (this.options.choice() !== 'auto' || this.seen.has(key)) return;
    this.seen.add(key);
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.work = this.work
        .then(() => this.tryOnce(encoder.id, segmenter.id))
        .catch((error: unknown) => {
          if (!this.stop.signal.aborted)
            this.options.log(`The devices could not be tried: ${(error as Error).message}`);
        });
    }, this.options.quietMs ?? QUIET_MS);
    timer.unref();
    this.timers.add(timer);
  }

  /** Tries the devices now, whatever is remembered, and renews the engines where that changes what they should use. */
  async tryAgain(encoder: string, segmenter: string, signal: AbortSignal): Promise<DeviceAnswer> {
    const before = (await recallAnswer(this.options.entry, this.target(encoder, segmenter)))?.best ?? 'cpu';
    return await this.probe(encoder, segmenter, before, signal, false);
  }

  private async tryOnce(encoder: string, segmenter: string): Promise<void> {
    if (await recallAnswer(this.options.entry, this.target(encoder, segmenter))) return;
    await this.probe(encoder, segmenter, 'cpu', this.stop.signal, true);
  }

  private async probe(encoder: string, segmenter: string, before: string, signal: AbortSignal, background: boolean) {
    const { entry, log, choice, renew, probe = probeDevices } = this.options;
    const answer = await probe({ entry, target: this.target(encoder, segmenter), signal, log, background });
    for (const sentence of whyNotBetter(answer.trials, answer.best)) log(sentence);
    const found = answer.trials.find(({ device }) => device === answer.best);
    if (found) log(`${verdictOf(found).reason}.`);
    if (answer.best !== before && choice() === 'auto') {
      log(`The engine uses ${deviceTitles[answer.best]} from its next start, which is now.`);
      await renew();
    }
    return answer;
  }

  private target(encoder: string, segmenter: string): ProbeTarget {
    const { modelsDir, homeDir } = this.options;
    return { modelsDir, homeDir, encoder, segmenter };
  }
}
