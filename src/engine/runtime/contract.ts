/** What an adapter relies on of a model's inputs and outputs, and whether a model has it. */
import type { ElementType } from './onnxGraph';
import type { NativeSession, ValueMetadata } from './onnxRuntime';

/** What an adapter needs of one input or output. A model that has float16 where float32 is needed will do. */
interface TensorSpec {
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

/** What of a contract a model lacks, one entry each, none where it fits. */
export function problemsOf(contract: Contract, { inputMetadata, outputMetadata }: NativeSession): string[] {
  return [
    ...sideProblems('input', contract.inputs, contract.optionalInputs, inputMetadata, true),
    ...sideProblems('output', contract.outputs, contract.optionalOutputs, outputMetadata, false),
  ];
}

/** How a model's tensors differ from those of a contract that it fits. */
export interface Fit {
  /** The outputs that the contract names and the model has. */
  readonly outputs: readonly string[];
  /** Inputs and outputs that the model has as float16 and the contract as float32. */
  readonly halfInputs: ReadonlySet<string>;
  readonly halfOutputs: ReadonlySet<string>;
}

export function fitOf(contract: Contract, { inputMetadata, outputMetadata }: NativeSession): Fit {
  const { inputs, outputs, optionalInputs = {}, optionalOutputs = {} } = contract;
  const optional = outputMetadata.map(({ name }) => name).filter((name) => Object.hasOwn(optionalOutputs, name));
  return {
    outputs: [...Object.keys(outputs), ...optional],
    halfInputs: halves(inputMetadata, { ...optionalInputs, ...inputs }),
    halfOutputs: halves(outputMetadata, { ...optionalOutputs, ...outputs }),
  };
}

function halves(found: readonly ValueMetadata[], specs: Readonly<Record<string, TensorSpec>>): ReadonlySet<string> {
  const names = found.filter((value) => value.isTensor && value.type === 'float16').map(({ name }) => name);
  return new Set(names.filter((name) => Object.hasOwn(specs, name) && specs[name].type === 'float32'));
}

function sideProblems(
  kind: 'input' | 'output',
  specs: Readonly<Record<string, TensorSpec>>,
  optional: Readonly<Record<string, TensorSpec>> = {},
  found: readonly ValueMetadata[],
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
