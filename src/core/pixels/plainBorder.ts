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

/** The whole image, as shares of its sides. */
export const WHOLE: Box = { left: 0, top: 0, right: 1, bottom: 1 };

/**
 * Where the picture lies, as shares of the image's sides: all rows and columns at the borders are left out whose pixels
 * have the colour of the upper left one. The whole image where nothing else is in it.
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
  const isRow = (y: number) => {
    for (let x = 0; x < width; x++) if (!isPlain(x, y)) return false;
    return true;
  };
  const isColumn = (x: number) => {
    for (let y = 0; y < height; y++) if (!isPlain(x, y)) return false;
    return true;
  };
  let top = 0;
  while (top < height && isRow(top)) top++;
  if (top === height) return WHOLE;
  let [bottom, left, right] = [height, 0, width];
  while (isRow(bottom - 1)) bottom--;
  while (isColumn(left)) left++;
  while (isColumn(right - 1)) right--;
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
