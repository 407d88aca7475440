/** Where a picture lies on its canvas, and when it is looked at alone. */
import { describe, expect, it } from 'vitest';
import type { Box, Size } from '../../src/core/geometry';
import { partInsteadOf, pictureIn, WHOLE } from '../../src/core/pixels/plainBorder';
import { seededRandom } from '../seeded';

const size: Size = { width: 16, height: 8 };

/** Grey pixels: a canvas, and in a box whatever `inside` gives. */
function canvas(box: Box, inside: () => number, outside: () => number = () => 30): Uint8Array {
  const rgb = new Uint8Array(size.width * size.height * 3);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const isInside = x >= box.left && x < box.right && y >= box.top && y < box.bottom;
      rgb.fill((isInside ? inside : outside)(), 3 * (y * size.width + x), 3 * (y * size.width + x) + 3);
    }
  }
  return rgb;
}

describe('where the picture lies', () => {
  const box: Box = { left: 4, top: 2, right: 12, bottom: 5 };
  const shares: Box = { left: 0.25, top: 0.25, right: 0.75, bottom: 0.625 };

  it('is what a plain border leaves', () => {
    expect(
      pictureIn(
        canvas(box, () => 200),
        size,
      ),
    ).toEqual(shares);
  });

  it('is the same where a JPEG has left a little in the border', () => {
    const random = seededRandom(1);
    const noise = () => 30 + Math.floor(4 * random());
    expect(
      pictureIn(
        canvas(box, () => 200, noise),
        size,
      ),
    ).toEqual(shares);
  });

  it('is the whole image where an object lies on a plain ground', () => {
    const rgb = canvas(box, () => 30);
    for (const [x, y] of [
      [6, 2],
      [4, 3],
      [7, 3],
      [11, 3],
      [6, 4],
    ]) {
      rgb.fill(200, 3 * (y * size.width + x), 3 * (y * size.width + x) + 3);
    }
    expect(pictureIn(rgb, size)).toEqual(WHOLE);
  });

  it('is the whole image where no border is plain, and where there is nothing else', () => {
    const random = seededRandom(1);
    expect(
      pictureIn(
        canvas(
          WHOLE,
          () => 0,
          () => 256 * random(),
        ),
        size,
      ),
    ).toEqual(WHOLE);
    expect(
      pictureIn(
        canvas(box, () => 30),
        size,
      ),
    ).toEqual(WHOLE);
  });
});

describe('the part that is looked at', () => {
  const image: Size = { width: 400, height: 200 };
  const half: Box = { left: 0.25, top: 0.25, right: 0.75, bottom: 0.75 };

  it('is the picture where the reference has no border', () => {
    expect(partInsteadOf(image, half, WHOLE)).toEqual({ left: 100, top: 50, right: 300, bottom: 150 });
  });

  it('has as much border as the reference has', () => {
    const reference: Box = { left: 0.1, top: 0.1, right: 0.9, bottom: 0.9 };
    const picture: Box = { left: 0.3, top: 0.3, right: 0.7, bottom: 0.7 };
    expect(partInsteadOf(image, picture, reference)).toEqual({ left: 100, top: 50, right: 300, bottom: 150 });
  });

  it('stays inside the image', () => {
    const reference: Box = { left: 0.2, top: 0.2, right: 1, bottom: 1 };
    const corner: Box = { left: 0, top: 0.6, right: 0.4, bottom: 1 };
    expect(partInsteadOf(image, corner, reference)).toEqual({ left: 0, top: 100, right: 200, bottom: 200 });
  });

  it('is the image where the picture is about as large as the reference shows it', () => {
    expect(partInsteadOf(image, WHOLE, WHOLE)).toBeUndefined();
    expect(partInsteadOf(image, half, half)).toBeUndefined();
    expect(partInsteadOf(image, { ...WHOLE, left: 0.6 }, WHOLE)).toBeUndefined();
  });

  it('is the image where so little of it would be too small', () => {
    expect(partInsteadOf({ width: 60, height: 60 }, half, WHOLE)).toBeUndefined();
  });
});
