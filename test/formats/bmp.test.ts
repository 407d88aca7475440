import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/userError';
import { decodeBmp, readBmpHeader } from '../../src/formats/bmp';
import { imageFormatOf } from '../../src/formats/imageFormat';
import { seededRandom } from '../seeded';
import { type BmpOptions, makeBmp } from './makeBmp';

const random = seededRandom(12);
const below = (limit: number) => Math.floor(random() * limit);

type Colour = readonly [number, number, number];
const colours = (count: number): Colour[] => Array.from({ length: count }, () => [below(256), below(256), below(256)]);
const greys = (count: number): Colour[] => Array.from({ length: count }, (_, i) => [i * 3, i * 3, i * 3]);

const pixelsOf = (bytes: Uint8Array) => {
  expect(imageFormatOf(bytes)).toBe('bmp');
  const { header, data } = decodeBmp(bytes, 'a.bmp');
  expect(readBmpHeader(bytes, 'a.bmp')).toEqual(header);
  expect(data).toHaveLength(header.size.width * header.size.height * header.channels);
  return { ...header, data: [...data] };
};

/** Widths at which rows of every depth end inside a byte, at its end, and at the end of four. */
const widths = [1, 3, 4, 5, 7, 8, 9, 13, 31, 32, 33];

describe('decodeBmp', () => {
  it.each([1, 2, 4, 8] as const)('resolves a palette of %i bits, from the bottom and from the top', (bits) => {
    for (const width of widths) {
      for (const topDown of [false, true]) {
        const size = { width, height: 3 };
        const palette = colours(1 << bits);
        const pixels = Array.from({ length: width * 3 }, () => below(1 << bits));
        expect(pixelsOf(makeBmp({ size, bits, pixels, palette, topDown }))).toEqual({
          size,
          bits,
          channels: 3,
          data: pixels.flatMap((index) => palette[index]),
        });
      }
    }
  });

  it('gives grey where the palette is grey', () => {
    const pixels = [0, 7, 3, 3, 1, 0];
    const found = pixelsOf(makeBmp({ size: { width: 3, height: 2 }, bits: 8, pixels, palette: greys(8) }));
    expect(found).toMatchObject({ channels: 1, data: pixels.map((index) => index * 3) });
  });

  it('takes entries that the palette lacks for black', () => {
    const found = pixelsOf(makeBmp({ size: { width: 2, height: 1 }, bits: 4, pixels: [1, 9], palette: colours(2) }));
    expect(found.data.slice(3)).toEqual([0, 0, 0]);
  });

  it.each([24, 32] as const)('reads %i bits, from the bottom and from the top', (bits) => {
    for (const width of widths) {
      for (const topDown of [false, true]) {
        const size = { width, height: 2 };
        const rgb = colours(width * 2);
        // The fourth byte means nothing without a mask.
        const pixels = rgb.map(([r, g, b]) => (bits === 32 ? 0x7f * 2 ** 24 : 0) + (r << 16) + (g << 8) + b);
        expect(pixelsOf(makeBmp({ size, bits, pixels, topDown }))).toEqual({
          size,
          bits,
          channels: 3,
          data: rgb.flat(),
        });
      }
    }
  });

  it("reads OS/2's header, whose palette has three bytes an entry", () => {
    const palette = colours(16);
    const pixels = [15, 0, 4, 9, 2, 2];
    const found = pixelsOf(makeBmp({ size: { width: 3, height: 2 }, bits: 4, pixels, palette, headerSize: 12 }));
    expect(found.data).toEqual(pixels.flatMap((index) => palette[index]));
  });

  it.each<[string, Partial<BmpOptions>, number, number[]]>([
    ['555', { bits: 16 }, 0b0_11111_00000_10000, [255, 0, 132]],
    ['565', { bits: 16, masks: [0xf800, 0x07e0, 0x001f] }, 0b10000_111111_00001, [132, 255, 8]],
    ['RGBX', { bits: 32, masks: [0xff000000, 0xff0000, 0xff00] }, 0x01fe8077, [1, 254, 128]],
    ['BGRA', { bits: 32, masks: [0xff0000, 0xff00, 0xff, 0xff000000], headerSize: 124 }, 0x80102030, [16, 32, 48, 128]],
    ['RGBA', { bits: 32, masks: [0xff, 0xff00, 0xff0000, 0xff000000], headerSize: 108 }, 0xff030201, [1, 2, 3, 255]],
    ['BGRA after the header', { bits: 32, masks: [0xff0000, 0xff00, 0xff, 0xff000000] }, 0x40102030, [16, 32, 48, 64]],
    ['10 bits each', { bits: 32, masks: [0x3ff00000, 0xffc00, 0x3ff] }, 0x3ff00000 + (512 << 10) + 1, [255, 128, 0]],
  ])('heeds masks: %s', (_, options, pixel, expected) => {
    const size = { width: 3, height: 1 };
    const found = pixelsOf(makeBmp({ size, bits: 32, ...options, pixels: [0, pixel, 0] }));
    expect(found.channels).toBe(expected.length);
    expect(found.data.slice(expected.length, 2 * expected.length)).toEqual(expected);
  });

  it('shows what is transparent throughout', () => {
    const masks = [0xff0000, 0xff00, 0xff, 0xff000000];
    const size = { width: 2, height: 1 };
    const hidden = makeBmp({ size, bits: 32, masks, headerSize: 124, pixels: [0x010203, 0x040506] });
    expect(pixelsOf(hidden).data).toEqual([1, 2, 3, 255, 4, 5, 6, 255]);
  });

  it('does without the padding of the last row', () => {
    const whole = makeBmp({ size: { width: 3, height: 2 }, bits: 24, pixels: [1, 2, 3, 4, 5, 6] });
    expect(pixelsOf(whole.subarray(0, whole.length - 3))).toEqual(pixelsOf(whole));
  });

  const good: BmpOptions = { size: { width: 3, height: 2 }, bits: 24, pixels: [1, 2, 3, 4, 5, 6] };
  const spoilt = (offset: number, ...bytes: number[]) => {
    const file = makeBmp(good);
    file.set(bytes, offset);
    return file;
  };
  it.each<[string, Uint8Array, string]>([
    ['cut short', makeBmp(good).subarray(0, 70), 'a.bmp is cut short: its header tells of 75 bytes, the file has 70.'],
    [
      'cut in the header',
      makeBmp(good).subarray(0, 50),
      'a.bmp is damaged: it begins like a BMP, but its header is not a whole one.',
    ],
    ['of no size', spoilt(18, 0, 0, 0, 0), 'a.bmp says it is 0 x 2: expected at least one pixel.'],
    ['of negative width', spoilt(18, 255, 255, 255, 255), 'a.bmp says it is -1 x 2: expected at least one pixel.'],
    ['of 5 bits', spoilt(28, 5), 'a.bmp is a BMP of 5 bits per pixel: expected 1, 2, 4, 8, 16, 24 or 32.'],
    [
      'run-length compressed',
      makeBmp({ ...good, bits: 8, palette: colours(256), compression: 1 }),
      'a.bmp is a compressed BMP, which is not read: expected an uncompressed one, or a PNG.',
    ],
    [
      'a JPEG inside',
      makeBmp({ ...good, compression: 4 }),
      'a.bmp is a compressed BMP, which is not read: expected an uncompressed one, or a PNG.',
    ],
    [
      'pointing into its header',
      spoilt(10, 20),
      'a.bmp is damaged: it begins like a BMP, but its pixels are said to start inside its header.',
    ],
  ])('refuses one %s', (_, bytes, message) => {
    expect(() => decodeBmp(bytes, 'a.bmp')).toThrow(new UserError(message));
  });
});
