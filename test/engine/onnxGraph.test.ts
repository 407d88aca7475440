/** Models written by encodeModel are loaded and run by ONNX Runtime, which knows the format better than we do. */
import { describe, expect, it } from 'vitest';
import type { Contract } from '../../src/engine/runtime/contract';
import { type ElementType, encodeModel, type Graph, type Initializer } from '../../src/engine/runtime/onnxGraph';
import { Tensor } from '../../src/engine/runtime/onnxRuntime';
import { Session } from '../../src/engine/runtime/sessions';

const specsOf = (values: Graph['inputs']) =>
  Object.fromEntries(values.map(({ name, type, dims }) => [name, { type, rank: dims.length }]));

/** Opens the graph with its own inputs and outputs as contract, and runs it once. */
async function run(graph: Graph, feeds: Record<string, Tensor> = {}): Promise<Record<string, Tensor>> {
  const contract: Contract = { inputs: specsOf(graph.inputs), outputs: specsOf(graph.outputs) };
  const session = await Session.open(graph.name, encodeModel(graph), contract, { threads: 1 });
  const outputs = await session.run(feeds);
  await session.dispose();
  return outputs;
}

const float = (data: readonly number[], dims: readonly number[]) =>
  new Tensor('float32', Float32Array.from(data), dims);

function expectFloats({ dims, data }: Tensor, expected: readonly number[], shape: readonly number[]): void {
  expect(dims).toEqual(shape);
  expect(data).toBeInstanceOf(Float32Array);
  expect([...(data as Float32Array)]).toEqual(expected);
}

const counting = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('attributes', () => {
  it('of kind int, also negative ones, which take ten bytes', async () => {
    const largestOver = (axis: number): Graph => ({
      name: 'largest',
      inputs: [{ name: 'x', type: 'float32', dims: [2, 3] }],
      outputs: [{ name: 'y', type: 'int64', dims: ['n'] }],
      nodes: [{ op: 'ArgMax', inputs: ['x'], outputs: ['y'], attributes: { axis, keepdims: 0 } }],
    });
    const x = float([1, 9, 3, 7, 5, 8], [2, 3]);
    expect((await run(largestOver(0), { x })).y.data).toEqual(BigInt64Array.of(1n, 0n, 1n));
    expect((await run(largestOver(1), { x })).y.data).toEqual(BigInt64Array.of(1n, 2n));
    expect((await run(largestOver(-1), { x })).y.data).toEqual(BigInt64Array.of(1n, 2n));
    expect((await run(largestOver(-2), { x })).y.data).toEqual(BigInt64Array.of(1n, 0n, 1n));
  });

  it('of kind ints, in order', async () => {
    const graph: Graph = {
      name: 'transpose',
      inputs: [{ name: 'x', type: 'float32', dims: [2, 1, 3] }],
      outputs: [{ name: 'y', type: 'float32', dims: [3, 2, 1] }],
      nodes: [{ op: 'Transpose', inputs: ['x'], outputs: ['y'], attributes: { perm: [2, 0, 1] } }],
    };
    const { y } = await run(graph, { x: float(counting(6), [2, 1, 3]) });
    expectFloats(y, [0, 3, 1, 4, 2, 5], [3, 2, 1]);
  });

  it('of kind ints that are larger than a byte or negative', async () => {
    const values = [-1, 127, 128, 300, -300, 2 ** 40, -(2 ** 40)];
    const graph: Graph = {
      name: 'constant',
      inputs: [],
      outputs: [{ name: 'y', type: 'int64', dims: [values.length] }],
      nodes: [{ op: 'Constant', inputs: [], outputs: ['y'], attributes: { value_ints: values } }],
    };
    expect((await run(graph)).y.data).toEqual(BigInt64Array.from(values, BigInt));
  });

  it('of kind float, where a whole number alone would be an int', async () => {
    const graph = (alpha: number): Graph => ({
      name: 'leaky',
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32', dims: [2] }],
      nodes: [{ op: 'LeakyRelu', inputs: ['x'], outputs: ['y'], attributes: { alpha: { float: alpha } } }],
    });
    const x = float([-4, 4], [2]);
    expectFloats((await run(graph(0.25), { x })).y, [-1, 4], [2]);
    expectFloats((await run(graph(2), { x })).y, [-8, 4], [2]);
  });

  it('of kind string', async () => {
    const rounded = async (mode: string) => {
      const graph: Graph = {
        name: 'resize',
        inputs: [{ name: 'x', type: 'float32', dims: [1, 1, 1, 2] }],
        outputs: [{ name: 'y', type: 'float32', dims: [1, 1, 1, 4] }],
        nodes: [
          {
            op: 'Resize',
            inputs: ['x', '', 'scales'],
            outputs: ['y'],
            attributes: { mode, coordinate_transformation_mode: 'half_pixel' },
          },
        ],
        initializers: [{ name: 'scales', type: 'float32', dims: [4], data: Float32Array.of(1, 1, 1, 2) }],
      };
      return [...((await run(graph, { x: float([0, 4], [1, 1, 1, 2]) })).y.data as Float32Array)];
    };
    expect(await rounded('linear')).toEqual([0, 1, 3, 4]);
    expect(await rounded('nearest')).toEqual([0, 0, 4, 4]);
  });

  it('refuse a fraction that is not said to be a float', () => {
    const graph: Graph = {
      name: 'leaky',
      inputs: [{ name: 'x', type: 'float32', dims: [2] }],
      outputs: [{ name: 'y', type: 'float32', dims: [2] }],
      nodes: [{ op: 'LeakyRelu', inputs: ['x'], outputs: ['y'], attributes: { alpha: 0.25 } }],
    };
    expect(() => encodeModel(graph)).toThrow(RangeError);
  });
});

describe('initializers', () => {
  const cases: readonly (readonly [ElementType, Initializer['data'], readonly number[]])[] = [
    ['float32', Float32Array.of(-1.5, 0, 3e38), [-1.5, 0, Math.fround(3e38)]],
    ['int64', BigInt64Array.of(-(2n ** 40n), 0n, 2n ** 40n), [-(2 ** 40), 0, 2 ** 40]],
    ['int32', Int32Array.of(-70000, 0, 70000), [-70000, 0, 70000]],
    ['uint8', Uint8Array.of(0, 128, 255), [0, 128, 255]],
    ['int8', Int8Array.of(-128, 0, 127), [-128, 0, 127]],
    ['bool', Uint8Array.of(1, 0, 1), [1, 0, 1]],
  ];

  it.each(cases)('of %s keep their values', async (type, data, expected) => {
    const graph: Graph = {
      name: 'cast',
      inputs: [],
      outputs: [
        { name: 'y', type: 'float32', dims: [3] },
        { name: 'same', type, dims: [3] },
      ],
      nodes: [
        { op: 'Cast', inputs: ['x'], outputs: ['y'], attributes: { to: 1 } },
        { op: 'Identity', inputs: ['x'], outputs: ['same'] },
      ],
      initializers: [{ name: 'x', type, dims: [3], data }],
    };
    const { y, same } = await run(graph);
    expectFloats(y, expected, [3]);
    expect(same.type).toBe(type);
    expect([...(same.data as Float32Array)].map(Number)).toEqual(expected);
  });

  it('may be a view into a larger buffer', async () => {
    const graph: Graph = {
      name: 'view',
      inputs: [],
      outputs: [{ name: 'y', type: 'float32', dims: [1, 2] }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      initializers: [{ name: 'x', type: 'float32', dims: [1, 2], data: Float32Array.of(9, 5, 6, 9).subarray(1, 3) }],
    };
    expectFloats((await run(graph)).y, [5, 6], [1, 2]);
  });

  it('may be scalars, which have no dimensions, and tensors of no elements', async () => {
    const graph: Graph = {
      name: 'scalar',
      inputs: [{ name: 'x', type: 'float32', dims: [] }],
      outputs: [{ name: 'y', type: 'float32', dims: [] }],
      nodes: [
        { op: 'Mul', inputs: ['x', 'factor'], outputs: ['product'] },
        { op: 'Reshape', inputs: ['product', 'scalar_shape'], outputs: ['y'] },
      ],
      initializers: [
        { name: 'factor', type: 'float32', dims: [], data: Float32Array.of(3) },
        { name: 'scalar_shape', type: 'int64', dims: [0], data: new BigInt64Array() },
      ],
    };
    expectFloats((await run(graph, { x: float([7], []) })).y, [21], []);
  });

  it('may be longer than a length of one byte says', async () => {
    const data = Float32Array.from(counting(5000));
    const graph: Graph = {
      name: 'long',
      inputs: [],
      outputs: [{ name: 'y', type: 'float32', dims: [5000] }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      initializers: [{ name: 'x', type: 'float32', dims: [5000], data }],
    };
    expectFloats((await run(graph)).y, [...data], [5000]);
  });
});

describe('inputs and outputs', () => {
  it('of named dimensions take any size, those of fixed dimensions one', async () => {
    const graph = (dims: readonly (number | string)[]): Graph => ({
      name: 'negate',
      inputs: [{ name: 'x', type: 'float32', dims }],
      outputs: [{ name: 'y', type: 'float32', dims }],
      nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
    });
    const three = { x: float([1, 2, 3], [1, 3]) };
    const four = { x: float([1, 2, 3, 4], [2, 2]) };
    expectFloats((await run(graph(['rows', 'columns']), three)).y, [-1, -2, -3], [1, 3]);
    expectFloats((await run(graph(['rows', 'columns']), four)).y, [-1, -2, -3, -4], [2, 2]);
    expectFloats((await run(graph([1, 3]), three)).y, [-1, -2, -3], [1, 3]);
    await expect(run(graph([1, 3]), four)).rejects.toThrow(/invalid dimensions/i);
  });

  it('of several nodes, inputs and outputs keep their names apart', async () => {
    const graph: Graph = {
      name: 'several',
      inputs: [
        { name: 'a', type: 'float32', dims: ['n'] },
        { name: 'größe', type: 'float32', dims: ['n'] },
      ],
      outputs: [
        { name: 'difference', type: 'float32', dims: ['n'] },
        { name: 'negated', type: 'float32', dims: ['n'] },
      ],
      nodes: [
        { op: 'Sub', inputs: ['a', 'größe'], outputs: ['difference'] },
        { op: 'Neg', inputs: ['difference'], outputs: ['negated'] },
      ],
    };
    const { difference, negated } = await run(graph, { a: float([5, 7], [2]), größe: float([1, 9], [2]) });
    expectFloats(difference, [4, -2], [2]);
    expectFloats(negated, [-4, 2], [2]);
  });
});
