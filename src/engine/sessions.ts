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
}

export interface SessionOptions {
  readonly threads: number;
  /** Runs int8 weights as they are instead of inserting quantise/dequantise kernels: 1.8 times faster on such models. */
  readonly int8Weights?: boolean;
}

export { Tensor };

export const runtimeVersion = (): string => runtime.versions.node ?? runtime.versions.common;

export class Session {
  private constructor(
    private readonly session: InferenceSession,
    private readonly outputs: readonly string[],
  ) {}

  /**
   * Opens a model file, or a model in memory, and checks it.
   *
   * @param title how messages name the model.
   * @throws UserError when the file is no model, or its inputs and outputs are not the contract's.
   */
  static async open(
    title: string,
    model: string | Uint8Array,
    contract: Contract,
    { threads, int8Weights = false }: SessionOptions,
  ): Promise<Session> {
    const bytes = typeof model === 'string' ? await readFile(model) : model;
    let session: InferenceSession;
    try {
      session = await InferenceSession.create(bytes, {
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
    const problems = [
      ...contractProblems('input', contract.inputs, session.inputMetadata, true),
      ...contractProblems('output', contract.outputs, session.outputMetadata, false),
    ];
    if (problems.length > 0) {
      await session.release();
      throw new UserError(
        `${title}: its inputs and outputs are not what this model family needs: ${problems.join('; ')}.`,
      );
    }
    return new Session(session, Object.keys(contract.outputs));
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
  found: readonly InferenceSession.ValueMetadata[],
  complete: boolean,
): string[] {
  const problems: string[] = [];
  const byName = new Map(found.map((value) => [value.name, value]));
  for (const [name, spec] of Object.entries(specs)) {
    const value = byName.get(name);
    const expected = `${spec.type} of rank ${spec.rank}`;
    if (value === undefined) problems.push(`${kind} ${name} (${expected}) is missing`);
    else if (!value.isTensor) problems.push(`${kind} ${name} should be ${expected}, found no tensor`);
    else if (value.type !== spec.type || value.shape.length !== spec.rank) {
      problems.push(`${kind} ${name} should be ${expected}, found ${value.type} of rank ${value.shape.length}`);
    }
  }
  const unknown = found.filter(({ name }) => !Object.hasOwn(specs, name)).map(({ name }) => name);
  if (complete && unknown.length > 0) problems.push(`unknown ${kind}s ${unknown.join(', ')}`);
  if (problems.length > 0)
    problems.push(`the model's ${kind}s are ${found.map(({ name }) => name).join(', ') || 'none'}`);
  return problems;
}
