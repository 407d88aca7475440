/**
 * Stage *plain border*: a picture that lies on a canvas of one colour, as scanners, exports and padding to a common
 * size make them. A reference without such a border shows the object larger than a target that has one.
 */
import type { Box, Size } from '../geometry';

/**
 * How far a border's pixels may be from that of the image's corner, of 255: what JPEG leaves of one colour. Chosen, not
 * measured.
 */
const SAME = 6;

/**
 * The least share of a picture's edge that differs from its canvas: what touches its box with less is an object on a
 * plain ground, and how much room it has there is part of the picture. (Half of the outermost line: pictures on black
 * lose 0.02 of Dice, those on their median colour 0.14, on the pairs that this was chosen on.)
 */
const LEAST_EDGE = 0.4;

/** Pixels from the border of a picture inwards to where its edge is looked at: the outermost are blurred. */
const EDGE_DEPTH = 2;

/** The whole image, as shares of its sides. */
export const WHOLE: Box = { left: 0, top: 0, right: 1, bottom: 1 };

/**
 * Where the picture lies, as shares of the image's sides: all rows and columns at the borders are left out whose pixels
 * have the colour of the upper left one. The whole image where nothing else is in it, or nothing with straight edges.
 *
 * @param rgb uint8 [height, width, 3]
 */
export function pictureIn(rgb: Uint8Array, { width, height }: Size): Box {
  const isPlain = (x: number, y: number) => {
    const at = 3 * (y * width + x);
    for (let channel = 0; channel < 3; channel++) {
      if (Math.abs(rgb[at + channel] - rgb[channel]) > SAME) return false;
    }
    return true;
  };
  /** The share of a row's pixels from `start` to `end` that are not. */
  const rowShare = (y: number, start = 0, end = width) => {
    let others = 0;
    for (let x = start; x < end; x++) if (!isPlain(x, y)) others++;
    return others / (end - start);
  };
  const columnShare = (x: number, start = 0, end = height) => {
    let others = 0;
    for (let y = start; y < end; y++) if (!isPlain(x, y)) others++;
    return others / (end - start);
  };
  let top = 0;
  while (top < height && rowShare(top) === 0) top++;
  if (top === height) return WHOLE;
  let [bottom, left, right] = [height, 0, width];
  while (rowShare(bottom - 1) === 0) bottom--;
  while (columnShare(left) === 0) left++;
  while (columnShare(right - 1) === 0) right--;
  const edges = [
    top === 0 ? 1 : rowShare(Math.min(top + EDGE_DEPTH, bottom - 1), left, right),
    bottom === height ? 1 : rowShare(Math.max(bottom - 1 - EDGE_DEPTH, top), left, right),
    left === 0 ? 1 : columnShare(Math.min(left + EDGE_DEPTH, right - 1), top, bottom),
    right === width ? 1 : columnShare(Math.max(right - 1 - EDGE_DEPTH, left), top, bottom),
  ];
  if (Math.min(...edges) < LEAST_EDGE) return WHOLE;
  // As exact as they are kept on disk, so that an image is always parted alike.
  const [l, r] = [left, right].map((x) => Math.fround(x / width));
  const [t, b] = [top, bottom].map((y) => Math.fround(y / height));
  return { left: l, top: t, right: r, bottom: b };
}

/**
 * A picture that fills less than this share of both sides, of what the reference's picture fills, is looked at alone.
 * Chosen so that hardly any image of the sets is: their borders differ by less.
 */
const LEAST_SHARE = 0.7;

/** A picture that is smaller shows nothing that could be enlarged. Chosen, not measured. */
const LEAST_SIDE = 32;

/** What fills less of a side is a thing on the canvas, not a picture. Chosen, not measured. */
const LEAST_FILLED = 0.25;

/**
 * The part of an image to be looked at in place of all of it, in its own pixels: its picture, with as much border as
 * the reference has. Undefined where the picture is as large as its own, or nearly so.
 *
 * @param picture where the target's picture lies, as shares of its sides
 * @param reference the same of the reference
 */
export function partInsteadOf(size: Size, picture: Box, reference: Box): Box | undefined {
  const share = {
    width: (picture.right - picture.left) / (reference.right - reference.left),
    height: (picture.bottom - picture.top) / (reference.bottom - reference.top),
  };
  if (!(share.width < LEAST_SHARE && share.height < LEAST_SHARE)) return undefined;
  if (picture.right - picture.left < LEAST_FILLED || picture.bottom - picture.top < LEAST_FILLED) return undefined;
  const [left, right] = span(picture.left, picture.right, share.width, size.width);
  const [top, bottom] = span(picture.top, picture.bottom, share.height, size.height);
  return right - left < LEAST_SIDE || bottom - top < LEAST_SIDE ? undefined : { left, top, right, bottom };
}

/** Whole pixels of a share of a side around the middle of a picture, moved to lie inside the image. */
function span(from: number, to: number, share: number, pixels: number): [start: number, end: number] {
  const length = Math.min(pixels, Math.round(share * pixels));
  const start = Math.round(((from + to) * pixels - length) / 2);
  const inside = Math.min(Math.max(start, 0), pixels - length);
  return [inside, inside + length];
}
