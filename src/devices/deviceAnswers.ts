/** What was found when devices were tried, remembered in the home: `devices.json`. */
import { join } from 'node:path';
import * as z from 'zod';
import { writeAtomic } from '../disk/atomicFile';
import { FILE_KINDS, readNamed, textOf } from '../disk/guardedFile';
import { sha256 } from '../disk/hashing';
import { openHome } from '../disk/home';
import type { DeviceMeasurement, DeviceName } from '../protocol/deviceApi';
import { deviceNames, deviceTitles } from './devices';

/** Largest difference from the CPU, relative to the largest magnitude, at which a device counts as agreeing. */
const TOLERANCE = 1e-2;

/** A device must need at most this share of the CPU's time: less is noise, and not worth another device's risks. */
const WORTH_WHILE = 0.9;

/** A device that was tried, or that there was no use in trying. */
export interface DeviceTrial {
  readonly device: DeviceName;
  /** What came of it, undefined where it did not work. */
  readonly measured?: DeviceMeasurement;
  /** Why it did not work, words to follow "because". */
  readonly failure?: string;
}

/** What an answer depends on: with any change of it the devices are tried anew. */
export interface AnswerKey {
  readonly machine: string;
  readonly runtimeVersion: string;
  /** The package that is loaded: `bundled`, or the SHA-256 of the installed provider libraries. */
  readonly library: string;
  readonly encoder: string;
  readonly segmenter: string;
}

const measured = z.object({
  // JSON has no Infinity.
  difference: z.number().nullable(),
  milliseconds: z.number().nonnegative(),
  cpuMilliseconds: z.number().nonnegative(),
});

const answerSchema = z.object({
  /** ISO 8601. */
  time: z.string(),
  trials: z.array(
    z.object({ device: z.enum(deviceNames), measured: measured.optional(), failure: z.string().optional() }),
  ),
});

const fileSchema = z.object({ version: z.literal(1), answers: z.record(z.string(), answerSchema) });

type Answers = z.infer<typeof fileSchema>['answers'];

/** Answers kept; a home may serve many machines and models. */
const KEPT = 64;

export const answersFile = (home: string): string => join(home, 'devices.json');

const idOf = ({ machine, runtimeVersion, library, encoder, segmenter }: AnswerKey): string =>
  sha256(JSON.stringify([machine, runtimeVersion, library, encoder, segmenter]));

/** The trials that were remembered under exactly this key, undefined where there are none. */
export async function recallTrials(home: string, key: AnswerKey): Promise<readonly DeviceTrial[] | undefined> {
  const answer = (await readAnswers(home))[idOf(key)];
  return answer?.trials.map(({ device, measured: found, failure }) => ({
    device,
    ...(found && { measured: { ...found, difference: found.difference ?? Number.POSITIVE_INFINITY } }),
    ...(failure !== undefined && { failure }),
  }));
}

/** Replaces what was remembered under this key; the oldest answers go where there are too many. */
export async function rememberTrials(
  home: string,
  key: AnswerKey,
  trials: readonly DeviceTrial[],
  now: Date = new Date(),
): Promise<void> {
  const kept = Object.entries(await readAnswers(home))
    .filter(([id]) => id !== idOf(key))
    .sort(([, a], [, b]) => b.time.localeCompare(a.time))
    .slice(0, KEPT - 1);
  const answers = { ...Object.fromEntries(kept), [idOf(key)]: { time: now.toISOString(), trials } };
  await openHome(home);
  await writeAtomic(
    answersFile(home),
    `${JSON.stringify({ version: 1, answers }, (_, value) => (value === Number.POSITIVE_INFINITY ? null : value), 2)}\n`,
    { isPrivate: true },
  );
}

async function readAnswers(home: string): Promise<Answers> {
  try {
    return fileSchema.parse(JSON.parse(textOf((await readNamed(answersFile(home), FILE_KINDS.record))!))).answers;
  } catch {
    // Missing, damaged or of another version: all that is lost is a measurement, which is made anew.
    return {};
  }
}

/** The fastest of the devices that work, agree and are worth while; else the CPU. */
export function bestOf(trials: readonly DeviceTrial[]): DeviceName {
  const good = trials.filter((trial) => verdictOf(trial).isGood);
  good.sort((a, b) => a.measured!.milliseconds - b.measured!.milliseconds);
  return good[0]?.device ?? 'cpu';
}

/** What a trial says of its device, one clause for a person. */
export function verdictOf({ device, measured: found, failure }: DeviceTrial): {
  readonly isGood: boolean;
  readonly reason: string;
} {
  if (!found) return { isGood: false, reason: failure ?? 'it was not tried' };
  const { difference, milliseconds, cpuMilliseconds } = found;
  if (!(difference <= TOLERANCE)) {
    const what = Number.isFinite(difference) ? `by ${difference.toPrecision(2)}` : 'in kind (not a number)';
    return { isGood: false, reason: `its results differ from the CPU's ${what}, at most ${TOLERANCE} is allowed` };
  }
  const times = `${Math.round(milliseconds)} ms, the CPU ${Math.round(cpuMilliseconds)} ms`;
  if (milliseconds > cpuMilliseconds * WORTH_WHILE) {
    return { isGood: false, reason: `it agrees with the CPU but is not faster (${times})` };
  }
  return {
    isGood: true,
    reason: `${deviceTitles[device]} is ${(cpuMilliseconds / milliseconds).toFixed(1)} times as fast (${times})`,
  };
}

/** Sentences that say why no better device than `chosen` is used. */
export function whyNotBetter(trials: readonly DeviceTrial[], chosen: DeviceName): string[] {
  return trials
    .filter(({ device }) => device !== chosen)
    .map((trial) => {
      const { isGood, reason } = verdictOf(trial);
      const why = isGood ? `${deviceTitles[chosen]} is faster still` : reason;
      return `${deviceTitles[trial.device]} is not used: ${why}.`;
    });
}
