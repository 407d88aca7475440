/**
 * Zero channels before a convolution change nothing but how many there are; checked by running both graphs on the CPU.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { padChannels } from '../../src/engine/runtime/channelPadding';
import { encodeModel, type Graph, type Initializer, type Node } from '../../src/engine/runtime/onnxGraph';
import { Tensor } from '../../src/engine/runtime/onnxRuntime';
import { bytesOf, fieldsOf, textOf } from '../../src/engine/runtime/protobuf';
import { Session } from '../../src/engine/runtime/sessions';
import { toFloats } from '../../src/engine/runtime/tensors';
import { repository } from '../cli/runCli';
import { seededRandom } from '../seeded';

interface Convolution {
  readonly channels: number;
  readonly kernel?: number;
  readonly groups?: number;
  /** How the weights come into the graph. */
  readonly weights?: 'initializer' | 'int8' | 'computed';
  readonly op?: 'Conv' | 'ConvTranspose';
}

/** One convolution from `channels` to 8 channels over 6 x 5 pixels. */
function convolution({
  channels,
  kernel = 3,
  groups = 1,
  weights = 'initializer',
  op = 'Conv',
}: Convolution): Uint8Array {
  const random = seededRandom(channels * 7 + kernel);
  const dims = op === 'Conv' ? [8, channels / groups, kernel, kernel] : [channels, 8, kernel, kernel];
  const count = dims.reduce((a, b) => a * b, 1);
  const nodes: Node[] = [];
  const initializers: Initializer[] = [
    { name: 'bias', type: 'float32', dims: [8], data: Float32Array.from({ length: 8 }, () => random() - 0.5) },
  ];
  if (weights === 'int8') {
    const data = Int8Array.from({ length: count }, () => Math.floor(random() * 256) - 128);
    initializers.push({ name: 'whole', type: 'int8', dims, data });
    initializers.push({ name: 'scale', type: 'float32', dims: [], data: Float32Array.of(0.01) });
    nodes.push({ op: 'DequantizeLinear', inputs: ['whole', 'scale'], outputs: ['w'] });
  } else {
    const name = weights === 'computed' ? 'half' : 'w';
    initializers.push({
      name,
      type: 'float32',
      dims,
      data: Float32Array.from({ length: count }, () => random() - 0.5),
    });
    if (weights === 'computed') nodes.push({ op: 'Add', inputs: ['half', 'half'], outputs: ['w'] });
  }
  const side = kernel >> 1;
  const attributes = { kernel_shape: [kernel, kernel], pads: [side, side, side, side], group: groups };
  nodes.push({ op, inputs: ['x', 'w', 'bias'], outputs: ['y'], attributes });
  return encodeModel({
    name: 'convolution',
    inputs: [{ name: 'x', type: 'float32', dims: [1, channels, 6, 5] }],
    outputs: [{ name: 'y', type: 'float32', dims: [1, 8, 'rows', 'columns'] }],
    nodes,
    initializers,
  } satisfies Graph);
}

async function run(model: Uint8Array, channels: number): Promise<Float32Array> {
  const spec = { type: 'float32', rank: 4 } as const;
  const session = await Session.open(
    'convolution',
    model,
    { inputs: { x: spec }, outputs: { y: spec } },
    { threads: 1 },
  );
  const random = seededRandom(3);
  const x = new Tensor('float32', Float32Array.from({ length: channels * 30 }, random), [1, channels, 6, 5]);
  const y = toFloats((await session.run({ x })).y).data;
  await session.dispose();
  return y;
}

/** Operators of a model's nodes in order. */
function operators(model: Uint8Array): string[] {
  const graph = fieldsOf(model).find(({ field }) => field === 7)!;
  const nodes = fieldsOf(bytesOf(graph)).filter(({ field }) => field === 1);
  return nodes.map((node) => textOf(fieldsOf(bytesOf(node)).find(({ field }) => field === 4)!));
}

describe('a convolution that WebGPU computes wrongly', () => {
  it.each<Convolution>([
    { channels: 6 },
    { channels: 9, kernel: 2 },
    { channels: 15 },
    { channels: 15, weights: 'int8' },
    { channels: 21, kernel: 5 },
  ])('gets zero channels and the same numbers: %o', async (which) => {
    const model = convolution(which);
    const padded = padChannels(model);
    expect(operators(padded).filter((op) => op !== 'DequantizeLinear')).toEqual(['Pad', 'Pad', 'Conv']);
    const [expected, found] = [await run(model, which.channels), await run(padded, which.channels)];
    expect(found.length).toBe(expected.length);
    found.forEach((value, i) => void expect(value).toBeCloseTo(expected[i], 4));
    // What is right already stays as it is.
    expect(padChannels(padded) === padded).toBe(true);
  });
});

describe('any other graph', () => {
  it.each<Convolution>([
    { channels: 3 },
    { channels: 5 },
    { channels: 12 },
    { channels: 16 },
    { channels: 15, kernel: 1 },
    { channels: 18, groups: 2 },
    { channels: 15, op: 'ConvTranspose' },
    // How many channels there are is known only when it runs.
    { channels: 15, weights: 'computed' },
  ])('stays the same bytes: %o', (which) => {
    const model = convolution(which);
    expect(padChannels(model) === model).toBe(true);
  });

  it('among them the models that ship, which are made with channels that fit', async () => {
    for (const name of ['embedded-encoder.onnx', 'embedded-decoder.onnx']) {
      const model = await readFile(path.join(repository, 'models', name));
      expect(padChannels(model) === model, name).toBe(true);
    }
  });

  it.each([
    ['no protobuf message', 'version https://git-lfs.github.com/spec/v1'],
    ['one that is cut short', convolution({ channels: 15 }).subarray(0, 300)],
  ])('that is %s is told as such', (_, content) => {
    expect(() => padChannels(Buffer.from(content as string))).toThrow(RangeError);
  });
});
