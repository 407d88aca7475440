import { describe, expect, it } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import {
  addRow,
  fitPixels,
  noPixelSums,
  scoreRows,
  standardOf,
  termsOf,
} from '../../src/core/pixelPrior/pixelClassifier';
import { PIXEL_CHANNELS, pixelFeatures, type RgbPixels } from '../../src/core/pixelPrior/pixelFeatures';
import type { Mask } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import { type FloatMap, thresholdToMask } from '../../src/core/pixels/raster';
import { learnPixels } from '../../src/core/strategies/apMedSam/pixelPrior';
import type { EncodedReference } from '../../src/core/strategies/strategy';
import { fakeImage, further, plainRunner } from '../fakes';
import { seededRandom } from '../seeded';

const SIZE = { width: 96, height: 80 };

/** Thin bright lines on noise; the picture's light is its own. */
function lines(seed: number, light = 1): { pixels: RgbPixels; mask: Mask } {
  const random = seededRandom(seed);
  const mask: Mask = { size: SIZE, data: new Uint8Array(area(SIZE)) };
  for (let x = 0; x < SIZE.width; x++) {
    for (const row of [12, 33, 58, 70]) {
      const y = row + Math.round(4 * Math.sin((x + 13 * seed) / 9));
      mask.data[y * SIZE.width + x] = mask.data[(y + 1) * SIZE.width + x] = 1;
    }
  }
  const data = new Uint8Array(area(SIZE) * 3);
  for (let at = 0; at < mask.data.length; at++) {
    data.fill(light * (mask.data[at] * 90 + 60 + 30 * random()), 3 * at, 3 * at + 3);
  }
  return { pixels: { size: SIZE, data }, mask };
}

function pictured({ pixels, mask }: ReturnType<typeof lines>): EncodedReference {
  return { ...fakeImage(mask, { width: 12, height: 10 }), pixels: async () => pixels };
}

const constant = (size: Size, value: number): FloatMap => ({ size, data: new Float32Array(area(size)).fill(value) });

/** A decoder's answer: the mask itself, sure of it. */
const truth = ({ size, data }: Mask): FloatMap => ({ size, data: Float32Array.from(data, (label) => 8 * label - 4) });

describe('features of pixels', () => {
  it('are colours alone where nothing changes', () => {
    const size = { width: 9, height: 7 };
    const { data } = pixelFeatures({
      size,
      data: new Uint8Array(area(size) * 3).map((_, at) => [51, 102, 204][at % 3]),
    });
    const pixel = data.slice(0, PIXEL_CHANNELS);
    const colours = [0.467, -0.2, -0.5];
    const scale = [...colours, 0, 0, 0, 0];
    const expected = [...colours, ...scale, ...scale, ...scale];
    for (const [k, value] of expected.entries()) expect(pixel[k]).toBeCloseTo(value, 2);
    for (let at = 0; at < data.length; at++) expect(data[at]).toBeCloseTo(pixel[at % PIXEL_CHANNELS], 5);
  });

  it('tell the slope of a ramp and the curve of a ridge', () => {
    const size = { width: 32, height: 32 };
    const drawn = (value: (x: number) => number) =>
      pixelFeatures({
        size,
        data: Uint8Array.from({ length: area(size) * 3 }, (_, at) => value(Math.floor(at / 3) % 32)),
      });
    const middle = (16 * 32 + 16) * PIXEL_CHANNELS;
    const ramp = drawn((x) => 5 * x).data.slice(middle, middle + PIXEL_CHANNELS);
    // Gradient of the finest scale, and of the next, whose pixels are twice as wide.
    expect(ramp[6]).toBeCloseTo(5 / 255, 4);
    expect(ramp[13]).toBeCloseTo(10 / 255, 4);
    expect(ramp[7]).toBeCloseTo(0, 4);
    const ridge = drawn((x) => (x === 16 ? 200 : 0)).data.slice(middle, middle + PIXEL_CHANNELS);
    expect(ridge[7]).toBeCloseTo(0, 4);
    expect(ridge[8]).toBeLessThan(-0.1);
    expect(ridge[9]).toBeGreaterThan(0.1);
  });
});

describe('classifier of pixels', () => {
  const sumsOf = (picture: ReturnType<typeof lines>, pixels: Int32Array, into = noPixelSums()) => {
    const features = pixelFeatures(picture.pixels);
    const terms = termsOf(features, standardOf(features), pixels);
    for (const [row, pixel] of pixels.entries()) addRow(into, terms, row, picture.mask.data[pixel] === 1);
    return into;
  };
  const all = Int32Array.from(Array(area(SIZE)).keys());

  it('finds in other light what one picture has taught', () => {
    const classifier = fitPixels([sumsOf(lines(1), all)])!;
    const other = lines(2, 0.5);
    const features = pixelFeatures(other.pixels);
    const scores = scoreRows(classifier, termsOf(features, standardOf(features), all));
    expect(dice(thresholdToMask({ size: SIZE, data: scores }, SIZE, 0), other.mask)).toBeGreaterThan(0.9);
  });

  it('is the same of sums that are added part by part', () => {
    const parts = [all.filter((pixel) => pixel % 3 > 0), all.filter((pixel) => pixel % 3 === 0)];
    const whole = fitPixels([sumsOf(lines(1), all)])!;
    const added = fitPixels(parts.map((part) => sumsOf(lines(1), part)))!;
    for (const [k, value] of whole.entries()) expect(added[k]).toBeCloseTo(value, 3);
  });

  it('needs both classes', () => {
    expect(fitPixels([noPixelSums()])).toBeUndefined();
  });
});

describe('pixel prior', () => {
  const reference = lines(1);
  const labelled = { image: pictured(reference), mask: reference.mask };

  it('speaks where the segmenter does not find the object in the reference itself', async () => {
    const learnt = await learnPixels([further(labelled)], async ({ mask }) => constant(mask.size, -0.5), plainRunner);
    expect(learnt?.note).toMatch(/^pixels are judged one by one too.*instead of 0\.00/);
    const target = lines(3, 0.8);
    const { size, data } = await learnt!.withPixels(pictured(target), constant({ width: 6, height: 5 }, -0.5));
    expect(size).toEqual(SIZE);
    expect(dice(thresholdToMask({ size, data }, SIZE, 0), target.mask)).toBeGreaterThan(0.9);
  });

  it('learns from several references', async () => {
    const second = lines(4, 0.6);
    const two = [labelled, { image: pictured(second), mask: second.mask }];
    expect(
      await learnPixels(
        two.map((one) => further(one)),
        async ({ mask }) => constant(mask.size, -0.5),
        plainRunner,
      ),
    ).toBeDefined();
  });

  it('is silent where the segmenter finds the object', async () => {
    expect(await learnPixels([further(labelled)], async ({ mask }) => truth(mask), plainRunner)).toBeUndefined();
  });

  it('is silent without pixels, and where hardly any are labelled', async () => {
    const { pixels: _, ...blind } = labelled.image;
    const nothing = async ({ mask }: { mask: Mask }) => constant(mask.size, -0.5);
    expect(await learnPixels([further({ ...labelled, image: blind })], nothing, plainRunner)).toBeUndefined();
    const few = { size: SIZE, data: new Uint8Array(area(SIZE)).fill(1, 0, 5) };
    expect(await learnPixels([further({ ...labelled, mask: few })], nothing, plainRunner)).toBeUndefined();
  });

  it('leaves the answer about a target without pixels as it is', async () => {
    const learnt = await learnPixels([further(labelled)], async ({ mask }) => constant(mask.size, -0.5), plainRunner);
    const { pixels: _, ...blind } = labelled.image;
    const logits = constant(SIZE, 1);
    expect(await learnt!.withPixels(blind, logits)).toBe(logits);
  });
});
