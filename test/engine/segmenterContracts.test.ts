/**
 * Every segmenter family on graphs of its true contract (see contractModels.ts), against plain loops over the image:
 * where the image lies, what is done to its values, where prompts go and what masks come back.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import type { FloatMap } from '../../src/core/pixels/raster';
import type { DecodedMask, PointPrompt, PromptSet, SegmenterCapabilities } from '../../src/core/prompting/segmenter';
import { segmenterFamilies } from '../../src/engine/models/loadedModels';
import type { Tensor } from '../../src/engine/runtime/onnxRuntime';
import { Session } from '../../src/engine/runtime/sessions';
import type { ImageEmbedding, PixelSegmenter } from '../../src/engine/segmenters';
import type { SegmenterFamily } from '../../src/models/families';
import { temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';
import { seededRandom } from '../seeded';
import {
  CONTRACT_SEGMENTERS,
  MASK_SIDE,
  NEGATIVE_RADIUS,
  OFFSETS,
  POSITIVE_RADIUS,
  resolveContractModel,
  SCORES,
  SIDE,
} from './contractModels';

type Values = readonly number[];

interface Expected {
  readonly placement: 'padded' | 'stretched';
  /** What a byte of a channel becomes in what the embedding shows. */
  readonly value: (byte: number, channel: number) => number;
  /** The embedding's tensor of 64 x 64 cells, and the others. */
  readonly embeddings: readonly string[];
  /** Which candidate answers a single click, and a click with a second point. */
  readonly click: number;
  readonly clicks: number;
  readonly can: Partial<SegmenterCapabilities>;
  /** What the decoder is fed for the three questions of the test, without embeddings. */
  readonly feeds: (modelSize: Size) => readonly Readonly<Record<string, Feed>>[];
}

interface Feed {
  readonly type: string;
  readonly dims: Values;
  /** Left out where the values are checked elsewhere. */
  readonly values?: Values;
}

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const imagenet = (byte: number, channel: number) => (byte / 255 - MEAN[channel]!) / STD[channel]!;

/** The image of the table, and its prompts; all coordinates in its pixels. */
const IMAGE: Size = { width: 300, height: 200 };
const POINTS: readonly PointPrompt[] = [
  { point: { x: 60, y: 150 }, label: 1 },
  { point: { x: 240.5, y: 20 }, label: 0 },
];
const BOX = { left: 30, top: 20, right: 150, bottom: 190 };

/** As (x, y) of the model's frame, minus the half pixel that prompt encoders add. */
const inFrame = ({ width, height }: Size, ...xy: number[]): number[] =>
  xy.map(
    (value, i) => Math.fround(i % 2 === 0 ? (value * width) / IMAGE.width : (value * height) / IMAGE.height) - 0.5,
  );

const clickXy = [60, 150, 240.5, 20];
const boxXy = [30, 20, 150, 190];
const float = (dims: Values, values?: Values): Feed => ({ type: 'float32', dims, ...(values && { values }) });
const int64 = (dims: Values, values: Values): Feed => ({ type: 'int64', dims, values });

/** Two points; points and a box; a box alone. */
const QUESTIONS: readonly PromptSet[] = [{ points: POINTS }, { points: POINTS, box: BOX }, { points: [], box: BOX }];

const samFeeds =
  (scale: number | undefined) =>
  (size: Size): Record<string, Feed>[] => {
    const rest = {
      mask_input: float([1, 1, MASK_SIDE, MASK_SIDE], new Array<number>(MASK_SIDE * MASK_SIDE).fill(0)),
      has_mask_input: float([1], [0]),
      ...(scale && { orig_im_size: float([2], [Math.ceil(size.height / scale), Math.ceil(size.width / scale)]) }),
    };
    const tokens = (coords: Values, labels: Values) => ({
      point_coords: float([1, labels.length, 2], coords),
      point_labels: float([1, labels.length], labels),
      ...rest,
    });
    return [
      tokens([...inFrame(size, ...clickXy), 0, 0], [1, 0, -1]),
      tokens([...inFrame(size, ...clickXy), ...inFrame(size, ...boxXy)], [1, 0, 2, 3]),
      tokens(inFrame(size, ...boxXy), [2, 3]),
    ];
  };

const setFeeds = (coords: Values, labels: Values, boxes?: Values) => ({
  input_points: float([1, 1, labels.length, 2], coords),
  input_labels: int64([1, 1, labels.length], labels),
  ...(boxes && { input_boxes: float([1, boxes.length / 4, 4], boxes) }),
});

const sam: Expected = {
  placement: 'padded',
  value: imagenet,
  embeddings: ['image_embeddings'],
  click: 2,
  clicks: 0,
  can: { points: true, negatives: true, box: true, maskPrompt: true, iterative: true, promptBatch: false },
  feeds: samFeeds(4),
};
const single = { click: 1, clicks: 1 };
const best = { click: 2, clicks: 2 };
const hq = { embeddings: ['image_embeddings', 'interm_embeddings'] };

const slimSam: Expected = {
  ...sam,
  ...best,
  embeddings: ['image_embeddings', 'image_positional_embeddings'],
  can: { points: true, negatives: true, box: false, maskPrompt: false, promptBatch: true },
  feeds: (size) => [setFeeds(inFrame(size, ...clickXy), [1, 0])],
};

const sam2: Expected = {
  ...slimSam,
  placement: 'stretched',
  embeddings: ['image_embeddings.2', 'image_embeddings.0', 'image_embeddings.1'],
  can: { points: true, negatives: true, box: true, maskPrompt: false, promptBatch: true },
  feeds: (size) => [
    setFeeds(inFrame(size, ...clickXy), [1, 0], []),
    setFeeds(inFrame(size, ...clickXy), [1, 0], inFrame(size, ...boxXy)),
    setFeeds([], [], inFrame(size, ...boxXy)),
  ],
};

/** Values of the whole image spread over 0..1; the test's images hold 10 and 250 and nothing beyond. */
const spread = (byte: number) => (byte - 10) / 240;

const EXPECTED: Readonly<Record<keyof typeof CONTRACT_SEGMENTERS, Expected>> = {
  sam,
  'sam-full-masks': { ...sam, feeds: samFeeds(1) },
  'sam-cut-decoder': { ...sam, ...single, feeds: samFeeds(undefined) },
  'mobile-sam': { ...sam, ...single },
  'mobile-sam-multi': sam,
  'sam-hq': { ...sam, ...single, ...hq },
  'sam-hq-interleaved': { ...sam, ...hq },
  'slim-sam': slimSam,
  'slim-sam-one-set': { ...slimSam, can: { ...slimSam.can, promptBatch: false } },
  medsam: {
    ...slimSam,
    placement: 'stretched',
    value: spread,
    can: { points: false, negatives: false, box: true, maskPrompt: false },
    feeds: (size) => [setFeeds([], [], inFrame(size, ...boxXy))],
  },
  'medsam-as-sam': {
    ...sam,
    ...single,
    placement: 'stretched',
    value: spread,
    can: { points: false, negatives: false, box: true, maskPrompt: true, iterative: false, promptBatch: false },
    feeds: (size) => samFeeds(undefined)(size).slice(2),
  },
  'medsam-points': { ...slimSam, placement: 'stretched', value: spread },
  sam2,
  'sam2-external-data': sam2,
  'efficient-sam': {
    ...sam,
    ...best,
    placement: 'stretched',
    can: { points: true, negatives: false, box: true, maskPrompt: false, mostPoints: 6, promptBatch: false },
    feeds: (size) => {
      const tokens = (coords: Values, labels: Values) => ({
        batched_point_coords: float(
          [1, 1, labels.length, 2],
          coords.map((value) => value / 4),
        ),
        batched_point_labels: float([1, 1, labels.length], labels),
        orig_im_size: int64([2], [MASK_SIDE, MASK_SIDE]),
      });
      return [
        tokens(inFrame(size, 60, 150), [1]),
        tokens([...inFrame(size, 60, 150), ...inFrame(size, ...boxXy)], [1, 2, 3]),
        tokens(inFrame(size, ...boxXy), [2, 3]),
      ];
    },
  },
};

const families = Object.keys(EXPECTED);

async function open(name: string): Promise<PixelSegmenter> {
  const model = CONTRACT_SEGMENTERS[name]!;
  const resolved = await resolveContractModel(await temporaryFolder(), model);
  const segmenter = await segmenterFamilies[model.family as SegmenterFamily](resolved, 1);
  if (segmenter.reads !== 'pixels') throw new Error(`${name} reads no pixels`);
  return segmenter;
}

const sizeIn = (image: Size, placement: Expected['placement']): Size => {
  if (placement === 'stretched') return { width: SIDE, height: SIDE };
  const scale = SIDE / Math.max(image.width, image.height);
  return { width: Math.round(image.width * scale), height: Math.round(image.height * scale) };
};

/** Bright all over, but for a dark pixel in the last corner, so that the image has a range of values. */
function brightPixels(size: Size): Uint8Array {
  const pixels = new Uint8Array(area(size) * 3).fill(250);
  pixels.fill(10, pixels.length - 3);
  return pixels;
}

const embedBright = (segmenter: PixelSegmenter, image: Size): Promise<ImageEmbedding> => {
  const size = segmenter.inputSize(image);
  return segmenter.embed(brightPixels(size), size);
};

/** The question as far as a family can be asked it. */
function asFarAs({ capabilities }: PixelSegmenter, { points, box }: PromptSet): PromptSet {
  const kept = capabilities.points ? points.filter(({ label }) => label === 1 || capabilities.negatives) : [];
  return { points: kept, ...(box && capabilities.box && { box }) };
}

const isAsked = ({ points, box, maskPrompt }: PromptSet): boolean => points.length > 0 || !!box || !!maskPrompt;

/** What the contract's decoder draws at the centre of each pixel of a map that covers the image. */
function oracle({ size }: FloatMap, image: Size, modelSize: Size, { points, box }: PromptSet): Float32Array {
  const x = modelSize.width / image.width;
  const y = modelSize.height / image.height;
  return Float32Array.from({ length: area(size) }, (_, i) => {
    const u = (((i % size.width) + 0.5) * modelSize.width) / size.width;
    const v = ((Math.floor(i / size.width) + 0.5) * modelSize.height) / size.height;
    const distances = (label: number) =>
      points
        .filter((prompt) => prompt.label === label)
        .map(({ point }) => Math.hypot(u - point.x * x, v - point.y * y));
    const inBox = box ? [Math.min(u - box.left * x, box.right * x - u, v - box.top * y, box.bottom * y - v)] : [];
    const object = Math.max(...distances(1).map((d) => POSITIVE_RADIUS - d), ...inBox);
    return Math.min(object, ...distances(0).map((d) => d - NEGATIVE_RADIUS));
  });
}

/** Largest difference, but for the two outermost rows and columns, where resampling repeats the border. */
function worstDifference({ size, data }: FloatMap, expected: Float32Array): number {
  let worst = 0;
  for (let y = 2; y < size.height - 2; y++) {
    for (let x = 2; x < size.width - 2; x++) {
      worst = Math.max(worst, Math.abs(data[y * size.width + x]! - expected[y * size.width + x]!));
    }
  }
  return worst;
}

/** Which candidate an answer is, by its score. */
const candidateOf = ({ iouPrediction }: DecodedMask): number =>
  SCORES.findIndex((score) => Math.abs(score - iouPrediction) < 1e-6);

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(families)('%s', (name) => {
  const expected = EXPECTED[name]!;

  it('says what it can be asked', async () => {
    const segmenter = await open(name);
    expect(segmenter.capabilities).toMatchObject({ wholeClass: false, multimask: true, ...expected.can });
    await segmenter.dispose();
  });

  it.each([IMAGE, { width: 90, height: 240 }, { width: 64, height: 64 }, { width: 2000, height: 3 }])(
    'sees an image of $width x $height where and as it should',
    async (image) => {
      const segmenter = await open(name);
      const size = segmenter.inputSize(image);
      expect(size).toEqual(sizeIn(image, expected.placement));
      const random = seededRandom(5);
      const pixels = Uint8Array.from({ length: area(size) * 3 }, () => 10 + Math.floor(random() * 241));
      pixels.set([10, 250, 10]);
      const { tensors, modelSize } = await segmenter.embed(pixels, size);
      expect(modelSize).toEqual(size);
      expect(Object.keys(tensors).sort()).toEqual([...expected.embeddings].sort());
      const { dims, data } = tensors[expected.embeddings[0]!]!;
      expect(dims).toEqual([1, 256, 64, 64]);
      let worst = 0;
      for (let channel = 0; channel < 3; channel++) {
        for (let cell = 0; cell < 64 * 64; cell++) {
          let sum = 0;
          for (let k = 0; k < 256; k++) {
            const x = (cell % 64) * 16 + (k % 16);
            const y = Math.floor(cell / 64) * 16 + Math.floor(k / 16);
            // Padding is zero after normalising, below and to the right.
            if (x >= size.width || y >= size.height) continue;
            sum += expected.value(pixels[(y * size.width + x) * 3 + channel]!, channel);
          }
          worst = Math.max(worst, Math.abs(sum / 256 - data[channel * 64 * 64 + cell]!));
        }
      }
      expect(worst).toBeLessThan(1e-4);
      await segmenter.dispose();
    },
  );

  it.each([IMAGE, { width: 90, height: 240 }])(
    'draws around points and in boxes of an image of $width x $height',
    async (image) => {
      const segmenter = await open(name);
      const embedding = await embedBright(segmenter, image);
      const at = (x: number, y: number, label: 0 | 1 = 1): PointPrompt => ({
        point: { x: x * image.width, y: y * image.height },
        label,
      });
      const box = {
        left: 0.125 * image.width,
        top: 0.25 * image.height,
        right: 0.5 * image.width,
        bottom: 0.875 * image.height,
      };
      const questions = [
        { points: [at(0.25, 0.75)] },
        { points: [at(0.75, 0.25)] },
        { points: [at(0.25, 0.75), at(0.9, 0.9), at(0.3, 0.7, 0)] },
        { points: [], box },
        { points: [at(0.8, 0.1), at(0.3, 0.5, 0)], box },
      ]
        .map((question) => asFarAs(segmenter, question))
        .filter(isAsked);
      const answers = await segmenter.decode(embedding, image, questions);
      expect(answers).toHaveLength(questions.length);
      for (const [i, answer] of answers.entries()) {
        const { size } = answer.logits;
        // The map covers the image and nothing else, at the image's aspect ratio where the model keeps it.
        const { width, height } = embedding.modelSize;
        const step = size.width > MASK_SIDE ? 1 : 4;
        expect(size).toEqual({ width: Math.round(width / step), height: Math.round(height / step) });
        const drawn = oracle(answer.logits, image, embedding.modelSize, questions[i]!);
        const offset = OFFSETS[candidateOf(answer)]!;
        const shifted = drawn.map((value) => value + offset);
        // Resampling rounds the tips of cones and the ridges of boxes off by less than two pixels of the model's frame.
        expect(worstDifference(answer.logits, shifted)).toBeLessThan(3);
      }
      await segmenter.dispose();
    },
  );

  it('chooses a candidate by its score and by how much the question says', async () => {
    const segmenter = await open(name);
    const embedding = await embedBright(segmenter, IMAGE);
    const box = { left: 30, top: 30, right: 90, bottom: 90 };
    const click = { point: { x: 60, y: 60 }, label: 1 } as const;
    const questions = segmenter.capabilities.points
      ? [{ points: [click] }, { points: [click, click] }]
      : [{ points: [], box }];
    const answers = await segmenter.decode(embedding, IMAGE, questions);
    expect(answers.map(candidateOf)).toEqual([expected.click, expected.clicks].slice(0, questions.length));
    await segmenter.dispose();
  });

  it('feeds its decoder what the contract says', async () => {
    const segmenter = await open(name);
    const embedding = await embedBright(segmenter, IMAGE);
    const run = vi.spyOn(Session.prototype, 'run');
    const asked: PromptSet[] = [];
    for (const question of QUESTIONS) {
      const far = asFarAs(segmenter, question);
      const isNew = !asked.some((other) => JSON.stringify(other) === JSON.stringify(far));
      if (isAsked(far) && isNew) asked.push(far);
    }
    for (const question of asked) await segmenter.decode(embedding, IMAGE, [question]);
    const found = run.mock.calls.map(([feeds]) =>
      Object.fromEntries(Object.entries(feeds).filter(([input]) => !expected.embeddings.includes(input))),
    );
    const wanted = expected.feeds(embedding.modelSize);
    expect(found).toHaveLength(wanted.length);
    for (const [i, feeds] of wanted.entries()) expectFeeds(found[i]!, feeds);
    for (const [feeds] of run.mock.calls) {
      for (const input of expected.embeddings) {
        expect((feeds[input] as Tensor).data).toBe(embedding.tensors[input]!.data);
      }
    }
    await segmenter.dispose();
  });

  it('answers many questions in order, also at once, as one by one', async () => {
    const segmenter = await open(name);
    const embedding = await embedBright(segmenter, IMAGE);
    const point = (x: number, y: number): PointPrompt => ({ point: { x, y }, label: 1 });
    const questions = [
      { points: [point(10, 20)] },
      { points: [], box: BOX },
      { points: [point(30, 40), point(50, 60)] },
      { points: [point(70, 80)] },
      { points: [point(90, 100)], box: BOX },
      { points: [point(110, 120), point(130, 140)] },
    ]
      .map((question) => asFarAs(segmenter, question))
      .filter(isAsked);
    const one: DecodedMask[] = [];
    for (const question of questions) one.push(...(await segmenter.decode(embedding, IMAGE, [question])));
    const run = vi.spyOn(Session.prototype, 'run');
    const many = await segmenter.decode(embedding, IMAGE, questions);
    expect(many).toHaveLength(one.length);
    for (const [i, { logits, iouPrediction }] of many.entries()) {
      expect(iouPrediction).toBe(one[i]!.iouPrediction);
      expect(logits.size).toEqual(one[i]!.logits.size);
      expect(Buffer.from(logits.data.buffer).equals(Buffer.from(one[i]!.logits.data.buffer))).toBe(true);
    }
    const boxes = questions.filter(({ box }) => box).length;
    const counts = new Set(questions.filter(({ box }) => !box).map(({ points }) => points.length)).size;
    expect(run).toHaveBeenCalledTimes(segmenter.capabilities.promptBatch ? boxes + counts : questions.length);
    expect(await segmenter.decode(embedding, IMAGE, [])).toEqual([]);
    await segmenter.dispose();
  });

  it('draws nothing where the image is dark', async () => {
    const segmenter = await open(name);
    const size = segmenter.inputSize(IMAGE);
    const pixels = new Uint8Array(area(size) * 3).fill(10);
    pixels.fill(250, pixels.length - 3);
    const embedding = await segmenter.embed(pixels, size);
    const [answer] = await segmenter.decode(embedding, IMAGE, [asFarAs(segmenter, { points: POINTS, box: BOX })]);
    expect(answer!.logits.data.every((value) => value < 0)).toBe(true);
    await segmenter.dispose();
  });

  it('refuses graphs that are not its own, each by its role', async () => {
    const model = CONTRACT_SEGMENTERS[name]!;
    const { encoder, decoder } = model.graphs;
    const openSegmenter = segmenterFamilies[model.family as SegmenterFamily];
    for (const graphs of [
      { encoder: encoder!, decoder: encoder! },
      { encoder: decoder!, decoder: decoder! },
    ]) {
      const wrong = graphs.encoder === encoder ? 'decoder' : 'encoder';
      const resolved = await resolveContractModel(await temporaryFolder(), { ...model, graphs });
      const message = await refusal(openSegmenter(resolved, 1));
      expect(message).toMatch(new RegExp(`^Segmenter "tiny", ${wrong}: its inputs and outputs are not what`));
    }
  });
});

function expectFeeds(found: Readonly<Record<string, Tensor>>, wanted: Readonly<Record<string, Feed>>): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
  for (const [input, { type, dims, values }] of Object.entries(wanted)) {
    const tensor = found[input]!;
    expect([input, tensor.type, [...tensor.dims]]).toEqual([input, type, dims]);
    if (!values) continue;
    const data = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
    expect(data).toHaveLength(values.length);
    const worst = data.reduce((most, value, k) => Math.max(most, Math.abs(value - values[k]!)), 0);
    expect([input, worst < 1e-3]).toEqual([input, true]);
  }
}

describe.each(families.filter((name) => EXPECTED[name]!.can.maskPrompt))('a mask prompt of %s', (name) => {
  const expected = EXPECTED[name]!;
  it.each([IMAGE, { width: 90, height: 240 }])('of an image of $width x $height passes through', async (image) => {
    const segmenter = await open(name);
    const embedding = await embedBright(segmenter, image);
    const run = vi.spyOn(Session.prototype, 'run');
    // Rises to the right and falls downwards, by other steps, so that a mirrored or turned one is another.
    const size = { width: 60, height: 40 };
    const ramp = (u: number, v: number) => 50 * u - 20 * v;
    const data = Float32Array.from({ length: area(size) }, (_, i) =>
      ramp(((i % size.width) + 0.5) / size.width, (Math.floor(i / size.width) + 0.5) / size.height),
    );
    const [answer] = await segmenter.decode(embedding, image, [{ points: [], maskPrompt: { size, data } }]);
    const { logits } = answer!;
    const shown = Float32Array.from({ length: area(logits.size) }, (_, i) =>
      ramp(
        ((i % logits.size.width) + 0.5) / logits.size.width,
        (Math.floor(i / logits.size.width) + 0.5) / logits.size.height,
      ),
    );
    expect(worstDifference(logits, shown)).toBeLessThan(0.6);
    const [feeds] = run.mock.calls[0]!;
    expect([...(feeds.has_mask_input!.data as Float32Array)]).toEqual([1]);
    const given = feeds.mask_input!.data as Float32Array;
    const least = Math.min(...data);
    expect(given[0]).toBeGreaterThan(least);
    // Behind the image: the least likely value.
    if (expected.placement === 'padded') expect(given[given.length - 1]).toBe(least);
    else expect(given[given.length - 1]).toBeGreaterThan(least);
    await segmenter.dispose();
  });
});
