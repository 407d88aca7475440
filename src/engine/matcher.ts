/**
 * Matching as an ONNX graph (stages A.3, A.4 and A.6, and the similarity map): one matrix product per block of reference
 * patches, reduced both ways. The reference tokens are constants of the graph, so the runtime lays them out once and
 * every target costs one run. The specification is the plain loop in core/matching.ts.
 */
import { area } from '../core/geometry';
import { emptyTable, type MatchTable, type PatchSets, SIMILARITY_TOP } from '../core/matching';
import { checkTokens, type PatchTokens } from '../core/patchGrid';
import { encodeModel, type Initializer, type Node, type ValueInfo } from './onnxGraph';
import { type Contract, Session, Tensor, toTensor } from './sessions';

/** A block of reference patches that is reduced on its own. */
interface Block {
  readonly name: 'foreground' | 'background' | 'mixed';
  readonly patches: Int32Array;
}

export class Matcher {
  private constructor(
    private readonly reference: PatchTokens,
    private readonly blocks: readonly Block[],
    private readonly table: Session,
    private readonly spread: Session,
  ) {}

  /** Builds the graphs for one reference. Tokens are float32 [n, dim] in grid order. */
  static async create(reference: PatchTokens, sets: PatchSets, threads: number): Promise<Matcher> {
    checkTokens(reference);
    const blocks = splitBlocks(area(reference.grid), sets);
    const table = matchingGraph(reference, blocks);
    const spread = spreadGraph(reference.dim);
    return new Matcher(
      reference,
      blocks,
      await Session.open('matching graph', table.model, table.contract, { threads }),
      await Session.open('self-matching graph', spread.model, spread.contract, { threads }),
    );
  }

  /** All nearest neighbours between the reference and a target whose tokens have the same `dim`. */
  async match(target: PatchTokens): Promise<MatchTable> {
    checkTokens(target);
    if (target.dim !== this.reference.dim) {
      throw new RangeError(`reference tokens have ${this.reference.dim} channels, target tokens ${target.dim}`);
    }
    const m = area(target.grid);
    const out = await this.table.run({ tokens: toTensor({ dims: [m, target.dim], data: target.data }) });
    const floats = (name: string) => out[name].data as Float32Array;
    const indices = (name: string) => out[name].data as BigInt64Array;
    const table = emptyTable(this.reference.grid, target.grid);
    const best = new Float32Array(m).fill(Number.NEGATIVE_INFINITY);
    for (const { name, patches } of this.blocks) {
      const columns = topOf(patches);
      const nearest = indices(`${name}_nearest`);
      const closeness = floats(`${name}_closeness`);
      for (let j = 0; j < m; j++) {
        const value = closeness[j * columns];
        const patch = patches[Number(nearest[j * columns])];
        // Blocks interleave in patch order, so a tie between blocks is settled here: the lowest patch wins.
        if (value > best[j] || (value === best[j] && patch < table.nearestReference[j])) {
          best[j] = value;
          table.nearestReference[j] = patch;
        }
      }
      if (name === 'mixed') continue;
      const sign = name === 'foreground' ? 1 : -1;
      const similarities = floats(`${name}_similarity`);
      for (let j = 0; j < m; j++) {
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += similarities[j * columns + k];
        table.similarity[j] += (sign * sum) / columns;
      }
      const forward = indices(`${name}_forward`);
      const forwardCloseness = floats(`${name}_forward_closeness`);
      patches.forEach((patch, row) => {
        table.nearestTarget[patch] = Number(forward[row]);
        table.nearestTargetDistance[patch] = toDistance(forwardCloseness[row]);
      });
      if (name === 'background') continue;
      const farthest = indices('foreground_farthest');
      const farthestCloseness = floats('foreground_farthest_closeness');
      patches.forEach((patch, row) => {
        table.farthestTarget[patch] = Number(farthest[row]);
        table.farthestTargetDistance[patch] = toDistance(farthestCloseness[row]);
      });
    }
    for (let j = 0; j < m; j++) table.nearestReferenceDistance[j] = toDistance(best[j]);
    return table;
  }

  /** float32 [patches]: as `meanTokenDistances` of core/matching.ts. */
  async meanTokenDistances(target: PatchTokens, patches: readonly number[]): Promise<Float32Array> {
    if (patches.length < 2) return new Float32Array(patches.length);
    const { mean } = await this.spread.run({
      tokens: toTensor({ dims: [area(target.grid), target.dim], data: target.data }),
      patches: new Tensor('int64', BigInt64Array.from(patches, BigInt), [patches.length]),
    });
    // The graph averages over all patches, each one's own distance of zero included.
    return (mean!.data as Float32Array).map((value) => (value * patches.length) / (patches.length - 1));
  }

  async dispose(): Promise<void> {
    await this.table.dispose();
    await this.spread.dispose();
  }
}

function splitBlocks(patchCount: number, sets: PatchSets): Block[] {
  const claimed = new Set([...sets.foreground, ...sets.background]);
  const mixed = Int32Array.from({ length: patchCount }, (_, i) => i).filter((i) => !claimed.has(i));
  return [
    { name: 'foreground' as const, patches: sets.foreground },
    { name: 'background' as const, patches: sets.background },
    { name: 'mixed' as const, patches: mixed },
  ].filter(({ patches }) => patches.length > 0);
}

/** Columns of a block's top-k outputs; mixed patches only ever supply the nearest one. */
const topOf = (patches: Int32Array): number => Math.min(SIMILARITY_TOP, patches.length);

/** Closeness is -|a - b|^2 / 2; rounding may leave it slightly positive. */
const toDistance = (closeness: number): number => Math.sqrt(Math.max(0, -2 * closeness));

interface BuiltGraph {
  readonly model: Uint8Array;
  readonly contract: Contract;
}

/**
 * Closeness C[j, i] = T_j . R_i - |T_j|^2 / 2 - |R_i|^2 / 2, so that the nearest patch has the largest value in its row
 * and in its column. For normalised tokens the two norms are the constant 1, and C + 1 is the cosine similarity.
 */
function matchingGraph(reference: PatchTokens, blocks: readonly Block[]): BuiltGraph {
  const { dim, normalised } = reference;
  const nodes: Node[] = [];
  const initializers: Initializer[] = [scalar('one', 1)];
  const outputs: ValueInfo[] = [];
  const output = (name: string, type: 'float32' | 'int64', dims: (number | string)[]) => {
    outputs.push({ name, type, dims });
    return name;
  };
  if (!normalised) {
    initializers.push(scalar('minus_half', -0.5));
    nodes.push(
      { op: 'ReduceSumSquare', inputs: ['tokens'], outputs: ['squares'], attributes: { axes: [1], keepdims: 1 } },
      { op: 'Mul', inputs: ['squares', 'minus_half'], outputs: ['target_term'] },
      { op: 'LpNormalization', inputs: ['tokens'], outputs: ['unit_tokens'], attributes: { axis: 1, p: 2 } },
    );
  }
  for (const { name, patches } of blocks) {
    const rows = gather(reference, patches);
    const columns = topOf(patches);
    // Of unit tokens both norm terms are the constant -1/2.
    const halfNorms = normalised ? new Float32Array(patches.length).fill(-1) : halfSquares(rows, dim);
    initializers.push(
      { name: `${name}_tokens`, type: 'float32', dims: [patches.length, dim], data: rows },
      { name: `${name}_term`, type: 'float32', dims: [patches.length], data: halfNorms },
      { name: `${name}_top`, type: 'int64', dims: [1], data: BigInt64Array.of(BigInt(columns)) },
    );
    nodes.push({
      op: 'Gemm',
      inputs: ['tokens', `${name}_tokens`, `${name}_term`],
      outputs: [normalised ? `${name}_shifted` : `${name}_product`],
      attributes: { transB: 1 },
    });
    if (!normalised) {
      nodes.push({ op: 'Add', inputs: [`${name}_product`, 'target_term'], outputs: [`${name}_shifted`] });
    }
    const closeness = `${name}_shifted`;
    nodes.push({
      op: 'TopK',
      inputs: [closeness, `${name}_top`],
      outputs: [
        output(`${name}_closeness`, 'float32', ['m', columns]),
        output(`${name}_nearest`, 'int64', ['m', columns]),
      ],
      attributes: { axis: 1 },
    });
    if (name === 'mixed') continue;
    reduce(nodes, closeness, 'ArgMax', output(`${name}_forward`, 'int64', [patches.length]));
    reduce(nodes, closeness, 'ReduceMax', output(`${name}_forward_closeness`, 'float32', [patches.length]));
    if (normalised) {
      nodes.push({ op: 'Add', inputs: [`${name}_closeness`, 'one'], outputs: [`${name}_similarity`] });
    } else {
      initializers.push({
        name: `${name}_unit_tokens`,
        type: 'float32',
        dims: [patches.length, dim],
        data: unitRows(rows, dim),
      });
      nodes.push(
        {
          op: 'Gemm',
          inputs: ['unit_tokens', `${name}_unit_tokens`],
          outputs: [`${name}_cosine`],
          attributes: { transB: 1 },
        },
        {
          op: 'TopK',
          inputs: [`${name}_cosine`, `${name}_top`],
          outputs: [`${name}_similarity`, `${name}_similar`],
          attributes: { axis: 1 },
        },
      );
    }
    output(`${name}_similarity`, 'float32', ['m', columns]);
    if (name === 'background') continue;
    reduce(nodes, closeness, 'ArgMin', output('foreground_farthest', 'int64', [patches.length]));
    reduce(nodes, closeness, 'ReduceMin', output('foreground_farthest_closeness', 'float32', [patches.length]));
  }
  return build('matching', nodes, initializers, [{ name: 'tokens', type: 'float32', dims: ['m', dim] }], outputs);
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
  return build(
    'self-matching',
    nodes,
    [],
    [
      { name: 'tokens', type: 'float32', dims: ['m', dim] },
      { name: 'patches', type: 'int64', dims: ['p'] },
    ],
    [{ name: 'mean', type: 'float32', dims: ['p'] }],
  );
}

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

/** Reduces over the target patches: one value per reference patch of the block. */
function reduce(nodes: Node[], input: string, op: string, output: string): void {
  const axis = op.startsWith('Arg') ? { axis: 0 } : { axes: [0] };
  nodes.push({ op, inputs: [input], outputs: [output], attributes: { ...axis, keepdims: 0 } });
}

const scalar = (name: string, value: number): Initializer => ({
  name,
  type: 'float32',
  dims: [],
  data: Float32Array.of(value),
});

function gather({ data, dim }: PatchTokens, patches: Int32Array): Float32Array {
  const rows = new Float32Array(patches.length * dim);
  patches.forEach((patch, row) => {
    rows.set(data.subarray(patch * dim, (patch + 1) * dim), row * dim);
  });
  return rows;
}

/** -|R_i|^2 / 2 per row. */
function halfSquares(rows: Float32Array, dim: number): Float32Array {
  const terms = new Float32Array(rows.length / dim);
  for (let i = 0; i < terms.length; i++) {
    let sum = 0;
    for (let k = 0; k < dim; k++) sum += rows[i * dim + k] ** 2;
    terms[i] = -sum / 2;
  }
  return terms;
}

function unitRows(rows: Float32Array, dim: number): Float32Array {
  const unit = new Float32Array(rows.length);
  const terms = halfSquares(rows, dim);
  terms.forEach((term, i) => {
    const length = Math.sqrt(-2 * term) || 1;
    for (let k = 0; k < dim; k++) unit[i * dim + k] = rows[i * dim + k] / length;
  });
  return unit;
}
