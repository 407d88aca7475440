import { encode } from 'fast-png';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { looksLikeMask } from '../../src/formats/maskLikeness';
import { seededRandom } from '../seeded';

const [WIDTH, HEIGHT] = [160, 120];

/** uint8 [height, width]. */
const pixels = (value: (x: number, y: number) => number) =>
  Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => value(i % WIDTH, Math.floor(i / WIDTH)));
const disc = pixels((x, y) => (Math.hypot(x - 70, y - 50) < 30 ? 255 : 0));
const instances = pixels((x, y) => 1 + Math.floor(x / 20) + 8 * Math.floor(y / 20));
const next = seededRandom(1);
const picture = pixels((x, y) => 128 + 60 * Math.sin(x / 20) * Math.cos(y / 30) + 20 * (next() - 0.5));
const dark = pixels((x, y) => (Math.hypot(x - 70, y - 50) < 30 ? 120 + 60 * next() : 6 * next()));

const raw = (data: Uint8Array) => sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 1 } });
const png = async (data: Uint8Array) => Buffer.from(encode({ width: WIDTH, height: HEIGHT, data, channels: 1 }));
const ENCODINGS: readonly (readonly [string, (data: Uint8Array) => Promise<Buffer>])[] = [
  ['PNG', png],
  ['TIFF', (data) => raw(data).tiff({ compression: 'none' }).toBuffer()],
  ['LZW TIFF', (data) => raw(data).tiff({ compression: 'lzw' }).toBuffer()],
];

describe.each(ENCODINGS)('as %s', (_, encoded) => {
  test.each([
    ['a disc', disc, true],
    ['instances', instances, true],
    ['a picture', picture, false],
    ['a dark picture', dark, false],
  ])('%s', async (_name, data, expected) => {
    expect(looksLikeMask(await encoded(data))).toBe(expected);
  });
});

test('a mask that was a JPEG once, and pictures as JPEG', async () => {
  const soft = await sharp(await raw(disc).jpeg({ quality: 90 }).toBuffer())
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  expect(looksLikeMask(await png(soft))).toBe(true);
  expect(looksLikeMask(await raw(picture).jpeg({ quality: 60 }).toBuffer())).toBe(false);
  const large = raw(disc).resize(1600, 1200, { kernel: 'nearest' });
  expect(looksLikeMask(await large.jpeg({ quality: 90 }).toBuffer())).toBe(true);
});

test('what is damaged or no image is no mask', async () => {
  const whole = await png(picture);
  for (const bytes of [
    whole.subarray(0, 200),
    Buffer.from('words'),
    Buffer.alloc(0),
    Buffer.from('\xff\xd8\xff\xff', 'latin1'),
  ]) {
    expect(looksLikeMask(bytes)).toBe(false);
  }
});
