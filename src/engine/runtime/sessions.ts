/**
 * ONNX Runtime sessions: opened on a device, checked against a contract, run. The only importer of onnxruntime-node.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type * as OnnxRuntime from 'onnxruntime-node';
import { UserError } from '../../core/userError';
import { deviceTitles, explainFailure, isOutOfMemory, providerNames } from '../../devices/devices';
import { runtimePackage } from '../../devices/runtimeFolder';
import type { DeviceName } from '../../protocol/deviceApi';
import { padChannels } from './channelPadding';
import { fromFloat16, toFloat16 } from './float16';
import type { ElementType } from './onnxGraph';

// Not a static import: with CUDA support installed the package comes from our private copy of it. Bundles are CommonJS
// and know their file; tests run this file as a module and find the package from the repository's root.
const here = typeof __filename === 'string' ? __filename : join(process.cwd(), 'package.json');
const runtime = createRequire(here)(runtimePackage()) as typeof OnnxRuntime;

export type Tensor = OnnxRuntime.Tensor;
export const Tensor: typeof OnnxRuntime.Tensor = runtime.Tensor;

/** A float32 tensor, row-major. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type NamedTensors = Readonly<Record<string, FloatTensor>>;

/** What an adapter needs of one input or output. A model that has float16 where float32 is needed will do. */
export interface TensorSpec {
  readonly type: ElementType;
  readonly rank: number;
}

export const float32 = (rank: number): TensorSpec => ({ type: 'float32', rank });

/** The names, element types and ranks that an adapter relies on; a model may have more outputs, not more inputs. */
export interface Contract {
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly outputs: Readonly<Record<string, TensorSpec>>;
  /** Inputs and outputs that a model may lack, used where it has them. */
  readonly optionalInputs?: Readonly<Record<string, TensorSpec>>;
  readonly optionalOutputs?: Readonly<Record<string, TensorSpec>>;
}

export interface SessionOptions {
  readonly threads: number;
  /**
   * Runs int8 weights as they are instead of inserting quantise/dequantise kernels: 1.8 times faster on such models.
   */
  readonly int8Weights?: boolean;
  /** Weights stand in files beside the model, which the runtime finds only if it reads the model itself. */
  readonly externalData?: boolean;
  /** The device of the placement under way if left out, else the CPU. */
  readonly device?: DeviceName;
}

export const runtimeVersion = (): string => runtime.env.versions.node ?? runtime.env.versions.common;

/** What makes sessions; a test puts its own in place to play a device's failures. */
export interface SessionFactory {
  create(model: Uint8Array | string, options: OnnxRuntime.InferenceSession.SessionOptions): Promise<NativeSession>;
}

/** The library takes both kinds of source, which its types keep apart. */
const realFactory: SessionFactory = {
  create: (model, options) => runtime.InferenceSession.create(model as Uint8Array, options),
};

export type NativeSession = Pick<OnnxRuntime.InferenceSession, 'run' | 'release' | 'inputMetadata' | 'outputMetadata'>;

/** How messages name a model, and where it runs. */
export interface SessionPlace {
  readonly title: string;
  readonly device: DeviceName;
  /** Why it is not on the device that was meant, a sentence. */
  readonly note?: string;
}

export interface PlacementOptions {
  /** Receives a line for each session that is opened. */
  readonly log?: ((line: string) => void) | undefined;
  /** Receives a sentence for each session that had to move. */
  readonly warn?: ((note: string) => void) | undefined;
  /** Memory that the device says is in use, in bytes; undefined where it does not say. */
  readonly deviceMemory?: (device: DeviceName) => Promise<number | undefined>;
  /** False where a model that the device's memory is too small for is an error instead of a case for the CPU. */
  readonly mayMove?: boolean;
  readonly factory?: SessionFactory;
}

/**
 * Sends the sessions that are opened inside `run` to one device, however deep, so that adapters need not hand it on.
 * Graphs of our own (matching) are opened outside and stay on the CPU, where their indices are read at once.
 */
export class Placement {
  private static readonly current = new AsyncLocalStorage<Placement>();
  private readonly sessions = new Set<Session>();

  constructor(
    readonly device: DeviceName,
    readonly options: PlacementOptions = {},
  ) {}

  static get active(): Placement | undefined {
    return Placement.current.getStore();
  }

  run<T>(open: () => Promise<T>): Promise<T> {
    return Placement.current.run(this, open);
  }

  /** Where the open sessions are. */
  get places(): SessionPlace[] {
    return [...this.sessions].map(({ place }) => place);
  }

  add(session: Session): void {
    this.sessions.add(session);
  }

  remove(session: Session): void {
    this.sessions.delete(session);
  }
}

/** A model that the runtime has opened, and how its tensors differ from the contract's. */
interface Opened {
  readonly native: NativeSession;
  readonly device: DeviceName;
  /** The outputs that the contract names and the model has. */
  readonly outputs: readonly string[];
  /** Inputs and outputs that the model has as float16 and the contract as float32. */
  readonly halfInputs: ReadonlySet<string>;
  readonly halfOutputs: ReadonlySet<string>;
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
  { log, deviceMemory, factory = realFactory }: PlacementOptions = {},
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
  const problems = contracts.map((contract) => [
    ...contractProblems('input', contract.inputs, contract.optionalInputs, native.inputMetadata, true),
    ...contractProblems('output', contract.outputs, contract.optionalOutputs, native.outputMetadata, false),
  ]);
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
  return {
    native,
    device,
    outputs: [
      ...Object.keys(fitting.outputs),
      ...native.outputMetadata
        .map(({ name }) => name)
        .filter((name) => Object.hasOwn(fitting.optionalOutputs ?? {}, name)),
    ],
    halfInputs: halves(native.inputMetadata, { ...fitting.optionalInputs, ...fitting.inputs }),
    halfOutputs: halves(native.outputMetadata, { ...fitting.optionalOutputs, ...fitting.outputs }),
  };
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

function nativeOptions({
  device,
  threads,
  int8Weights = false,
}: SessionOptions & { readonly device: DeviceName }): OnnxRuntime.InferenceSession.SessionOptions {
  return {
    // Nodes that a provider does not know run on the next one; the CPU comes last by itself.
    ...(device !== 'cpu' && {
      executionProviders:
        device === 'tensorrt' ? [providerNames.tensorrt, providerNames.cuda] : [providerNames[device]],
    }),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // DirectML cannot work with memory patterns (ONNX Runtime's documentation of it).
    ...(device === 'directml' && { enableMemPattern: false }),
    logSeverityLevel: 3,
    extra: {
      session: {
        // Spinning threads starve the other engine processes (runtime measurements: two spinning ones lose to one).
        // What bridges the gap between two nodes does not, and makes graphs of hundreds of nodes faster.
        intra_op: { spin_duration_us: '20' },
        force_spinning_stop: '1',
        // A kernel of the CPU provider's; elsewhere the weights are unpacked on the device.
        ...(int8Weights && device === 'cpu' ? { disable_quant_qdq: '1' } : {}),
        // Weights outside the arena: inside, each of its doublings may leave as much unused as they need.
        ...(device === 'cuda' || device === 'tensorrt' ? { use_device_allocator_for_initializers: '1' } : {}),
      },
    },
  };
}

/** Wraps without copying. */
export const toTensor = ({ dims, data }: FloatTensor): Tensor => new Tensor('float32', data, dims);

export const toTensors = (named: NamedTensors): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(named).map(([name, tensor]) => [name, toTensor(tensor)]));

/** Unwraps without copying; throws TypeError for another element type. */
export function toFloats(tensor: Tensor): FloatTensor {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`expected a float32 tensor, got ${tensor.type}`);
  return { dims: tensor.dims, data: tensor.data };
}

/** Those of `outputs` that `names` lists. */
export const toNamedFloats = (outputs: Readonly<Record<string, Tensor>>, names: readonly string[]): NamedTensors =>
  Object.fromEntries(names.map((name) => [name, toFloats(outputs[name]!)]));

function halves(
  found: readonly OnnxRuntime.InferenceSession.ValueMetadata[],
  specs: Readonly<Record<string, TensorSpec>>,
): ReadonlySet<string> {
  const names = found.filter((value) => value.isTensor && value.type === 'float16').map(({ name }) => name);
  return new Set(names.filter((name) => Object.hasOwn(specs, name) && specs[name].type === 'float32'));
}

const halved = (tensor: Tensor): Tensor =>
  tensor.data instanceof Float32Array ? new Tensor('float16', toFloat16(tensor.data), tensor.dims) : tensor;

function widened(tensor: Tensor): Tensor {
  // A Uint16Array on Node 20, a Float16Array where there is one: the same bytes.
  const { buffer, byteOffset, length } = tensor.data as Uint16Array;
  return new Tensor('float32', fromFloat16(new Uint16Array(buffer, byteOffset, length)), tensor.dims);
}

function contractProblems(
  kind: 'input' | 'output',
  specs: Readonly<Record<string, TensorSpec>>,
  optional: Readonly<Record<string, TensorSpec>> = {},
  found: readonly OnnxRuntime.InferenceSession.ValueMetadata[],
  complete: boolean,
): string[] {
  const problems: string[] = [];
  const byName = new Map(found.map((value) => [value.name, value]));
  for (const [name, spec] of Object.entries({ ...optional, ...specs })) {
    const value = byName.get(name);
    const expected = `${spec.type} of rank ${spec.rank}`;
    if (value === undefined && !Object.hasOwn(specs, name)) continue;
    if (value === undefined) problems.push(`${kind} ${name} (${expected}) is missing`);
    else if (!value.isTensor) problems.push(`${kind} ${name} should be ${expected}, found no tensor`);
    else if (!fits(spec.type, value.type) || value.shape.length !== spec.rank) {
      problems.push(`${kind} ${name} should be ${expected}, found ${value.type} of rank ${value.shape.length}`);
    }
  }
  const unknown = found
    .filter(({ name }) => !Object.hasOwn(specs, name) && !Object.hasOwn(optional, name))
    .map(({ name }) => name);
  if (complete && unknown.length > 0) problems.push(`unknown ${kind}s ${unknown.join(', ')}`);
  if (problems.length > 0)
    problems.push(`the model's ${kind}s are ${found.map(({ name }) => name).join(', ') || 'none'}`);
  return problems;
}

const fits = (needed: ElementType, found: string): boolean =>
  found === needed || (needed === 'float32' && found === 'float16');
