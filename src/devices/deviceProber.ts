/**
 * Tries the devices of this machine, each in a throw-away process, and remembers what came of it. A provider that
 * crashes takes its process along, one that hangs is killed; neither ever runs in an engine before it has passed here.
 */
import { availableParallelism, constants, setPriority } from 'node:os';
import { UserError } from '../core/userError';
import { ModelStore } from '../models/modelStore';
import { ChildCrashError, type RunningChild, startChild, withRestarts } from '../processes/child';
import type { DeviceMeasurement, DeviceName, ProbeApi, ProbeConfig } from '../protocol/deviceApi';
import { type AnswerKey, bestOf, type DeviceTrial, recallTrials, rememberTrials } from './deviceAnswers';
import { candidatesOf, deviceTitles, explainFailure } from './devices';
import { lackOf, machineIdentity } from './machine';
import { bundledRuntime, installedRuntime, runtimeEnvironment } from './runtimeFolder';

/** What to try: the models of an engine, and where they are. */
export type ProbeTarget = Pick<ProbeConfig, 'modelsDir' | 'homeDir' | 'encoder' | 'segmenter'>;

export interface ProbeOptions {
  /** Absolute path of the engine's bundle. */
  readonly entry: string;
  readonly target: ProbeTarget;
  /** In which order; all that the platform has, but TensorRT, if left out. */
  readonly devices?: readonly DeviceName[];
  readonly signal?: AbortSignal;
  readonly log?: (line: string) => void;
  /** Called before each device that is tried in a process. */
  readonly onDevice?: (device: DeviceName) => void;
  /** Milliseconds that one device may take; the compilers of some are slow. */
  readonly limitMs?: number;
  /** Gives way to what a person does meanwhile. */
  readonly background?: boolean;
  /** Why there is no use in trying a device; see `lackOf`. */
  readonly lack?: (device: DeviceName) => string | undefined;
}

const LIMIT_MS = 120_000;

/** What was found, and what to use. */
export interface DeviceAnswer {
  readonly best: DeviceName;
  readonly trials: readonly DeviceTrial[];
}

/** What is remembered for these models on this machine; undefined where the devices have to be tried. */
export async function recallAnswer(entry: string, target: ProbeTarget): Promise<DeviceAnswer | undefined> {
  const trials = await recallTrials(target.homeDir, await answerKey(entry, target));
  return trials && { best: bestOf(trials), trials };
}

/**
 * What is remembered, else what trying shows, which is remembered then. Where the machine visibly has no device but its
 * processor, no process is started.
 */
export async function settleDevice(options: ProbeOptions): Promise<DeviceAnswer> {
  return (await recallAnswer(options.entry, options.target)) ?? (await probeDevices(options));
}

/** Tries every device anew and remembers the answer. Throws UserError for models that are not there. */
export async function probeDevices(options: ProbeOptions): Promise<DeviceAnswer> {
  const { entry, target, devices = candidatesOf(), lack = lackOf, onDevice, signal, log } = options;
  const key = await answerKey(entry, target);
  const trials: DeviceTrial[] = [];
  for (const device of devices) {
    signal?.throwIfAborted();
    const missing = lack(device);
    if (missing !== undefined) {
      trials.push({ device, failure: missing });
      continue;
    }
    onDevice?.(device);
    trials.push(await tryDevice(device, options));
  }
  // What needed no process is known again as quickly, and may change with a card that is plugged in.
  if (trials.some(({ device }) => lack(device) === undefined)) {
    await rememberTrials(target.homeDir, key, trials).catch((error: unknown) => {
      // A home that cannot be written costs the next start some seconds, not this one its device.
      log?.(`The answer cannot be remembered: ${(error as Error).message}`);
    });
  }
  return { best: bestOf(trials), trials };
}

async function tryDevice(device: DeviceName, options: ProbeOptions): Promise<DeviceTrial> {
  const said: string[] = [];
  try {
    return { device, measured: await withRestarts(() => measure(device, options, said), options.signal) };
  } catch (error) {
    options.signal?.throwIfAborted();
    return { device, failure: error instanceof Overstayed ? error.message : failureOf(device, error, said) };
  }
}

class Overstayed extends Error {}

/** Measures in a process of its own. @param said what that process has written is added here */
async function measure(device: DeviceName, options: ProbeOptions, said: string[]): Promise<DeviceMeasurement> {
  const { entry, target, signal, log, limitMs = LIMIT_MS, background = false } = options;
  const child: RunningChild<ProbeApi> = startChild<ProbeApi>({
    name: `${deviceTitles[device]} probe`,
    entry,
    config: probeConfig(target, device),
    env: runtimeEnvironment(entry, target.homeDir, device),
    handlers: {},
    log: (line) => {
      said.push(line);
      log?.(`${deviceTitles[device]} probe: ${line}`);
    },
  });
  if (background) giveWay(child.process.pid);
  let overstayed = false;
  // A hanging provider answers no call: only the signal that cannot be caught helps.
  const limit = setTimeout(() => {
    overstayed = true;
    child.process.kill('SIGKILL');
  }, limitMs);
  const leave = () => child.process.kill('SIGKILL');
  signal?.addEventListener('abort', leave, { once: true });
  try {
    return await child.peer.call('measure', undefined);
  } catch (error) {
    signal?.throwIfAborted();
    if (overstayed) throw new Overstayed(`it gave no answer in ${Math.round(limitMs / 1000)} s`);
    throw error;
  } finally {
    clearTimeout(limit);
    signal?.removeEventListener('abort', leave);
    await child.stop(1000);
  }
}

function giveWay(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // Gone already, or not allowed: a courtesy.
  }
}

/**
 * The CPU runs with the threads of the editor's engine. A folder's engines have fewer each, but together they do about
 * as much per second, so that the answer holds for both.
 */
const probeConfig = ({ modelsDir, homeDir, encoder, segmenter }: ProbeTarget, probe: DeviceName): ProbeConfig => ({
  probe,
  modelsDir,
  homeDir,
  encoder,
  segmenter,
  threads: Math.max(1, availableParallelism() - 1),
});

/**
 * A few words: the loader of a provider tells on stderr which library it misses, and in its error only that it failed.
 */
function failureOf(device: DeviceName, error: unknown, said: readonly string[]): string {
  if (error instanceof ChildCrashError) return `its provider crashed (${error.ending})`;
  if (error instanceof UserError) {
    const missing = said.find((line) => /cannot open shared object file/.test(line) && !/providers_shared/.test(line));
    const library = missing && explainFailure(device, `Failed to load library: ${missing}`);
    return library ?? /does not work: (.*)\.$/s.exec(error.message)?.[1] ?? error.message.replace(/\.$/, '');
  }
  return explainFailure(device, error);
}

/** Whatever would change the answer. */
async function answerKey(entry: string, target: ProbeTarget): Promise<AnswerKey> {
  const { modelsDir, homeDir, encoder, segmenter } = target;
  const store = new ModelStore(modelsDir, homeDir);
  const version = bundledRuntime(entry)?.version ?? 'unknown';
  const [encoderModel, segmenterModel] = await Promise.all([
    store.resolve('encoder', encoder),
    store.resolve('segmenter', segmenter),
  ]);
  const libraries = installedRuntime(homeDir, version)?.libraries;
  return {
    machine: machineIdentity(),
    runtimeVersion: version,
    library: libraries ? JSON.stringify(libraries) : 'bundled',
    encoder: encoderModel.sha256,
    segmenter: segmenterModel.sha256,
  };
}
