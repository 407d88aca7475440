/**
 * The embedded decoder's adapter on a graph of the true names, types and ranks that plays back what it was fed: the
 * logits are the point coordinates, then the labels, `has_mask_input`, the mask prompt, and the first value of each
 * feature.
 */
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import type { DecodedMask, PromptSet } from '../../src/core/prompting/segmenter';
import { UserError } from '../../src/core/userError';
import { type Encoding, embeddedFeatures } from '../../src/engine/encoders';
import {
  encodeModel,
  type Graph,
  type Initializer,
  type Node,
  type ValueInfo,
} from '../../src/engine/runtime/onnxGraph';
import { Session } from '../../src/engine/runtime/sessions';
import { EmbeddedSegmenter } from '../../src/engine/segmenters';
import type { ResolvedModel } from '../../src/models/modelStore';
import { put, temporaryFolder } from '../dataset/fixtures';

const images = ['pixel_values', ...embeddedFeatures];

/** `iou_predictions` is the sum of the labels plus ten times `has_mask_input`. */
function playBack(inputs: (all: readonly ValueInfo[]) => readonly ValueInfo[] = (all) => all): Graph {
  const ints = (name: string, ...values: number[]): Initializer => ({
    name,
    type: 'int64',
    dims: [values.length],
    data: BigInt64Array.from(values, BigInt),
  });
  const float = (name: string, ...values: number[]): Initializer => ({
    name,
    type: 'float32',
    dims: [values.length],
    data: Float32Array.from(values),
  });
  const flat = (name: string): Node => ({ op: 'Reshape', inputs: [name, 'any'], outputs: [`flat_${name}`] });
  const parts = ['point_coords', 'point_labels', 'has_mask_input', 'mask_input', ...images];
  return {
    name: 'tiny decoder',
    inputs: inputs([
      ...images.map((name): ValueInfo => ({ name, type: 'float32', dims: ['n', 'c', 'h', 'w'] })),
      { name: 'point_coords', type: 'float32', dims: ['n', 'points', 2] },
      { name: 'point_labels', type: 'float32', dims: ['n', 'points'] },
      { name: 'mask_input', type: 'float32', dims: ['n', 1, 'h4', 'w4'] },
      { name: 'has_mask_input', type: 'float32', dims: ['n'] },
    ]),
    outputs: [
      { name: 'masks', type: 'float32', dims: ['n', 1, 'h2', 'w2'] },
      { name: 'iou_predictions', type: 'float32', dims: ['n', 1] },
    ],
    nodes: [
      ...parts.map(flat),
      ...images.map(
        (name): Node => ({ op: 'Slice', inputs: [`flat_${name}`, 'zero', 'one'], outputs: [`first_${name}`] }),
      ),
      {
        op: 'Concat',
        inputs: [...parts.slice(0, 4).map((name) => `flat_${name}`), ...images.map((name) => `first_${name}`), 'rest'],
        outputs: ['all'],
        attributes: { axis: 0 },
      },
      // The logit map has half the image's sides.
      { op: 'Shape', inputs: ['pixel_values'], outputs: ['sides'], attributes: { start: 2 } },
      { op: 'Div', inputs: ['sides', 'two'], outputs: ['half'] },
      { op: 'ReduceProd', inputs: ['half'], outputs: ['count'], attributes: { keepdims: 1 } },
      { op: 'Slice', inputs: ['all', 'zero', 'count'], outputs: ['shown'] },
      { op: 'Concat', inputs: ['one', 'one', 'half'], outputs: ['mask_shape'], attributes: { axis: 0 } },
      { op: 'Reshape', inputs: ['shown', 'mask_shape'], outputs: ['masks'] },
      { op: 'ReduceSum', inputs: ['point_labels', 'one'], outputs: ['label_sum'], attributes: { keepdims: 1 } },
      { op: 'Mul', inputs: ['has_mask_input', 'ten'], outputs: ['tens'] },
      { op: 'Add', inputs: ['label_sum', 'tens'], outputs: ['iou_predictions'] },
    ],
    initializers: [
      ints('any', -1),
      ints('zero', 0),
      ints('one', 1),
      ints('two', 2, 2),
      float('ten', 10),
      float('rest', ...new Array<number>(4096).fill(REST)),
    ],
  };
}

/** Fills the map behind what was played back; no prompt has this value. */
const REST = -777;

async function resolved(graph: Graph): Promise<ResolvedModel> {
  const path = await put(join(await temporaryFolder(), 'tiny.onnx'), encodeModel(graph));
  return {
    paths: { model: path },
    sha256: '0'.repeat(64),
    entry: {
      id: 'tiny',
      kind: 'segmenter',
      family: 'embedded',
      title: 'Tiny',
      licence: 'Apache-2.0',
      origin: 'test',
      files: [{ role: 'model', file: 'tiny.onnx', sha256: '0'.repeat(64), bytes: 1 }],
    },
  };
}

const modelSize: Size = { width: 64, height: 32 };
const maskSize: Size = { width: 16, height: 8 };

/** An encoding whose k-th feature begins with 100 + k. */
function encodingOf(names: readonly string[] = images, size = modelSize): Encoding {
  return {
    modelSize: size,
    tokens: { grid: { width: 8, height: 4 }, dim: 1, data: new Float32Array(32), normalised: true },
    features: Object.fromEntries(
      names.map((name) => [
        name,
        {
          dims: [1, 1, size.height, size.width],
          data: new Float32Array(area(size)).fill(100 + images.indexOf(name), 0, 1),
        },
      ]),
    ),
  };
}

interface PlayedBack {
  readonly coords: number[];
  readonly labels: number[];
  readonly hasMask: number;
  readonly mask: number[];
  readonly features: number[];
}

/** Takes a played-back map apart again; nothing follows what is known. */
function readBack({ logits }: DecodedMask, points: number): PlayedBack {
  const values = [...logits.data];
  const take = (count: number) => values.splice(0, count);
  const played = {
    coords: take(points * 2),
    labels: take(points),
    hasMask: take(1)[0],
    mask: take(area(maskSize)),
    features: take(images.length),
  };
  expect(new Set(values)).toEqual(new Set([REST]));
  return played;
}

const target: Size = { width: 128, height: 320 };
const nothing = {
  hasMask: 0,
  mask: new Array<number>(area(maskSize)).fill(0),
  features: images.map((_, k) => 100 + k),
};

async function decode(...prompts: PromptSet[]): Promise<DecodedMask[]> {
  const segmenter = await EmbeddedSegmenter.open(await resolved(playBack()), 1);
  const decoded = await segmenter.decode(await segmenter.embed(encodingOf()), target, prompts);
  await segmenter.dispose();
  return decoded;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('points', () => {
  it('move from the image to the model, x before y, each axis by its own scale', async () => {
    const [decoded] = await decode({
      points: [
        { point: { x: 128, y: 320 }, label: 1 },
        { point: { x: 10, y: 30 }, label: 0 },
        { point: { x: 0, y: 0 }, label: 1 },
        { point: { x: 64.5, y: 315 }, label: 0 },
      ],
    });
    expect(readBack(decoded, 4)).toEqual({
      ...nothing,
      coords: [64, 32, 5, 3, 0, 0, 32.25, 31.5],
      labels: [1, 0, 1, 0],
    });
  });

  it('are followed by the corners of the box, labelled 2 and 3', async () => {
    const box = { left: 20, top: 40, right: 100, bottom: 300 };
    const [both, alone] = await decode({ points: [{ point: { x: 2, y: 10 }, label: 0 }], box }, { points: [], box });
    expect(readBack(both, 3)).toEqual({ ...nothing, coords: [1, 1, 10, 4, 50, 30], labels: [0, 2, 3] });
    expect(readBack(alone, 2)).toEqual({ ...nothing, coords: [10, 4, 50, 30], labels: [2, 3] });
  });

  it('are one of padding where there is neither point nor box', async () => {
    const [decoded] = await decode({ points: [] });
    expect(readBack(decoded, 1)).toEqual({ ...nothing, coords: [0, 0], labels: [-1] });
  });
});

describe('a mask prompt', () => {
  it('is stretched to a quarter of the model and announced', async () => {
    const ramp = { size: { width: 2, height: 1 }, data: Float32Array.of(-16, 16) };
    const [decoded] = await decode({ points: [], maskPrompt: ramp });
    const { hasMask, mask } = readBack(decoded, 1);
    expect(hasMask).toBe(1);
    // Pixel centres at half-integers, flat beyond the outermost ones: column k lies at k / 8 - 7 / 16 of the ramp.
    const row = Array.from({ length: 16 }, (_, k) => -16 + 32 * Math.min(1, Math.max(0, k / 8 - 7 / 16)));
    expect(mask).toEqual(Array.from({ length: 8 }, () => row).flat());
    expect(row.slice(3, 6)).toEqual([-16, -14, -10]);
  });

  it('of that size goes through as it is, rows before columns', async () => {
    const data = Float32Array.from({ length: area(maskSize) }, (_, i) => i - 64);
    const [decoded] = await decode({ points: [], maskPrompt: { size: maskSize, data } });
    expect(readBack(decoded, 1)).toMatchObject({ hasMask: 1, mask: [...data] });
  });
});

describe('decoding', () => {
  it('answers every prompt set with one run, in order', async () => {
    const run = vi.spyOn(Session.prototype, 'run');
    const maskPrompt = { size: { width: 1, height: 1 }, data: Float32Array.of(5) };
    const decoded = await decode(
      { points: [{ point: { x: 2, y: 10 }, label: 1 }] },
      { points: [], maskPrompt },
      { points: [], box: { left: 0, top: 0, right: 128, bottom: 320 } },
    );
    expect(run).toHaveBeenCalledTimes(3);
    expect(decoded).toHaveLength(3);
    expect(readBack(decoded[0], 1)).toEqual({ ...nothing, coords: [1, 1], labels: [1] });
    expect(readBack(decoded[1], 1)).toEqual({
      ...nothing,
      coords: [0, 0],
      labels: [-1],
      hasMask: 1,
      mask: new Array(area(maskSize)).fill(5),
    });
    expect(readBack(decoded[2], 2)).toEqual({ ...nothing, coords: [0, 0, 64, 32], labels: [2, 3] });
    expect(decoded.map(({ iouPrediction }) => iouPrediction)).toEqual([1, 9, 5]);
  });

  it('gives logits of half the model, over the whole image', async () => {
    const [{ logits }] = await decode({ points: [] });
    expect(logits.size).toEqual({ width: 32, height: 16 });
    expect(logits.data).toBeInstanceOf(Float32Array);
    expect(logits.data).toHaveLength(32 * 16);
  });

  it('of nothing asks nothing', async () => {
    const run = vi.spyOn(Session.prototype, 'run');
    expect(await decode()).toEqual([]);
    expect(run).not.toHaveBeenCalled();
  });

  it('of one embedding may be repeated, also for an image of another size', async () => {
    const segmenter = await EmbeddedSegmenter.open(await resolved(playBack()), 1);
    const embedding = await segmenter.embed(encodingOf());
    const prompt: PromptSet = { points: [{ point: { x: 16, y: 16 }, label: 1 }] };
    for (const [image, coords] of [
      [{ width: 64, height: 32 }, [16, 16]],
      [{ width: 32, height: 64 }, [32, 8]],
      [{ width: 64, height: 32 }, [16, 16]],
    ] as const) {
      const [decoded] = await segmenter.decode(embedding, image, [prompt]);
      expect(readBack(decoded, 1).coords).toEqual(coords);
    }
    await segmenter.dispose();
  });
});

describe('the embedded segmenter', () => {
  it('can do what the family can', async () => {
    const segmenter = await EmbeddedSegmenter.open(await resolved(playBack()), 1);
    expect(segmenter.capabilities).toEqual({
      points: true,
      negatives: true,
      box: true,
      maskPrompt: true,
      iterative: true,
      promptBatch: false,
      multimask: false,
      wholeClass: true,
    });
    await segmenter.dispose();
  });

  it('reads the features of its own encoder', async () => {
    const segmenter = await EmbeddedSegmenter.open(await resolved(playBack()), 1);
    expect(segmenter.reads).toBe('features');
    expect(segmenter.needs).toEqual(images);
    await segmenter.dispose();
  });

  it('refuses a model that takes labels of another type', async () => {
    const graph = playBack((all) =>
      all.map((value) => (value.name === 'point_labels' ? { ...value, type: 'int64' } : value)),
    );
    // The played-back labels would be of the wrong type inside the graph, so that they are cast on the way in.
    const cast: Node = { op: 'Cast', inputs: ['point_labels'], outputs: ['labels'], attributes: { to: 1 } };
    const nodes = graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((name) => (name === 'point_labels' ? 'labels' : name)),
    }));
    const error = await EmbeddedSegmenter.open(await resolved({ ...graph, nodes: [cast, ...nodes] }), 1).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^Segmenter "tiny": its inputs and outputs are not what this model/);
    expect((error as UserError).message).toContain(
      'input point_labels should be float32 of rank 2, found int64 of rank 2',
    );
  });
});
