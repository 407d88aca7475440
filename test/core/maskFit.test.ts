import sharp from 'sharp';
import { describe, expect, it, test } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import {
  describeMisfit,
  fitOf,
  isTurned,
  outlineContrast,
  storedSize,
  turnUpright,
} from '../../src/core/maskFiles/maskFit';
import { discs } from '../fakes';

const STORED: Size = { width: 7, height: 4 };
const data = Uint8Array.from({ length: area(STORED) }, (_, i) => i * 9);

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'pixels are turned as the image library turns an image of orientation %i',
  async (orientation) => {
    const stored = await sharp(data, { raw: { ...STORED, channels: 1 } })
      .toColourspace('b-w')
      .withMetadata({ orientation })
      .png()
      .toBuffer();
    const { data: seen, info } = await sharp(stored, { autoOrient: true }).raw().toBuffer({ resolveWithObject: true });
    const turned = turnUpright({ size: STORED, data }, orientation);
    expect(turned.size).toEqual({ width: info.width, height: info.height });
    expect(storedSize(turned.size, orientation)).toEqual(STORED);
    expect([...turned.data]).toEqual([...seen].filter((_, i) => i % info.channels === 0));
  },
);

test('a mask fits as the image is seen, as it is stored, both ways or neither', () => {
  const upright = { width: 4, height: 7 };
  expect(fitOf(upright, upright, 1)).toBe('upright');
  expect(fitOf(upright, upright, 6)).toBe('upright');
  expect(fitOf(STORED, upright, 6)).toBe('stored');
  expect(fitOf(STORED, upright, 1)).toBe('neither');
  expect(fitOf(upright, upright, 3)).toBe('both');
  expect(fitOf({ width: 5, height: 5 }, { width: 5, height: 5 }, 8)).toBe('both');
});

describe('an outline', () => {
  const size = { width: 40, height: 30 };
  const object = discs(size, { x: 12, y: 9, radius: 6 });
  const picture = { channels: 1, data: object.data.map((one, i) => (one ? 200 : 40 + (i % 5))) };

  it('lies where the image changes', () => {
    const turned = turnUpright(object, 3);
    const [right, wrong] = [outlineContrast(object, picture), outlineContrast(turned, picture)];
    expect(right).toBeGreaterThan(120);
    expect(wrong).toBeLessThan(5);
    expect(isTurned(wrong, right)).toBe('yes');
    expect(isTurned(right, wrong)).toBe('no');
    expect(isTurned(100, 150)).toBe('perhaps');
    // Noise agrees with noise.
    expect(isTurned(0.1, 2)).toBe('no');
  });

  it('that is none has no contrast', () => {
    expect(outlineContrast({ size, data: new Uint8Array(area(size)) }, picture)).toBe(0);
  });
});

test.each<[Size, Size, number, RegExp]>([
  [
    { width: 120, height: 80 },
    { width: 240, height: 160 },
    1,
    /^The mask m\.png is 120 x 80 but its image a\.png is 240 x 160: it was drawn on a picture of 1\/2 of the size, so save it in the size of the image\.$/,
  ],
  [{ width: 480, height: 320 }, { width: 240, height: 160 }, 1, /of 2 times the size/],
  [{ width: 160, height: 240 }, { width: 240, height: 160 }, 1, /its width and height are exchanged/],
  [{ width: 239, height: 160 }, { width: 240, height: 160 }, 1, /is 240 x 160\.$/],
  [
    { width: 10, height: 10 },
    { width: 160, height: 240 },
    6,
    /when turned upright as its EXIF orientation 6 says \(stored 240 x 160\)\.$/,
  ],
])('why %j does not fit %j', (mask, image, orientation, sentence) => {
  expect(describeMisfit({ mask: 'm.png', image: 'a.png' }, mask, image, orientation)).toMatch(sentence);
});
