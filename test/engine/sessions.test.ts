/** What a session accepts, and what it says about a model that is not the one an adapter needs. */
import { beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/userError';
import type { Contract } from '../../src/engine/runtime/contract';
import { encodeModel, type Graph, type ValueInfo } from '../../src/engine/runtime/onnxGraph';
import { runtimeVersion, Tensor } from '../../src/engine/runtime/onnxRuntime';
import { Session } from '../../src/engine/runtime/sessions';
import { toFloats, toTensor } from '../../src/engine/runtime/tensors';
import { put, temporaryFolder } from '../dataset/fixtures';

const image: ValueInfo = { name: 'image', type: 'float32', dims: ['n', 3] };
const gain: ValueInfo = { name: 'gain', type: 'float32', dims: [1] };
const product: ValueInfo = { name: 'product', type: 'float32', dims: ['n', 3] };
const index: ValueInfo = { name: 'index', type: 'int64', dims: ['n'] };

/** Scaled image, and the largest column of each row. */
const graph: Graph = {
  name: 'scale',
  inputs: [image, gain],
  outputs: [product, index],
  nodes: [
    { op: 'Mul', inputs: ['image', 'gain'], outputs: ['product'] },
    { op: 'ArgMax', inputs: ['product'], outputs: ['index'], attributes: { axis: 1, keepdims: 0 } },
  ],
};

const contract: Contract = {
  inputs: { image: { type: 'float32', rank: 2 }, gain: { type: 'float32', rank: 1 } },
  outputs: { product: { type: 'float32', rank: 2 }, index: { type: 'int64', rank: 1 } },
};

const feeds = {
  image: new Tensor('float32', Float32Array.of(1, 3, 2, 6, 5, 4), [2, 3]),
  gain: new Tensor('float32', Float32Array.of(2), [1]),
};

let model: Uint8Array;
beforeAll(() => {
  model = encodeModel(graph);
});

const open = (bytes: string | Uint8Array, needed: Contract = contract) =>
  Session.open('Encoder "mine"', bytes, needed, { threads: 1 });

const openAny = (bytes: Uint8Array, needed: readonly Contract[]) =>
  Session.open('Encoder "mine"', bytes, needed, { threads: 1 });

/** The message of a refusal, which is one sentence and names the model. */
async function refusal(opening: Promise<Session>): Promise<string> {
  const error = await opening.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  const { message } = error as UserError;
  expect(message).toMatch(/^Encoder "mine": [^\n]*[^.\n]\.$/);
  return message;
}

const WRONG = 'Encoder "mine": its inputs and outputs are not what this model family needs: ';
const INPUTS = "the model's inputs are image, gain";
const OUTPUTS = "the model's outputs are product, index";

describe('a session', () => {
  it('runs a model in memory, also in the middle of a buffer, and one in a file', async () => {
    const padded = new Uint8Array(model.length + 20);
    padded.set(model, 7);
    const file = await put(`${await temporaryFolder()}/model.onnx`, model);
    for (const source of [model, padded.subarray(7, 7 + model.length), file]) {
      const session = await open(source);
      const outputs = await session.run(feeds);
      expect(Object.keys(outputs).sort()).toEqual(['index', 'product']);
      expect(toFloats(outputs.product!)).toEqual({ dims: [2, 3], data: Float32Array.of(2, 6, 4, 12, 10, 8) });
      expect(outputs.index!.data).toEqual(BigInt64Array.of(1n, 0n));
      await session.dispose();
    }
  });

  it('gives no output that the contract does not name', async () => {
    const session = await open(model, { ...contract, outputs: { index: contract.outputs.index! } });
    expect(Object.keys(await session.run(feeds))).toEqual(['index']);
    await session.dispose();
  });

  it('that cannot be run names the model and its file, in one sentence', async () => {
    const file = await put(`${await temporaryFolder()}/model.onnx`, model);
    const session = await open(file);
    const wrong = { ...feeds, gain: new Tensor('float32', new Float32Array(5), [5]) };
    const error = await session.run(wrong).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    const { message } = error as UserError;
    expect(message.startsWith(`Encoder "mine" (${file}) cannot be run: `)).toBe(true);
    expect(message).toMatch(/^[^\n]*[^.\n]\.$/);
    await session.dispose();
  });

  it('runs with int8 weights left as they are', async () => {
    const session = await Session.open('m', model, contract, { threads: 2, int8Weights: true });
    expect((await session.run(feeds)).index!.data).toEqual(BigInt64Array.of(1n, 0n));
    await session.dispose();
  });
});

describe('a model that breaks the contract', () => {
  const cases: readonly (readonly [what: string, needed: Contract, problems: readonly string[]])[] = [
    [
      'by a missing input',
      { ...contract, inputs: { ...contract.inputs, mask: { type: 'uint8', rank: 4 } } },
      ['input mask (uint8 of rank 4) is missing', INPUTS],
    ],
    [
      "by an input's element type",
      { ...contract, inputs: { ...contract.inputs, gain: { type: 'int64', rank: 1 } } },
      ['input gain should be int64 of rank 1, found float32 of rank 1', INPUTS],
    ],
    [
      "by an input's rank",
      { ...contract, inputs: { ...contract.inputs, image: { type: 'float32', rank: 4 } } },
      ['input image should be float32 of rank 4, found float32 of rank 2', INPUTS],
    ],
    [
      'by an input that nobody would fill',
      { ...contract, inputs: { image: { type: 'float32', rank: 2 } } },
      ['unknown inputs gain', INPUTS],
    ],
    [
      'by a missing output',
      { ...contract, outputs: { ...contract.outputs, tokens: { type: 'float32', rank: 3 } } },
      ['output tokens (float32 of rank 3) is missing', OUTPUTS],
    ],
    [
      "by an output's element type",
      { ...contract, outputs: { index: { type: 'float32', rank: 1 } } },
      ['output index should be float32 of rank 1, found int64 of rank 1', OUTPUTS],
    ],
    [
      "by an output's rank",
      { ...contract, outputs: { index: { type: 'int64', rank: 0 } } },
      ['output index should be int64 of rank 0, found int64 of rank 1', OUTPUTS],
    ],
    [
      'in several ways, all of which are listed',
      {
        inputs: { pixels: { type: 'float32', rank: 4 }, image: { type: 'int8', rank: 2 } },
        outputs: { masks: { type: 'float32', rank: 4 } },
      },
      [
        'input pixels (float32 of rank 4) is missing',
        'input image should be int8 of rank 2, found float32 of rank 2',
        'unknown inputs gain',
        INPUTS,
        'output masks (float32 of rank 4) is missing',
        OUTPUTS,
      ],
    ],
  ];

  it.each(cases)('%s is refused', async (_, needed, problems) => {
    expect(await refusal(open(model, needed))).toBe(`${WRONG}${problems.join('; ')}.`);
  });

  it('by having no inputs at all is refused', async () => {
    const constant = encodeModel({
      name: 'constant',
      inputs: [],
      outputs: [product],
      nodes: [{ op: 'Identity', inputs: ['value'], outputs: ['product'] }],
      initializers: [{ name: 'value', type: 'float32', dims: [1, 3], data: Float32Array.of(1, 2, 3) }],
    });
    const needed: Contract = {
      inputs: { image: { type: 'float32', rank: 2 } },
      outputs: { product: { type: 'float32', rank: 2 } },
    };
    expect(await refusal(open(constant, needed))).toBe(
      `${WRONG}input image (float32 of rank 2) is missing; the model's inputs are none.`,
    );
  });

  it('by an input with the name of an object method is refused', async () => {
    const odd = encodeModel({
      ...graph,
      inputs: [image, { ...gain, name: 'toString' }],
      nodes: [{ op: 'Mul', inputs: ['image', 'toString'], outputs: ['product'] }, graph.nodes[1]!],
    });
    const needed: Contract = { ...contract, inputs: { image: { type: 'float32', rank: 2 } } };
    expect(await refusal(open(odd, needed))).toContain('unknown inputs toString');
  });
});

describe('a contract with room', () => {
  it('may lack what is optional, and uses it where it is there', async () => {
    const optional: Contract = {
      inputs: { image: contract.inputs.image! },
      optionalInputs: { gain: contract.inputs.gain!, bias: { type: 'float32', rank: 1 } },
      outputs: { product: contract.outputs.product! },
      optionalOutputs: { index: contract.outputs.index!, mask: { type: 'float32', rank: 4 } },
    };
    const session = await open(model, optional);
    expect(Object.keys(await session.run(feeds)).sort()).toEqual(['index', 'product']);
    expect(session.inputDims('image')).toEqual(['n', 3]);
    expect(session.inputDims('gain')).toEqual([1]);
    expect(session.inputDims('bias')).toBeUndefined();
    expect([session.gives('index'), session.gives('mask')]).toEqual([true, false]);
    await session.dispose();
    const wrong = { ...optional, optionalInputs: { gain: { type: 'int64', rank: 1 } } } as const;
    expect(await refusal(open(model, wrong))).toContain('input gain should be int64 of rank 1, found float32');
    const wrongOutput = { ...optional, optionalOutputs: { index: { type: 'int64', rank: 3 } } } as const;
    expect(await refusal(open(model, wrongOutput))).toContain('output index should be int64 of rank 3');
  });

  it('may be one of several: the first that fits, and the nearest is what a refusal tells', async () => {
    const other: Contract = { inputs: { pixels: { type: 'float32', rank: 4 } }, outputs: contract.outputs };
    const less: Contract = { ...contract, outputs: { index: contract.outputs.index! } };
    const session = await openAny(model, [other, less, contract]);
    expect(Object.keys(await session.run(feeds))).toEqual(['index']);
    await session.dispose();
    const near: Contract = { ...contract, outputs: { mask: { type: 'float32', rank: 4 } } };
    expect(await refusal(openAny(model, [other, near]))).toContain('output mask (float32 of rank 4) is missing');
  });
});

describe('weights in another file', () => {
  it('are found when the runtime opens the model itself, and only then', async () => {
    const values = Float32Array.of(10, 20, 30);
    const external = encodeModel({
      ...graph,
      inputs: [image],
      outputs: [product],
      nodes: [{ op: 'Mul', inputs: ['image', 'weights'], outputs: ['product'] }],
      initializers: [{ name: 'weights', type: 'float32', dims: [1, 3], data: values, externalFile: 'model.onnx_data' }],
    });
    const folder = await temporaryFolder();
    const file = await put(`${folder}/model.onnx`, external);
    await put(`${folder}/model.onnx_data`, new Uint8Array(values.buffer));
    const needed: Contract = {
      inputs: { image: contract.inputs.image! },
      outputs: { product: contract.outputs.product! },
    };
    const session = await Session.open('m', file, needed, { threads: 1, externalData: true });
    const outputs = await session.run({ image: new Tensor('float32', Float32Array.of(1, 2, 3), [1, 3]) });
    expect([...toFloats(outputs.product!).data]).toEqual([10, 40, 90]);
    await session.dispose();
    expect(await refusal(open(file, needed))).toContain('not a model that ONNX Runtime');
  });
});

describe('what is no model', () => {
  const NO_MODEL = `Encoder "mine": not a model that ONNX Runtime ${runtimeVersion()} can load.`;

  it('is refused with the cause kept', async () => {
    for (const bytes of [Buffer.from('<!doctype html><p>404'), Uint8Array.of(8), model.subarray(0, model.length - 9)]) {
      expect(await refusal(open(bytes))).toBe(NO_MODEL);
      await expect(open(bytes)).rejects.toHaveProperty('cause');
    }
  });

  it('is an empty file', async () => {
    const file = await put(`${await temporaryFolder()}/empty.onnx`, '');
    expect(await refusal(open(file))).toBe(NO_MODEL);
    expect(await refusal(open(new Uint8Array()))).toBe(NO_MODEL);
  });

  it('is a graph with an operation that does not exist', async () => {
    const nodes = [{ op: 'Wish', inputs: ['image'], outputs: ['product'] }, graph.nodes[1]!];
    expect(await refusal(open(encodeModel({ ...graph, nodes })))).toBe(NO_MODEL);
  });
});

describe('tensors', () => {
  it('are wrapped and unwrapped without a copy', () => {
    const floats = { dims: [1, 2], data: Float32Array.of(3, 4) };
    const tensor = toTensor(floats);
    expect(tensor.type).toBe('float32');
    expect(tensor.dims).toEqual([1, 2]);
    expect(toFloats(tensor).data).toBe(floats.data);
    expect(toFloats(tensor).dims).toEqual([1, 2]);
  });

  it('of another element type are not floats', () => {
    expect(() => toFloats(new Tensor('int64', BigInt64Array.of(1n), [1]))).toThrow(
      new TypeError('expected a float32 tensor, got int64'),
    );
    expect(() => toFloats(new Tensor('uint8', Uint8Array.of(1), [1]))).toThrow(TypeError);
  });

  it('that do not fill their dimensions are refused', () => {
    expect(() => toTensor({ dims: [2, 2], data: Float32Array.of(1, 2, 3) })).toThrow();
  });
});
