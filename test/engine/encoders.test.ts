/**
 * The embedded encoder's adapter on a graph of the true names, types and ranks that hands pixels through: a token is
 * its cell's 8 x 8 pixels, plane by plane, and the k-th feature is k times the image.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { UserError } from '../../src/core/userError';
import { EmbeddedEncoder, embeddedFeatures } from '../../src/engine/encoders';
import {
  encodeModel,
  type Graph,
  type Initializer,
  type Node,
  type ValueInfo,
} from '../../src/engine/runtime/onnxGraph';
import type { ResolvedModel } from '../../src/models/modelStore';
import { put, temporaryFolder } from '../dataset/fixtures';
import { seededRandom } from '../seeded';

const STRIDE = 8;
const DIM = 128;
const CELL = STRIDE * STRIDE * 3;

interface Changes {
  readonly dim?: number;
  readonly outputs?: (outputs: readonly ValueInfo[]) => readonly ValueInfo[];
}

/** `pixel_values` of any size -> tokens and features. */
function passThrough({ dim = DIM, outputs = (all) => all }: Changes = {}): Graph {
  const ints = (name: string, ...values: number[]): Initializer => ({
    name,
    type: 'int64',
    dims: [values.length],
    data: BigInt64Array.from(values, BigInt),
  });
  const image = ['n', 'c', 'h', 'w'];
  const tokens: Node[] = [
    // Rows of cells apart from rows in a cell: the grid's sides come from the image's, whatever they are.
    { op: 'Shape', inputs: ['pixel_values'], outputs: ['height'], attributes: { start: 2, end: 3 } },
    { op: 'Shape', inputs: ['pixel_values'], outputs: ['width'], attributes: { start: 3, end: 4 } },
    { op: 'Div', inputs: ['height', 'stride'], outputs: ['rows'] },
    { op: 'Div', inputs: ['width', 'stride'], outputs: ['columns'] },
    {
      op: 'Concat',
      inputs: ['planes', 'rows', 'stride', 'columns', 'stride'],
      outputs: ['cells'],
      attributes: { axis: 0 },
    },
    { op: 'Reshape', inputs: ['pixel_values', 'cells'], outputs: ['split'] },
    { op: 'Transpose', inputs: ['split'], outputs: ['in_cells'], attributes: { perm: [1, 3, 0, 2, 4] } },
    { op: 'Reshape', inputs: ['in_cells', 'flat'], outputs: ['cell_pixels'] },
    { op: 'Pad', inputs: ['cell_pixels', 'padding'], outputs: ['patch_tokens'] },
  ];
  return {
    name: 'tiny encoder',
    inputs: [{ name: 'pixel_values', type: 'float32', dims: image }],
    outputs: outputs([
      { name: 'patch_tokens', type: 'float32', dims: [1, 'patches', dim] },
      ...embeddedFeatures.map((name): ValueInfo => ({ name, type: 'float32', dims: image })),
    ]),
    nodes: [
      ...tokens,
      ...embeddedFeatures.map(
        (name, k): Node => ({ op: 'Mul', inputs: ['pixel_values', `factor${k}`], outputs: [name] }),
      ),
      { op: 'Identity', inputs: ['height'], outputs: ['extra'] },
    ],
    initializers: [
      ints('stride', STRIDE),
      ints('planes', 3),
      ints('flat', 1, -1, CELL),
      ints('padding', 0, 0, 0, 0, 0, dim - CELL),
      ...embeddedFeatures.map(
        (_, k): Initializer => ({ name: `factor${k}`, type: 'float32', dims: [], data: Float32Array.of(k + 1) }),
      ),
    ],
  };
}

/** A model as the store would resolve it. */
async function resolved(graph: Graph, inputSide?: number): Promise<ResolvedModel> {
  const path = await put(join(await temporaryFolder(), 'tiny.onnx'), encodeModel(graph));
  return {
    paths: { model: path },
    sha256: '0'.repeat(64),
    entry: {
      id: 'tiny',
      kind: 'encoder',
      family: 'embedded',
      title: 'Tiny',
      licence: 'Apache-2.0',
      origin: 'test',
      ...(inputSide === undefined ? {} : { inputSide }),
      files: [{ role: 'model', file: 'tiny.onnx', sha256: '0'.repeat(64), bytes: 1 }],
    },
  };
}

const random = seededRandom(3);
const randomPixels = (size: Size) => Uint8Array.from({ length: area(size) * 3 }, () => Math.floor(random() * 256));

/** [1, 3, h, w] of [h, w, 3]. */
function planar(pixels: Uint8Array, { width, height }: Size): number[] {
  const values: number[] = [];
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) values.push(pixels[(y * width + x) * 3 + channel]);
    }
  }
  return values;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

describe('the embedded encoder', () => {
  it.each([
    { width: 32, height: 32 },
    { width: 64, height: 32 },
    { width: 32, height: 96 },
  ])('gives a model of $width x $height its pixels and takes tokens row by row', async (size) => {
    const encoder = await EmbeddedEncoder.open(await resolved(passThrough()), 1);
    const pixels = randomPixels(size);
    pixels.set([0, 1, 255], 0);
    const { modelSize, tokens } = await encoder.encode(pixels, size);
    await encoder.dispose();

    expect(modelSize).toEqual(size);
    const { grid, dim, data, normalised } = tokens;
    expect(grid).toEqual({ width: size.width / STRIDE, height: size.height / STRIDE });
    expect(dim).toBe(DIM);
    expect(normalised).toBe(true);
    expect(data).toHaveLength(area(grid) * DIM);
    for (let patch = 0; patch < area(grid); patch++) {
      const top = Math.floor(patch / grid.width) * STRIDE;
      const left = (patch % grid.width) * STRIDE;
      const expected = new Array<number>(DIM).fill(0);
      // Of a cell's pixels as many as a token has numbers.
      for (let i = 0; i < Math.min(CELL, DIM); i++) {
        const [channel, y, x] = [Math.floor(i / 64), Math.floor((i % 64) / STRIDE), i % STRIDE];
        expected[i] = pixels[((top + y) * size.width + left + x) * 3 + channel];
      }
      expect([...data.subarray(patch * DIM, (patch + 1) * DIM)], `token ${patch}`).toEqual(expected);
    }
  });

  it('hands the decoder its image and each feature under its own name', async () => {
    const size = { width: 64, height: 32 };
    const encoder = await EmbeddedEncoder.open(await resolved(passThrough()), 1);
    const pixels = randomPixels(size);
    const { features } = await encoder.encode(pixels, size);
    await encoder.dispose();

    expect(Object.keys(features).sort()).toEqual(['pixel_values', ...embeddedFeatures].sort());
    const image = planar(pixels, size);
    expect(features.pixel_values).toEqual({ dims: [1, 3, 32, 64], data: Float32Array.from(image) });
    embeddedFeatures.forEach((name, k) => {
      expect(features[name], name).toEqual({
        dims: [1, 3, 32, 64],
        data: Float32Array.from(image, (value) => value * (k + 1)),
      });
    });
  });

  it("stretches every image to the manifest's side, or to 288 where it names none", async () => {
    for (const [inputSide, side] of [
      [undefined, 288],
      [96, 96],
      [512, 512],
    ] as const) {
      const encoder = await EmbeddedEncoder.open(await resolved(passThrough(), inputSide), 1);
      expect(encoder.inputSize()).toEqual({ width: side, height: side });
      await encoder.dispose();
    }
  });

  it.each([1, 100, 287, 400])('refuses a side of %i, which is no multiple of 32', async (side) => {
    expect(await messageOf(EmbeddedEncoder.open(await resolved(passThrough(), side), 1))).toBe(
      `The encoder "tiny" has input side ${side} in its manifest; expected a multiple of 32.`,
    );
  });

  it('refuses a model without one of its outputs', async () => {
    const graph = passThrough({ outputs: (all) => all.filter(({ name }) => name !== 'match_s8') });
    const message = await messageOf(EmbeddedEncoder.open(await resolved(graph), 1));
    expect(message).toMatch(/^Encoder "tiny": its inputs and outputs are not what this model family needs: /);
    expect(message).toContain('output match_s8 (float32 of rank 4) is missing');
  });

  it('takes no notice of further outputs', async () => {
    const extra: ValueInfo = { name: 'extra', type: 'int64', dims: [1] };
    const encoder = await EmbeddedEncoder.open(await resolved(passThrough({ outputs: (all) => [extra, ...all] })), 1);
    const size = { width: 32, height: 32 };
    const { features } = await encoder.encode(randomPixels(size), size);
    expect(features).not.toHaveProperty('extra');
    await encoder.dispose();
  });

  it('refuses tokens of another length, and says what was expected', async () => {
    const encoder = await EmbeddedEncoder.open(await resolved(passThrough({ dim: 768 })), 1);
    const size = { width: 64, height: 32 };
    await expect(encoder.encode(randomPixels(size), size)).rejects.toThrow(
      new RangeError('embedded encoder: expected tokens [1, 32, 128], got [1, 32, 768]'),
    );
    await encoder.dispose();
  });

  it('refuses pixels that do not fill the size', async () => {
    const encoder = await EmbeddedEncoder.open(await resolved(passThrough()), 1);
    const size = { width: 64, height: 32 };
    for (const bytes of [64 * 32 * 4, 64 * 32, 64 * 32 * 3 - 1]) {
      await expect(encoder.encode(new Uint8Array(bytes), size)).rejects.toThrow(
        new RangeError(`expected 6144 bytes of RGB for 64 x 32, got ${bytes}`),
      );
    }
    await encoder.dispose();
  });
});
