/**
 * Small graphs with the inputs and outputs of each family's true ones (names, types, ranks, sizes), whose results are
 * known functions of what they are fed. Encoders give patch means; segmenters' embeddings carry the image as they see
 * it, and their masks are discs around positive points and filled boxes, less discs around negative points, where the
 * image is bright. So coordinates, padding, axis order, normalisation and label encodings show in the result, without
 * weights.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../../src/disk/hashing';
import { encodeModel, type Graph } from '../../src/engine/runtime/onnxGraph';
import type { ModelEntry } from '../../src/models/manifest';
import type { ResolvedModel } from '../../src/models/modelStore';
import { GraphBuilder } from './graphBuilder';

export const SIDE = 1024;
export const MASK_SIDE = 256;
/** Radius of discs in pixels of the model's frame. */
export const POSITIVE_RADIUS = 200;
export const NEGATIVE_RADIUS = 30;
/** What is added to what each candidate draws: one that is chosen by its score shows in the mask. */
export const OFFSETS = [4, 8, 0, 40] as const;
export const SCORES = [0.5, 0.7, 0.9, 0.6] as const;
/** Added to full masks where a graph also gives masks of low resolution, which are to be preferred. */
export const FULL_MASK_MARK = 1000;

const FAR = 1e6;
const CHANNELS = 256;
const GRID = 64;

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

// Encoders.

export interface DinoShape {
  readonly patch: number;
  readonly registers: number;
  readonly dim: number;
  /** Adds the column and the row to two channels. */
  readonly positions?: boolean;
  /** Name of an output with ten times the tokens. */
  readonly preNorm?: string;
  /** Puts the first constant into a file beside the model. */
  readonly externalFile?: string;
}

/** Of the class token and the registers. */
export const NO_PATCH = 999;

/** What a patch's column and row add to two of its channels, each time one further. */
export const POSITION_STEP = 0.02;

/**
 * `pixel_values` [N, 3, H, W] -> `last_hidden_state` [N, 1 + registers + patches, dim]: means of each patch's channels.
 */
export function dinoGraph({ patch, registers, dim, positions, preNorm, externalFile }: DinoShape): Graph {
  const g = new GraphBuilder();
  const pixels = g.input('pixel_values', 'float32', ['batch', 3, 'height', 'width']);
  const means = g.add(g.averagePool(pixels, patch), g.floats([0], [1, 1, 1, 1], externalFile));
  const ones = g.add(g.multiply(g.slice(means, 0, 1, 1), g.scalar(0)), g.scalar(1));
  const along = (axis: number) => g.multiply(g.op('CumSum', [ones, g.ints([axis], [])]), g.scalar(POSITION_STEP));
  const maps = positions ? g.concat([means, along(3), along(2)], 1) : means;
  const channels = g.pad(maps, [0, 0, 0, 0, 0, dim - (positions ? 5 : 3), 0, 0], 0);
  const tokens = g.transpose(g.op('Reshape', [channels, g.ints([0, dim, -1])]), [0, 2, 1]);
  const named = (name: string, of: string) =>
    g.output(name, g.pad(of, [0, 1 + registers, 0, 0, 0, 0], NO_PATCH), 'float32', ['batch', 'tokens', dim]);
  named('last_hidden_state', tokens);
  if (preNorm) named(preNorm, g.multiply(tokens, g.scalar(10)));
  return g.build('dino');
}

/** float32 [1, 3, 1024, 1024] -> its means in 64 x 64 cells, in the first 3 of 256 channels. */
const embedded = (g: GraphBuilder, image: string): string =>
  g.pad(g.averagePool(image, SIDE / GRID), [0, 0, 0, 0, 0, CHANNELS - 3, 0, 0], 0);

const normalised = (g: GraphBuilder, image: string): string =>
  g.divide(g.subtract(image, g.floats(MEAN, [1, 3, 1, 1])), g.floats(STD, [1, 3, 1, 1]));

const embeddingDims = [1, CHANNELS, GRID, GRID] as const;

/** labelme's SAM, or another planar export: takes the image normalised and padded. */
export function planarSamEncoder(input = 'x', hq = false): Graph {
  const g = new GraphBuilder();
  const image = g.input(input, 'float32', [1, 3, SIDE, SIDE]);
  samEmbeddings(g, image, hq);
  return g.build('planar SAM encoder');
}

/** Acly's MobileSAM: takes the image as it is, without padding. */
export function interleavedSamEncoder(hq = false): Graph {
  const g = new GraphBuilder();
  const image = g.input('input_image', 'float32', ['height', 'width', 3]);
  const bytes = g.divide(image, g.scalar(255));
  const planar = normalised(g, g.unsqueeze(g.transpose(bytes, [2, 0, 1]), [0]));
  const missing = g.op('Sub', [g.ints([SIDE, SIDE]), g.op('Shape', [planar], { start: 2, end: 4 })]);
  const pads = g.concat([g.ints([0, 0, 0, 0, 0, 0]), missing], 0);
  samEmbeddings(g, g.pad(planar, pads, 0), hq);
  return g.build('interleaved SAM encoder');
}

function samEmbeddings(g: GraphBuilder, image: string, hq: boolean): void {
  const embeddings = embedded(g, image);
  g.output('image_embeddings', embeddings, 'float32', embeddingDims);
  if (!hq) return;
  const block = g.unsqueeze(g.transpose(g.averagePool(image, SIDE / GRID), [0, 2, 3, 1]), [0]);
  const empty = g.multiply(block, g.scalar(0));
  g.output('interm_embeddings', g.concat([block, empty, empty, empty], 0), 'float32', [4, 1, GRID, GRID, 3]);
}

/** Xenova's SlimSAM and MedSAM. */
export function samModelEncoder(): Graph {
  const g = new GraphBuilder();
  const image = g.input('pixel_values', 'float32', ['batch', 3, SIDE, SIDE]);
  const embeddings = embedded(g, image);
  g.output('image_embeddings', embeddings, 'float32', embeddingDims);
  // Bright everywhere: an adapter that mixes the two up sees no dark image.
  const bright = g.add(g.multiply(embeddings, g.scalar(0)), g.scalar(9));
  g.output('image_positional_embeddings', bright, 'float32', embeddingDims);
  return g.build('SamModel encoder');
}

/** onnx-community's SAM 2.1. */
export function sam2Encoder(externalFile?: string): Graph {
  const g = new GraphBuilder();
  const image = g.input('pixel_values', 'float32', ['batch', 3, SIDE, SIDE]);
  const shifted = g.add(image, g.floats([0], [1, 1, 1, 1], externalFile));
  for (const [level, channels] of [32, 64, CHANNELS].entries()) {
    const side = MASK_SIDE >> level;
    const map = g.pad(g.averagePool(shifted, SIDE / side), [0, 0, 0, 0, 0, channels - 3, 0, 0], 0);
    g.output(`image_embeddings.${level}`, map, 'float32', ['batch', channels, side, side]);
  }
  return g.build('SAM 2.1 encoder');
}

/** labelme's EfficientSAM: takes values 0..1 of any size. */
export function efficientSamEncoder(): Graph {
  const g = new GraphBuilder();
  const image = g.input('batched_images', 'float32', ['batch', 3, 'height', 'width']);
  const square = g.resize(image, g.ints([1, 3, SIDE, SIDE]));
  g.output('image_embeddings', embedded(g, normalised(g, square)), 'float32', embeddingDims);
  return g.build('EfficientSAM encoder');
}

// Decoders.

interface Question {
  /** float32 [sets, points, 2]: pixel indices in the model's frame. */
  readonly coords: string;
  /** float32 [sets, points]. */
  readonly labels: string;
  /** float32 [boxes, 4]: pixel indices. */
  readonly boxes?: string;
  /** The image's first channel, float32 [256, 256]. */
  readonly brightness: string;
  /** What is brighter is object. */
  readonly threshold: number;
  /** False where label 0 means nothing to the graph. */
  readonly negatives?: boolean;
}

const centres = Array.from({ length: MASK_SIDE }, (_, i) => (i + 0.5) * (SIDE / MASK_SIDE));

/** float32 [sets, 256, 256]: positive inside. */
function drawn(g: GraphBuilder, { coords, labels, boxes, brightness, threshold, negatives = true }: Question): string {
  // One more that is no point, so that there always is one.
  const points = g.add(g.pad(coords, [0, 0, 0, 0, 1, 0], 0), g.scalar(0.5));
  const label = g.unsqueeze(g.pad(labels, [0, 0, 0, 1], -1), [2, 3]);
  const x = g.unsqueeze(g.pick(points, 0, 2), [2, 3]);
  const y = g.unsqueeze(g.pick(points, 1, 2), [2, 3]);
  const columns = g.floats(centres, [1, 1, 1, MASK_SIDE]);
  const rows = g.floats(centres, [1, 1, MASK_SIDE, 1]);
  const square = (value: string) => g.multiply(value, value);
  const distance = g.op('Sqrt', [g.add(square(g.subtract(columns, x)), square(g.subtract(rows, y)))]);
  const near = (radius: number, value: number) =>
    g.max(g.whereEqual(label, value, g.subtract(g.scalar(radius), distance), -FAR), 1);
  const corner = (of: string, value: number) => g.max(g.whereEqual(label, value, of, -FAR), 1);
  const inside = (left: string, top: string, right: string, bottom: string) => {
    const u = g.floats(centres, [1, 1, MASK_SIDE]);
    const v = g.floats(centres, [1, MASK_SIDE, 1]);
    return g.op('Min', [g.subtract(u, left), g.subtract(right, u), g.subtract(v, top), g.subtract(bottom, v)]);
  };
  const parts = [near(POSITIVE_RADIUS, 1), inside(corner(x, 2), corner(y, 2), corner(x, 3), corner(y, 3))];
  if (boxes) {
    const all = g.add(g.pad(boxes, [0, 0, 1, 0], FAR), g.scalar(0.5));
    const side = (index: number) => g.unsqueeze(g.pick(all, index, 1), [1, 2]);
    parts.push(g.max(inside(side(0), side(1), side(2), side(3)), 0, true));
  }
  const object = g.op('Max', parts);
  const bright = g.multiply(g.subtract(brightness, g.scalar(threshold)), g.scalar(FAR));
  const limits = negatives ? [g.op('Neg', [near(NEGATIVE_RADIUS, 0)])] : [];
  return g.op('Min', [object, bright, ...limits]);
}

/**
 * float32 [sets, k, 256, 256] and [sets, k]: the same with each candidate's offset, and its score.
 *
 * @param mask a mask prompt [1, 256, 256] that all candidates pass through where `isGiven`.
 */
function candidates(
  g: GraphBuilder,
  logits: string,
  which: readonly number[],
  mask?: { readonly values: string; readonly isGiven: string },
): { masks: string; scores: string } {
  const offsets = which.map((k) => OFFSETS[k]!);
  const drawings = g.add(g.unsqueeze(logits, [1]), g.floats(offsets, [1, which.length, 1, 1]));
  const masks = mask ? g.op('Where', [mask.isGiven, g.unsqueeze(mask.values, [1]), drawings]) : drawings;
  const nothing = g.multiply(g.pick(g.pick(masks, 0, 3), 0, 2), g.scalar(0));
  const scores = g.floats(
    which.map((k) => SCORES[k]!),
    [1, which.length],
  );
  return { masks, scores: g.add(nothing, scores) };
}

/** [1, channels, 64, 64] -> its first channel, [256, 256]. */
function brightnessOf(g: GraphBuilder, embeddings: string): string {
  const cells = g.reshape(g.slice(embeddings, 0, 1, 1), [GRID, 1, GRID, 1]);
  const times = MASK_SIDE / GRID;
  return g.reshape(g.op('Expand', [cells, g.ints([GRID, times, GRID, times])]), [MASK_SIDE, MASK_SIDE]);
}

export interface SamDecoderShape {
  /** Masks of low resolution, full ones, or both as segment-anything's export gives them. */
  readonly gives: 'low' | 'full' | 'both';
  readonly candidates: 1 | 4;
  readonly hq?: boolean;
  readonly threshold?: number;
}

/** The decoder of segment-anything's export. */
export function samDecoder({ gives, candidates: count, hq = false, threshold = 1 }: SamDecoderShape): Graph {
  const g = new GraphBuilder();
  const embeddings = g.input('image_embeddings', 'float32', embeddingDims);
  const blocks = hq ? g.input('interm_embeddings', 'float32', [4, 1, GRID, GRID, 3]) : undefined;
  const coords = g.input('point_coords', 'float32', [1, 'num_points', 2]);
  const labels = g.input('point_labels', 'float32', [1, 'num_points']);
  const maskInput = g.input('mask_input', 'float32', [1, 1, MASK_SIDE, MASK_SIDE]);
  const hasMask = g.input('has_mask_input', 'float32', [1]);
  const seen = blocks ? g.transpose(g.slice(g.squeeze(blocks, [1]), 0, 1, 0), [0, 3, 1, 2]) : embeddings;
  const logits = drawn(g, { coords, labels, brightness: brightnessOf(g, seen), threshold });
  const mask = { values: g.squeeze(maskInput, [1]), isGiven: g.op('Greater', [hasMask, g.scalar(0.5)]) };
  const { masks, scores } = candidates(g, logits, count === 1 ? [1] : [0, 1, 2, 3], mask);
  g.output('iou_predictions', scores, 'float32', [1, count]);
  if (gives !== 'full') g.output('low_res_masks', masks, 'float32', [1, count, MASK_SIDE, MASK_SIDE]);
  if (gives !== 'low') {
    const size = g.input('orig_im_size', 'float32', [2]);
    const scale = g.divide(g.scalar(SIDE), g.op('ReduceMax', [size], { keepdims: 0 }));
    const whole = (value: string) => g.op('Cast', [g.op('Floor', [g.add(value, g.scalar(0.5))])], { to: 7 });
    const square = g.resize(masks, g.ints([1, count, SIDE, SIDE]));
    const ends = whole(g.multiply(size, scale));
    const cropped = g.op('Slice', [square, g.ints([0, 0]), ends, g.ints([2, 3])]);
    const full = g.resize(cropped, g.concat([g.ints([1, count]), whole(size)], 0));
    const marked = gives === 'both' ? g.add(full, g.scalar(FULL_MASK_MARK)) : full;
    g.output('masks', marked, 'float32', [1, count, 'height', 'width']);
  }
  return g.build('SAM decoder');
}

/** Xenova's SlimSAM and MedSAM: knows labels -1, 0 and 1, and boxes only where it has an input for them. */
export function samModelDecoder(options: { boxes: boolean; threshold: number; dynamicSets?: boolean }): Graph {
  const g = new GraphBuilder();
  const sets = options.dynamicSets === false ? 1 : 'point_batch_size';
  const coords = g.input('input_points', 'float32', ['batch_size', sets, 'nb_points_per_image', 2]);
  const labels = g.input('input_labels', 'int64', ['batch_size', sets, 'nb_points_per_image']);
  const boxes = options.boxes ? g.input('input_boxes', 'float32', ['batch_size', 'nb_boxes', 4]) : undefined;
  const embeddings = g.input('image_embeddings', 'float32', embeddingDims);
  g.input('image_positional_embeddings', 'float32', embeddingDims);
  const brightness = brightnessOf(g, embeddings);
  answerSets(g, { coords, labels, ...(boxes && { boxes }), brightness, threshold: options.threshold });
  return g.build('SamModel decoder');
}

/** onnx-community's SAM 2.1. */
export function sam2Decoder(externalFile?: string): Graph {
  const g = new GraphBuilder();
  const coords = g.input('input_points', 'float32', ['batch_size', 'num_objects', 'num_points', 2]);
  const labels = g.input('input_labels', 'int64', ['batch_size', 'num_objects', 'num_points']);
  const boxes = g.input('input_boxes', 'float32', ['batch_size', 'num_boxes', 4]);
  const levels = [32, 64, CHANNELS].map((channels, level) => {
    const side = MASK_SIDE >> level;
    return g.input(`image_embeddings.${level}`, 'float32', ['batch_size', channels, side, side]);
  });
  const brightness = g.reshape(g.slice(levels[0]!, 0, 1, 1), [MASK_SIDE, MASK_SIDE]);
  const shifted = g.add(brightness, g.floats([0], [1, 1], externalFile));
  answerSets(g, { coords, labels, boxes, brightness: shifted, threshold: 1 });
  g.output('object_score_logits', g.floats([5], [1, 1, 1]), 'float32', ['batch_size', 'num_objects', 1]);
  return g.build('SAM 2.1 decoder');
}

function answerSets(g: GraphBuilder, question: Question): void {
  const logits = drawn(g, {
    ...question,
    coords: g.squeeze(question.coords, [0]),
    labels: g.squeeze(g.op('Cast', [question.labels], { to: 1 }), [0]),
    ...(question.boxes && { boxes: g.squeeze(question.boxes, [0]) }),
  });
  const { masks, scores } = candidates(g, logits, [1, 2, 3]);
  g.output('iou_scores', g.unsqueeze(scores, [0]), 'float32', ['batch_size', 'sets', 3]);
  g.output('pred_masks', g.unsqueeze(masks, [0]), 'float32', ['batch_size', 'sets', 3, MASK_SIDE, MASK_SIDE]);
}

/** labelme's EfficientSAM: points in the frame of `orig_im_size`, six at most, none of them negative. */
export function efficientSamDecoder(): Graph {
  const g = new GraphBuilder();
  const embeddings = g.input('image_embeddings', 'float32', embeddingDims);
  const coords = g.input('batched_point_coords', 'float32', ['batch', 'queries', 'num_points', 2]);
  const labels = g.input('batched_point_labels', 'float32', ['batch', 'queries', 'num_points']);
  const size = g.input('orig_im_size', 'int64', [2]);
  const sides = g.op('Cast', [size], { to: 1 });
  const scale = g.divide(g.scalar(SIDE), g.op('Gather', [sides, g.ints([1, 0])], { axis: 0 }));
  const scaled = g.multiply(g.squeeze(coords, [0]), scale);
  const inFrame = g.op('Where', [g.op('Less', [scaled, g.scalar(0)]), g.scalar(-1), scaled]);
  const logits = drawn(g, {
    coords: g.slice(inFrame, 0, 6, 1),
    labels: g.slice(g.squeeze(labels, [0]), 0, 6, 1),
    brightness: brightnessOf(g, embeddings),
    threshold: 1,
    negatives: false,
  });
  const { masks, scores } = candidates(g, logits, [1, 2, 3]);
  const full = g.resize(masks, g.concat([g.ints([1, 3]), size], 0));
  g.output('output_masks', g.unsqueeze(full, [0]), 'float32', ['batch', 'queries', 3, 'height', 'width']);
  g.output('iou_predictions', g.unsqueeze(scores, [0]), 'float32', ['batch', 'queries', 3]);
  return g.build('EfficientSAM decoder');
}

// Models of graphs.

/** What a contract model consists of. */
export interface ContractModel {
  readonly kind: ModelEntry['kind'];
  readonly family: string;
  readonly graphs: Readonly<Record<string, Graph>>;
  readonly settings?: Partial<ModelEntry>;
}

/**
 * The model's files in a folder of its own below `dir`, and its manifest entry; weights that stand outside in
 * `<role>_data`.
 */
export async function writeContractModel(dir: string, id: string, model: ContractModel): Promise<ModelEntry> {
  const { kind, family, graphs, settings } = model;
  const folder = `${kind}-${id}`;
  await mkdir(join(dir, folder), { recursive: true });
  const files: ModelEntry['files'] = [];
  const put = async (role: string, name: string, content: Uint8Array) => {
    await writeFile(join(dir, folder, name), content);
    files.push({ role, file: `${folder}/${name}`, sha256: sha256(content), bytes: content.length });
  };
  for (const [role, graph] of Object.entries(graphs)) {
    await put(role, `${role}.onnx`, encodeModel(graph));
    for (const { externalFile, data } of graph.initializers ?? []) {
      if (externalFile === undefined) continue;
      await put(`${role}_data`, externalFile, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  }
  return { id, kind, family, title: id, licence: 'Apache-2.0', origin: 'test', ...settings, files };
}

/** The model as the store would resolve it. */
export async function resolveContractModel(dir: string, model: ContractModel, id = 'tiny'): Promise<ResolvedModel> {
  const entry = await writeContractModel(dir, id, model);
  const paths = Object.fromEntries(entry.files.map(({ role, file }) => [role, join(dir, file)]));
  return { entry, paths, sha256: '0'.repeat(64) };
}

const encoderModel = (family: string, shape: DinoShape, settings: Partial<ModelEntry> = {}): ContractModel => ({
  kind: 'encoder',
  family,
  graphs: { model: dinoGraph(shape) },
  settings,
});

/** One model of each kind of encoder. */
export const CONTRACT_ENCODERS: Readonly<Record<string, ContractModel>> = {
  dinov2: encoderModel('dinov2', { patch: 14, registers: 0, dim: 8 }),
  'dinov2-registers': encoderModel('dinov2', { patch: 14, registers: 4, dim: 8 }),
  'dinov2-560': encoderModel('dinov2', { patch: 14, registers: 0, dim: 16 }, { inputSide: 560 }),
  'dinov2-pre-norm': encoderModel(
    'dinov2',
    { patch: 14, registers: 4, dim: 8, preNorm: 'pre_norm_tokens' },
    { preNormTokens: 'pre_norm_tokens' },
  ),
  'dinov2-external-data': encoderModel('dinov2', { patch: 14, registers: 0, dim: 8, externalFile: 'model.onnx_data' }),
  dinov3: encoderModel('dinov3', { patch: 16, registers: 4, dim: 16, positions: true }, { positionalRank: 2 }),
};

const segmenterModel = (
  family: string,
  encoder: Graph,
  decoder: Graph,
  settings: Partial<ModelEntry> = {},
): ContractModel => ({ kind: 'segmenter', family, graphs: { encoder, decoder }, settings });

/** One model of each kind of segmenter. */
export const CONTRACT_SEGMENTERS: Readonly<Record<string, ContractModel>> = {
  sam: segmenterModel('sam', planarSamEncoder(), samDecoder({ gives: 'both', candidates: 4 })),
  'sam-full-masks': segmenterModel('sam', planarSamEncoder(), samDecoder({ gives: 'full', candidates: 4 })),
  'sam-cut-decoder': segmenterModel('sam', planarSamEncoder(), samDecoder({ gives: 'low', candidates: 1 })),
  'mobile-sam': segmenterModel('mobile-sam', interleavedSamEncoder(), samDecoder({ gives: 'both', candidates: 1 })),
  'mobile-sam-multi': segmenterModel(
    'mobile-sam',
    interleavedSamEncoder(),
    samDecoder({ gives: 'both', candidates: 4 }),
  ),
  'sam-hq': segmenterModel(
    'sam-hq',
    planarSamEncoder('image', true),
    samDecoder({ gives: 'both', candidates: 1, hq: true }),
  ),
  'sam-hq-interleaved': segmenterModel(
    'sam-hq',
    interleavedSamEncoder(true),
    samDecoder({ gives: 'both', candidates: 4, hq: true }),
  ),
  'slim-sam': segmenterModel('slim-sam', samModelEncoder(), samModelDecoder({ boxes: false, threshold: 1 })),
  'slim-sam-one-set': segmenterModel(
    'slim-sam',
    samModelEncoder(),
    samModelDecoder({ boxes: false, threshold: 1, dynamicSets: false }),
  ),
  medsam: segmenterModel('medsam', samModelEncoder(), samModelDecoder({ boxes: true, threshold: 0.5 })),
  'medsam-as-sam': segmenterModel(
    'sam',
    planarSamEncoder(),
    samDecoder({ gives: 'low', candidates: 1, threshold: 0.5 }),
    { ownRange: true, placement: 'stretched', boxesOnly: true },
  ),
  'medsam-points': segmenterModel('medsam', samModelEncoder(), samModelDecoder({ boxes: false, threshold: 0.5 })),
  sam2: segmenterModel('sam2', sam2Encoder(), sam2Decoder()),
  'sam2-external-data': segmenterModel(
    'sam2',
    sam2Encoder('vision_encoder.onnx_data'),
    sam2Decoder('prompt_encoder_mask_decoder.onnx_data'),
  ),
  'efficient-sam': segmenterModel('efficient-sam', efficientSamEncoder(), efficientSamDecoder()),
};
