/** ONNX Runtime sessions: opened, checked against a contract, run. The only importer of onnxruntime-node. */
import { readFile } from 'node:fs/promises';
import { InferenceSession, env as runtime, Tensor } from 'onnxruntime-node';
import { UserError } from '../core/userError';
import type { ElementType } from './onnxGraph';

/** A float32 tensor, row-major. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export type NamedTensors = Readonly<Record<string, FloatTensor>>;

/** What an adapter needs of one input or output. */
export interface TensorSpec {
  readonly type: ElementType;
  readonly rank: number;
}

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
  /** Runs int8 weights as they are instead of inserting quantise/dequantise kernels: 1.8 times faster on such models. */
  readonly int8Weights?: boolean;
  /** Weights stand in files beside the model, which the runtime finds only if it reads the model itself. */
  readonly externalData?: boolean;
}

export { Tensor };

export const runtimeVersion = (): string => runtime.versions.node ?? runtime.versions.common;

export class Session {
  private constructor(
    private readonly session: InferenceSession,
    /** The contract's outputs that the model has. */
    private readonly outputs: readonly string[],
    /** Sides of every input: numbers are fixed, names are dynamic. */
    private readonly inputs: ReadonlyMap<string, readonly (number | string)[]>,
  ) {}

  /**
   * Opens a model file, or a model in memory, and checks it.
   *
   * @param title how messages name the model.
   * @param contracts what the adapter can work with: the first that fits is used.
   * @throws UserError when the file is no model, or its inputs and outputs are not the contract's.
   */
  static async open(
    title: string,
    model: string | Uint8Array,
    contracts: Contract | readonly Contract[],
    { threads, int8Weights = false, externalData = false }: SessionOptions,
  ): Promise<Session> {
    const source = typeof model === 'string' && !externalData ? await readFile(model) : model;
    let session: InferenceSession;
    try {
      // One signature for both kinds of source, which the library's types keep apart.
      session = await InferenceSession.create(source as Uint8Array, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        logSeverityLevel: 3,
        extra: {
          session: {
            // Spinning threads starve the other engine processes (runtime measurements: two spinning ones lose to one).
            intra_op: { allow_spinning: '0' },
            ...(int8Weights ? { disable_quant_qdq: '1' } : {}),
          },
        },
      });
    } catch (error) {
      throw new UserError(`${title}: not a model that ONNX Runtime ${runtimeVersion()} can load.`, { cause: error });
    }
    const alternatives = 'inputs' in contracts ? [contracts] : contracts;
    const problems = alternatives.map((contract) => [
      ...contractProblems('input', contract.inputs, contract.optionalInputs, session.inputMetadata, true),
      ...contractProblems('output', contract.outputs, contract.optionalOutputs, session.outputMetadata, false),
    ]);
    const fitting = alternatives[problems.findIndex((found) => found.length === 0)];
    if (fitting === undefined) {
      await session.release();
      const nearest = problems.reduce((best, found) => (found.length < best.length ? found : best));
      throw new UserError(
        `${title}: its inputs and outputs are not what this model family needs: ${nearest.join('; ')}.`,
      );
    }
    const optional = Object.keys(fitting.optionalOutputs ?? {}).filter((name) => session.outputNames.includes(name));
    const inputs = session.inputMetadata.map((value): [string, readonly (number | string)[]] => [
      value.name,
      value.isTensor ? value.shape : [],
    ]);
    return new Session(session, [...Object.keys(fitting.outputs), ...optional], new Map(inputs));
  }

  /** Sides of an input, numbers where they are fixed and names where they are not; undefined where there is none. */
  inputDims(name: string): readonly (number | string)[] | undefined {
    return this.inputs.get(name);
  }

  gives(output: string): boolean {
    return this.outputs.includes(output);
  }

  /** Runs the model; blocks this process's event loop until it is done. Returns the contract's outputs. */
  async run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    return this.session.run(feeds, this.outputs);
  }

  async dispose(): Promise<void> {
    await this.session.release();
  }
}

/** Wraps without copying. */
export const toTensor = ({ dims, data }: FloatTensor): Tensor => new Tensor('float32', data, dims);

/** Unwraps without copying; throws TypeError for another element type. */
export function toFloats(tensor: Tensor): FloatTensor {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`expected a float32 tensor, got ${tensor.type}`);
  return { dims: tensor.dims, data: tensor.data };
}

function contractProblems(
  kind: 'input' | 'output',
  specs: Readonly<Record<string, TensorSpec>>,
  optional: Readonly<Record<string, TensorSpec>> = {},
  found: readonly InferenceSession.ValueMetadata[],
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
    else if (value.type !== spec.type || value.shape.length !== spec.rank) {
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
