/**
 * Stages *forward matching*, *backward matching*, *self matching* and *hard negatives* as ONNX graphs: matrix products
 * reduced over the target or the reference patches. The reference tokens are constants of the graphs, so the runtime
 * lays them out once and every target costs two runs. The specification is the plain loops in core/tokens/matching.ts.
 */
import { area } from '../../core/geometry';
import type { MatcherPort } from '../../core/strategies/strategy';
import { emptyTable, type MatchTable, type PatchSets, proposedTargets } from '../../core/tokens/matching';
import { checkTokens, type PatchTokens } from '../../core/tokens/patchGrid';
import type { Contract } from '../runtime/contract';
import { encodeModel, type Initializer, type Node, type ValueInfo } from '../runtime/onnxGraph';
import { Tensor } from '../runtime/onnxRuntime';
import { Session } from '../runtime/sessions';
import { toTensor } from '../runtime/tensors';

export class Matcher implements MatcherPort {
  private constructor(
    private readonly reference: PatchTokens,
    private readonly proposers: PatchSets,
    private readonly forward: Session,
    private readonly backward: Session,
    private readonly spread: Session,
  ) {}

  /** Builds the graphs for one reference, whose tokens are float32 [n, dim] in grid order. */
  static async create(reference: PatchTokens, proposers: PatchSets, threads: number): Promise<Matcher> {
    checkTokens(reference);
    const open = ({ model, contract }: BuiltGraph, name: string) => Session.open(name, model, contract, { threads });
    return new Matcher(
      reference,
      proposers,
      await open(forwardGraph(reference, proposers), 'forward matching graph'),
      await open(backwardGraph(reference), 'backward matching graph'),
      await open(spreadGraph(reference.dim), 'self-matching graph'),
    );
  }

  /** Nearest neighbours between the reference and a target whose tokens have the same `dim`. */
  async match(target: PatchTokens): Promise<MatchTable> {
    checkTokens(target);
    if (target.dim !== this.reference.dim) {
      throw new RangeError(`reference tokens have ${this.reference.dim} channels, target tokens ${target.dim}`);
    }
    const table = emptyTable(this.reference.grid, target.grid);
    const tokens = toTensor({ dims: [area(target.grid), target.dim], data: target.data });

    const proposed = await this.forward.run({ tokens });
    const nearest = proposed.nearest.data as BigInt64Array;
    const farthest = proposed.farthest.data as BigInt64Array;
    const nearestCloseness = proposed.nearest_closeness.data as Float32Array;
    const farthestCloseness = proposed.farthest_closeness.data as Float32Array;
    rowsOf(this.proposers).forEach((patch, row) => {
      table.nearestTarget[patch] = Number(nearest[row]);
      table.nearestTargetDistance[patch] = toDistance(nearestCloseness[row]);
      table.farthestTarget[patch] = Number(farthest[row]);
      table.farthestTargetDistance[patch] = toDistance(farthestCloseness[row]);
    });

    const asked = proposedTargets(table, this.proposers);
    const answered = await this.backward.run({ tokens, patches: patchTensor(asked) });
    const back = answered.nearest.data as BigInt64Array;
    const backCloseness = answered.nearest_closeness.data as Float32Array;
    asked.forEach((patch, row) => {
      table.nearestReference[patch] = Number(back[row]);
      table.nearestReferenceDistance[patch] = toDistance(backCloseness[row]);
    });
    return table;
  }

  /** float32 [patches]: mean Euclidean distance of each patch's token to those of the others; 0 for a single patch. */
  async meanTokenDistances(target: PatchTokens, patches: readonly number[]): Promise<Float32Array> {
    if (patches.length < 2) return new Float32Array(patches.length);
    const { mean } = await this.spread.run({
      tokens: toTensor({ dims: [area(target.grid), target.dim], data: target.data }),
      patches: patchTensor(patches),
    });
    // The graph averages over all patches, each one's own distance of zero included.
    return (mean.data as Float32Array).map((value) => (value * patches.length) / (patches.length - 1));
  }

  async dispose(): Promise<void> {
    for (const session of [this.forward, this.backward, this.spread]) await session.dispose();
  }
}

const rowsOf = ({ foreground, background }: PatchSets): number[] => [...foreground, ...background];

const patchTensor = (patches: ArrayLike<number>): Tensor =>
  new Tensor('int64', BigInt64Array.from(Array.from(patches, BigInt)), [patches.length]);

/** Closeness is -|a - b|^2 / 2; rounding may leave it slightly positive. */
const toDistance = (closeness: number): number => Math.sqrt(Math.max(0, -2 * closeness));

interface BuiltGraph {
  readonly model: Uint8Array;
  readonly contract: Contract;
}

/** Closeness of all target patches (rows) to the proposers (columns), reduced over the former. */
function forwardGraph(reference: PatchTokens, proposers: PatchSets): BuiltGraph {
  const rows = rowsOf(proposers);
  const nodes: Node[] = [];
  const initializers = closeness(reference, rows, 'tokens', nodes);
  const outputs: ValueInfo[] = [];
  const reduce = (op: string, name: string, type: ValueInfo['type']) => {
    const axis = op.startsWith('Arg') ? { axis: 0 } : { axes: [0] };
    nodes.push({ op, inputs: ['closeness'], outputs: [name], attributes: { ...axis, keepdims: 0 } });
    outputs.push({ name, type, dims: [rows.length] });
  };
  reduce('ArgMax', 'nearest', 'int64');
  reduce('ReduceMax', 'nearest_closeness', 'float32');
  reduce('ArgMin', 'farthest', 'int64');
  reduce('ReduceMin', 'farthest_closeness', 'float32');
  return build('forward', nodes, initializers, [tokensInput(reference.dim)], outputs);
}

/** Closeness of the named target patches (rows) to all reference patches (columns), reduced over the latter. */
function backwardGraph(reference: PatchTokens): BuiltGraph {
  const nodes: Node[] = [{ op: 'Gather', inputs: ['tokens', 'patches'], outputs: ['picked'], attributes: { axis: 0 } }];
  const all = Array.from({ length: area(reference.grid) }, (_, i) => i);
  const initializers = closeness(reference, all, 'picked', nodes);
  nodes.push(
    { op: 'ArgMax', inputs: ['closeness'], outputs: ['nearest'], attributes: { axis: 1, keepdims: 0 } },
    { op: 'ReduceMax', inputs: ['closeness'], outputs: ['nearest_closeness'], attributes: { axes: [1], keepdims: 0 } },
  );
  return build(
    'backward',
    nodes,
    initializers,
    [tokensInput(reference.dim), patchesInput],
    [
      { name: 'nearest', type: 'int64', dims: ['p'] },
      { name: 'nearest_closeness', type: 'float32', dims: ['p'] },
    ],
  );
}

/** Mean Euclidean distance of each of the named patches' tokens to all of them. */
function spreadGraph(dim: number): BuiltGraph {
  const nodes: Node[] = [
    { op: 'Gather', inputs: ['tokens', 'patches'], outputs: ['picked'], attributes: { axis: 0 } },
    { op: 'ReduceSumSquare', inputs: ['picked'], outputs: ['column'], attributes: { axes: [1], keepdims: 1 } },
    { op: 'Transpose', inputs: ['column'], outputs: ['row'], attributes: { perm: [1, 0] } },
    { op: 'Add', inputs: ['column', 'row'], outputs: ['sums'] },
    {
      op: 'Gemm',
      inputs: ['picked', 'picked', 'sums'],
      outputs: ['squared'],
      attributes: { transB: 1, alpha: { float: -2 } },
    },
    { op: 'Relu', inputs: ['squared'], outputs: ['nonnegative'] },
    { op: 'Sqrt', inputs: ['nonnegative'], outputs: ['distances'] },
    { op: 'ReduceMean', inputs: ['distances'], outputs: ['mean'], attributes: { axes: [1], keepdims: 0 } },
  ];
  const outputs: ValueInfo[] = [{ name: 'mean', type: 'float32', dims: ['p'] }];
  return build('self-matching', nodes, [], [tokensInput(dim), patchesInput], outputs);
}

/**
 * Adds the nodes that compute `closeness` C[j, i] = T_j . R_i - |T_j|^2 / 2 - |R_i|^2 / 2 = -|T_j - R_i|^2 / 2 of the
 * tokens in `input` to the reference tokens in `rows`, and returns their constants. The nearest patch has the largest
 * value of its row and of its column. For normalised tokens both norms are the constant 1.
 */
function closeness(
  { data, dim, normalised }: PatchTokens,
  rows: readonly number[],
  input: string,
  nodes: Node[],
): Initializer[] {
  const tokens = new Float32Array(rows.length * dim);
  const term = new Float32Array(rows.length).fill(normalised ? -1 : 0);
  rows.forEach((patch, row) => {
    const token = data.subarray(patch * dim, (patch + 1) * dim);
    tokens.set(token, row * dim);
    if (!normalised) for (const value of token) term[row] -= (value * value) / 2;
  });
  const initializers: Initializer[] = [
    { name: 'reference', type: 'float32', dims: [rows.length, dim], data: tokens },
    { name: 'reference_term', type: 'float32', dims: [rows.length], data: term },
  ];
  const product = { op: 'Gemm', inputs: [input, 'reference', 'reference_term'], attributes: { transB: 1 } };
  if (normalised) {
    nodes.push({ ...product, outputs: ['closeness'] });
    return initializers;
  }
  nodes.push(
    { ...product, outputs: ['product'] },
    { op: 'ReduceSumSquare', inputs: [input], outputs: ['squares'], attributes: { axes: [1], keepdims: 1 } },
    { op: 'Mul', inputs: ['squares', 'minus_half'], outputs: ['target_term'] },
    { op: 'Add', inputs: ['product', 'target_term'], outputs: ['closeness'] },
  );
  return [...initializers, { name: 'minus_half', type: 'float32', dims: [], data: Float32Array.of(-0.5) }];
}

const tokensInput = (dim: number): ValueInfo => ({ name: 'tokens', type: 'float32', dims: ['m', dim] });

const patchesInput: ValueInfo = { name: 'patches', type: 'int64', dims: ['p'] };

function build(
  name: string,
  nodes: Node[],
  initializers: Initializer[],
  inputs: ValueInfo[],
  outputs: ValueInfo[],
): BuiltGraph {
  const specs = (values: ValueInfo[]) =>
    Object.fromEntries(values.map((value) => [value.name, { type: value.type, rank: value.dims.length }]));
  return {
    model: encodeModel({ name, nodes, initializers, inputs, outputs }),
    contract: { inputs: specs(inputs), outputs: specs(outputs) },
  };
}
