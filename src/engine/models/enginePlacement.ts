/**
 * On which device an engine's models are: the one asked for by name or none, or the one that was found to be the best.
 */
import { UserError } from '../../core/userError';
import { whyNotBetter } from '../../devices/deviceAnswers';
import { recallAnswer } from '../../devices/deviceProber';
import { candidatesOf, deviceTitles } from '../../devices/devices';
import { deviceMemoryInUse, lackOf } from '../../devices/machine';
import type { DeviceName } from '../../protocol/deviceApi';
import type { EngineConfig, EngineInfo } from '../../protocol/engineApi';
import { Placement } from '../runtime/placement';

/** Opened models and where they are. */
export interface Placed<T> {
  readonly models: T;
  /** Devices in use and what a person should know of them, as it is now. */
  inUse(): Pick<EngineInfo, 'device' | 'deviceNotes'>;
}

/**
 * Opens models on the device of the configuration. A device asked for by name works or is an error; `auto` asks what is
 * remembered and never waits for a probe, since a person's first click does not: until the devices were tried it is the
 * CPU.
 *
 * @param warn told what a person should know, a sentence: the memory of a device is too small for a model, or it does
 *   not work any more
 */
export async function openPlaced<T>(
  config: EngineConfig,
  open: () => Promise<T>,
  warn: (note: string) => void,
): Promise<Placed<T>> {
  const { device: choice = 'cpu', verbose } = config;
  const log = verbose ? (line: string) => console.error(line) : undefined;
  const openOn = async (device: DeviceName, notes: readonly string[]): Promise<Placed<T>> => {
    const placement = new Placement(device, { log, warn, deviceMemory: deviceMemoryInUse });
    const models = await placement.run(open);
    return { models, inUse: () => placesInUse(placement, notes) };
  };
  if (choice !== 'auto') return await openOn(choice, []);

  const answer = await recallAnswer(process.argv[1]!, config);
  const worth = candidatesOf().some((device) => lackOf(device) === undefined);
  const notes = answer ? whyNotBetter(answer.trials, answer.best) : worth ? [UNTRIED] : candidatesOf().map(notHere);
  for (const note of notes) log?.(note);
  if (!answer) return await openOn('cpu', notes);
  try {
    return await openOn(answer.best, notes);
  } catch (error) {
    if (answer.best === 'cpu' || !(error instanceof UserError)) throw error;
    const note = `${deviceTitles[answer.best]} worked when it was tried, and not now; the CPU is used. ${error.message}`;
    warn(note);
    return await openOn('cpu', [note, ...notes]);
  }
}

/** Told by engines on `auto` before there is an answer. */
const UNTRIED = 'The devices of this machine were not tried yet with these models.';

const notHere = (device: DeviceName): string => `${deviceTitles[device]} is not used: ${lackOf(device)}.`;

function placesInUse(
  { device, places }: Placement,
  notes: readonly string[],
): Pick<EngineInfo, 'device' | 'deviceNotes'> {
  const devices = [...new Set(places.map((place) => place.device))];
  const moved = places.flatMap(({ note }) => (note === undefined ? [] : [note]));
  return { device: devices.join(' + ') || device, deviceNotes: [...moved, ...notes] };
}
