/** ONNX Runtime sessions: opened on a device, checked against a contract, run. */
import { readFile } from 'node:fs/promises';
import { UserError } from '../../core/userError';
import { deviceTitles, explainFailure, isOutOfMemory, providerNames } from '../../devices/devices';
import type { DeviceName } from '../../protocol/deviceApi';
import { padChannels } from './channelPadding';
import { type Contract, type Fit, fitOf, problemsOf } from './contract';
import {
  type NativeSession,
  nativeOptions,
  onnxRuntime,
  type RunOptions,
  runtimeVersion,
  type Tensor,
} from './onnxRuntime';
import { Placement, type PlacementOptions, type SessionPlace } from './placement';
import { halved, widened } from './tensors';

export interface SessionOptions extends Omit<RunOptions, 'device'> {
  /** Weights stand in files beside the model, which the runtime finds only if it reads the model itself. */
  readonly externalData?: boolean;
  /** The device of the placement under way if left out, else the CPU. */
  readonly device?: DeviceName;
}

/** A model that the runtime has opened. */
interface Opened extends Fit {
  readonly native: NativeSession;
  readonly device: DeviceName;
}

export class Session {
  private note: string | undefined;

  private constructor(
    readonly title: string,
    private readonly file: string | undefined,
    private opened: Opened,
    private readonly placement: Placement | undefined,
    private readonly openOn: (device: DeviceName) => Promise<Opened>,
  ) {}

  /**
   * Opens a model file, or a model in memory, and checks it. Where the device's memory is too small for it, it is
   * opened on the CPU, which is logged and told by `place`.
   *
   * @param title how messages name the model.
   * @param contracts what the adapter can work with: the first that fits is used.
   * @throws UserError when the file is no model, its inputs and outputs are not the contract's, or the device does not
   *   work.
   */
  static async open(
    title: string,
    model: string | Uint8Array,
    contracts: Contract | readonly Contract[],
    options: SessionOptions,
  ): Promise<Session> {
    const placement = Placement.active;
    const wanted = options.device ?? placement?.device ?? 'cpu';
    const openOn = async (device: DeviceName) => {
      // Read again for a second device rather than kept: a model may have a gigabyte.
      const source = typeof model === 'string' && !options.externalData ? await readFile(model) : model;
      const alternatives = 'inputs' in contracts ? [contracts] : contracts;
      const fitting = device === 'webgpu' ? await fitForWebGpu(title, source) : source;
      return await openNative(title, fitting, alternatives, { ...options, device }, placement?.options);
    };
    let note: string | undefined;
    const opened = await openOn(wanted).catch((error: unknown) => {
      if (!(error instanceof OutOfMemoryError)) throw error;
      if (placement?.options.mayMove === false) throw new UserError(error.message, { cause: error });
      note = memoryNote(title, wanted);
      placement?.options.warn?.(note);
      return openOn('cpu');
    });
    const session = new Session(title, typeof model === 'string' ? model : undefined, opened, placement, openOn);
    session.note = note;
    placement?.add(session);
    return session;
  }

  get place(): SessionPlace {
    const { title, note } = this;
    return { title, device: this.opened.device, ...(note !== undefined && { note }) };
  }

  /** Sides of an input, numbers where they are fixed and names where they are not; undefined where there is none. */
  inputDims(name: string): readonly (number | string)[] | undefined {
    const found = this.opened.native.inputMetadata.find((value) => value.name === name);
    if (found === undefined) return undefined;
    return found.isTensor ? found.shape : [];
  }

  gives(output: string): boolean {
    return this.opened.outputs.includes(output);
  }

  /**
   * Runs the model; blocks this process's event loop until it is done. Returns the contract's outputs, halves as
   * floats. Where the device's memory runs out, the model moves to the CPU for good and the run is repeated there.
   * Throws UserError naming the model where it cannot be run.
   */
  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    try {
      return await this.runOnce(feeds);
    } catch (error) {
      const { device, native } = this.opened;
      if (device === 'cpu' || !isOutOfMemory(error)) throw this.cannotRun(error);
      if (this.placement?.options.mayMove === false)
        throw new UserError(doesNotWork(this.title, device, error), { cause: error });
      this.note = memoryNote(this.title, device);
      this.placement?.options.warn?.(this.note);
      // Released first: what the device still holds would be missed by the other model.
      await native.release();
      this.opened = await this.openOn('cpu');
      return await this.runOnce(feeds).catch((again: unknown) => {
        throw this.cannotRun(again);
      });
    }
  }

  private cannotRun(error: unknown): UserError {
    const { device } = this.opened;
    const where = device === 'cpu' ? '' : ` on the device ${deviceTitles[device]}`;
    const file = this.file === undefined ? '' : ` (${this.file})`;
    return new UserError(`${this.title}${file} cannot be run${where}: ${explainFailure(device, error)}.`, {
      cause: error,
    });
  }

  async dispose(): Promise<void> {
    this.placement?.remove(this);
    await this.opened.native.release();
  }

  private async runOnce(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    const { native, outputs: wanted, halfInputs, halfOutputs } = this.opened;
    const given =
      halfInputs.size === 0
        ? feeds
        : Object.fromEntries(
            Object.entries(feeds).map(([name, tensor]) => [name, halfInputs.has(name) ? halved(tensor) : tensor]),
          );
    const outputs = await native.run(given, wanted);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [
        name,
        halfOutputs.has(name) ? widened(tensor as Tensor) : (tensor as Tensor),
      ]),
    );
  }
}

/** The device is full; the CPU may have room. */
class OutOfMemoryError extends Error {}

const memoryNote = (title: string, device: DeviceName): string =>
  `${title} does not fit into the memory of the device ${deviceTitles[device]} and runs on the CPU, more slowly.`;

const doesNotWork = (title: string, device: DeviceName, error: unknown): string =>
  `${title}: the device ${deviceTitles[device]} does not work: ${explainFailure(device, error)}.`;

async function openNative(
  title: string,
  source: string | Uint8Array,
  contracts: readonly Contract[],
  options: SessionOptions & { readonly device: DeviceName },
  { log, deviceMemory, factory = onnxRuntime }: PlacementOptions = {},
): Promise<Opened> {
  const { device } = options;
  const noModel = (cause: unknown) =>
    new UserError(`${title}: not a model that ONNX Runtime ${runtimeVersion()} can load.`, { cause });
  const started = performance.now();
  const rssBefore = process.memoryUsage.rss();
  const usedBefore = device === 'cpu' ? undefined : await deviceMemory?.(device);
  let native: NativeSession;
  try {
    native = await factory.create(source, nativeOptions(options));
  } catch (error) {
    if (device === 'cpu') throw noModel(error);
    if (isOutOfMemory(error)) throw new OutOfMemoryError(doesNotWork(title, device, error), { cause: error });
    // Whose fault it is: a model that the CPU cannot load either is none.
    const onCpu = await factory
      .create(source, nativeOptions({ ...options, device: 'cpu' }))
      .catch((second: unknown) => {
        throw noModel(second);
      });
    await onCpu.release();
    throw new UserError(doesNotWork(title, device, error), { cause: error });
  }
  const problems = contracts.map((contract) => problemsOf(contract, native));
  const fitting = contracts[problems.findIndex((found) => found.length === 0)];
  if (fitting === undefined) {
    await native.release();
    const nearest = problems.reduce((best, found) => (found.length < best.length ? found : best));
    throw new UserError(
      `${title}: its inputs and outputs are not what this model family needs: ${nearest.join('; ')}.`,
    );
  }
  if (log) {
    const usedAfter = usedBefore === undefined ? undefined : await deviceMemory?.(device);
    log(
      `${title}: on ${deviceTitles[device]} (provider ${providerNames[device]}), opened in ${Math.round(performance.now() - started)} ms, ${describeMemory(process.memoryUsage.rss() - rssBefore, device, usedBefore, usedAfter)}`,
    );
  }
  return { native, device, ...fitOf(fitting, native) };
}

/**
 * The model with as many channels as WebGPU computes right (see channelPadding.ts). One whose weights stand in other
 * files can only be opened as it is: throws UserError where that would give wrong masks.
 */
async function fitForWebGpu(title: string, source: string | Uint8Array): Promise<string | Uint8Array> {
  const model = typeof source === 'string' ? await readFile(source) : source;
  let padded: Uint8Array;
  try {
    padded = padChannels(model);
  } catch (error) {
    // No model at all, which the runtime will say.
    if (error instanceof RangeError) return source;
    throw error;
  }
  if (padded === model) return source;
  if (typeof source !== 'string') return padded;
  throw new UserError(
    `${title}: WebGPU computes some of its convolutions wrongly, which can only be mended in a model of one file; choose another device.`,
  );
}

function describeMemory(rss: number, device: DeviceName, before: number | undefined, after: number | undefined) {
  const process = `${megabytes(rss)} more in this process`;
  if (device === 'cpu') return process;
  if (before === undefined || after === undefined) return `${process}; this device does not tell its own memory`;
  return `${process}, ${megabytes(after - before)} more on the device (${megabytes(after)} in use there)`;
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
