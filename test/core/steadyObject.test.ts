/** Which of several faint components of an unsure answer is the object. */
import { expect, it } from 'vitest';
import type { FloatMap } from '../../src/core/raster';
import { steadiestObject } from '../../src/core/steadyObject';

const size = { width: 64, height: 48 };

/** A hill of each of these: its height falls by `slope` per pixel from the middle, down to -4. */
function hills(...all: readonly { x: number; y: number; height: number; slope: number }[]): FloatMap {
  const data = Float32Array.from({ length: 64 * 48 }, (_, at) =>
    all.reduce(
      (most, { x, y, height, slope }) =>
        Math.max(most, height - slope * Math.hypot((at % 64) - x, Math.floor(at / 64) - y)),
      -4,
    ),
  );
  return { size, data };
}

/** A table: as high as `height` within `radius`, and steep beyond. */
const table = (map: FloatMap, x: number, y: number, radius: number, height: number): FloatMap => ({
  size,
  data: map.data.map((value, at) =>
    Math.max(value, Math.hypot((at % 64) - x, Math.floor(at / 64) - y) < radius ? height : -4),
  ),
});

const drawn = ({ data }: FloatMap): number[] => [...data.keys()].filter((at) => data[at] > 0);
const disc = (x: number, y: number, radius: number): number[] =>
  [...Array(64 * 48).keys()].filter((at) => Math.hypot((at % 64) - x, Math.floor(at / 64) - y) < radius);

it('is the one with the sharpest outline, however faint it is', () => {
  // A broad smear above the threshold; a disc with a sharp edge that lies below it.
  const found = steadiestObject(table(hills({ x: 44, y: 24, height: 1.5, slope: 0.25 }), 14, 20, 7, -0.2));
  expect(drawn(found)).toEqual(disc(14, 20, 7));
  expect(found.data[24 * 64 + 44]).toBe(-8);
});

it('is whole where the segmenter draws a part of it, and is no larger for being sure in the middle', () => {
  // Half of the disc lies above the threshold, half of it just below; a third of it is sure.
  const faint = table(hills(), 20, 24, 8, -0.4);
  const half = { size, data: faint.data.map((value, at) => (value > -1 && at % 64 < 20 ? 0.6 : value)) };
  const sure = table(half, 20, 24, 2, 3);
  expect(drawn(steadiestObject(sure))).toEqual(disc(20, 24, 8));
});

it('is not the whole image, however far it reaches above a low threshold', () => {
  const low = { size, data: table(hills(), 20, 24, 6, 0.8).data.map((value) => Math.max(value, -0.9)) };
  expect(drawn(steadiestObject(low))).toEqual(disc(20, 24, 6));
});

it('is left as it is where the answer is sure, draws nothing, or shows nothing of any size', () => {
  const sure = table(hills(), 20, 24, 8, 3);
  expect(steadiestObject(sure)).toBe(sure);
  const nothing = table(hills(), 20, 24, 8, -0.5);
  expect(steadiestObject(nothing)).toBe(nothing);
  const dust = table(hills(), 20, 24, 1, 0.5);
  expect(steadiestObject(dust)).toBe(dust);
});

it('keeps its own threshold where others are no better', () => {
  const two = table(table(hills({ x: 50, y: 30, height: 0.9, slope: 0.1 }), 14, 14, 6, 1.5), 14, 36, 6, 1.5);
  const found = steadiestObject(two);
  expect(drawn(found)).toEqual(disc(14, 14, 6));
  expect(found.data[14 * 64 + 14]).toBe(two.data[14 * 64 + 14]);
});
