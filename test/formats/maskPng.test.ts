import { deflateSync } from 'node:zlib';
import { type BitDepth, encode } from 'fast-png';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { type LabelMap, valuesOf } from '../../src/core/pixels/labelMap';
import { UserError } from '../../src/core/userError';
import { decodeMaskPng, encodeMaskPng } from '../../src/formats/maskPng';
import { assemblePng, COLOUR_TYPE, readHeader } from '../../src/formats/pngChunks';

const CLASSES = [
  { id: 1, colour: '#ff8800' },
  { id: 7, colour: '#0102fe' },
];

const labelMap = (width: number, height: number, value: (i: number) => number): LabelMap => ({
  size: { width, height },
  data: Uint8Array.from({ length: width * height }, (_, i) => value(i)),
});

/** A PNG of samples of `depth` bits in one channel, the rows of each pass packed by hand. */
function packedPng(labels: LabelMap, depth: number, colourType: number, interlaced: boolean, palette?: number[]) {
  const { width, height } = labels.size;
  const passes = interlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]];
  const bytes: number[] = [];
  for (const [left, top, stepX, stepY] of passes) {
    if (left >= width) continue;
    for (let y = top; y < height; y += stepY) {
      let bits = '';
      for (let x = left; x < width; x += stepX) bits += labels.data[y * width + x].toString(2).padStart(depth, '0');
      bytes.push(0, ...(bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2)));
    }
  }
  return assemblePng({ size: labels.size, depth, colourType, interlaced }, [
    ...(palette ? [{ type: 'PLTE', data: Uint8Array.from(palette) }] : []),
    { type: 'IDAT', data: deflateSync(Uint8Array.from(bytes)) },
  ]);
}

function pixelsPng(width: number, height: number, channels: number, depth: BitDepth, data: number[]) {
  return encode({
    width,
    height,
    channels,
    depth,
    data: depth === 16 ? Uint16Array.from(data) : Uint8Array.from(data),
  });
}

const decoded = (png: Uint8Array) => [...decodeMaskPng(png, 'mask.png').data];

describe('writing', () => {
  test('a label map survives the round trip, ignored pixels included', async () => {
    const labels = labelMap(33, 17, (i) => [0, 1, 7, 255, 254][i % 5]);
    const png = await encodeMaskPng(labels, CLASSES);
    expect(readHeader(png)).toEqual({
      size: { width: 33, height: 17 },
      depth: 8,
      colourType: COLOUR_TYPE.palette,
      interlaced: false,
    });
    expect(decodeMaskPng(png, 'mask.png')).toEqual(labels);
  });

  test('the same labels and colours give the same bytes', async () => {
    const labels = labelMap(5, 5, (i) => i % 3);
    expect(await encodeMaskPng(labels, CLASSES)).toEqual(await encodeMaskPng(labels, CLASSES));
  });

  test('a label map of several bands is whole, and the event loop turns meanwhile', async () => {
    const labels = labelMap(2500, 1301, (i) => (i % 977 < 400 ? 1 + (i % 3) : 0));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const png = await encodeMaskPng(labels, CLASSES);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 2500, height: 1301, channels: 3 });
    const again = decodeMaskPng(png, 'mask.png');
    expect(again.size).toEqual(labels.size);
    expect(Buffer.compare(again.data, labels.data)).toBe(0);
    expect([...data.subarray(0, 3)]).toEqual([255, 136, 0]);
  });

  test('another decoder sees the colours of the classes', async () => {
    const { data, info } = await sharp(
      await encodeMaskPng(
        labelMap(4, 1, (i) => [0, 1, 7, 2][i]),
        CLASSES,
      ),
    )
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).toMatchObject({ width: 4, height: 1, channels: 3 });
    // 2 has no class: the second colour of VOC's map.
    expect([...data]).toEqual([0, 0, 0, 255, 136, 0, 1, 2, 254, 0, 128, 0]);
  });

  test('a class id that is background or ignore is refused', async () => {
    const labels = labelMap(1, 1, () => 0);
    for (const id of [0, 255]) {
      await expect(encodeMaskPng(labels, [{ id, colour: '#ffffff' }])).rejects.toThrow(RangeError);
    }
  });
});

describe('reading every kind of PNG', () => {
  for (const interlaced of [false, true]) {
    const how = interlaced ? 'interlaced' : 'plain';
    for (const depth of [1, 2, 4]) {
      // Widths around a byte's and a pass's limits.
      for (const [width, height] of [
        [1, 1],
        [5, 3],
        [9, 8],
        [17, 11],
      ]) {
        test(`${how}, ${depth} bit, ${width} x ${height}, grey and palette`, () => {
          const labels = labelMap(width, height, (i) => (i * 7 + (i >> 2)) % 2 ** depth);
          expect(decodeMaskPng(packedPng(labels, depth, COLOUR_TYPE.grey, interlaced), 'm')).toEqual(labels);
          const palette = Array.from({ length: 3 * 2 ** depth }, (_, i) => i * 5);
          expect(decodeMaskPng(packedPng(labels, depth, COLOUR_TYPE.palette, interlaced, palette), 'm')).toEqual(
            labels,
          );
        });
      }
    }

    test(`${how}, 8 and 16 bit, as libvips writes them`, async () => {
      const values = Uint8Array.from({ length: 9 * 5 }, (_, i) => i % 4);
      const raw = { raw: { width: 9, height: 5, channels: 1 as const } };
      const grey = await sharp(values, raw).toColourspace('b-w').png({ progressive: interlaced }).toBuffer();
      expect(readHeader(grey)).toMatchObject({ depth: 8, colourType: COLOUR_TYPE.grey, interlaced });
      expect(decoded(grey)).toEqual([...values]);
      const wide = await sharp(Uint16Array.from(values), raw)
        .toColourspace('grey16')
        .png({ progressive: interlaced })
        .toBuffer();
      expect(readHeader(wide)).toMatchObject({ depth: 16, colourType: COLOUR_TYPE.grey, interlaced });
      expect(decoded(wide)).toEqual([...values]);
    });
  }

  test('grey with alpha: the value where it is not transparent', () => {
    expect(decoded(pixelsPng(2, 2, 2, 8, [3, 255, 9, 0, 0, 255, 3, 1]))).toEqual([3, 0, 0, 3]);
  });

  test('RGB and RGBA of equal channels: the value', () => {
    expect(decoded(pixelsPng(2, 1, 3, 8, [4, 4, 4, 255, 255, 255]))).toEqual([4, 255]);
    expect(decoded(pixelsPng(3, 1, 4, 8, [4, 4, 4, 255, 9, 9, 9, 0, 2, 2, 2, 9]))).toEqual([4, 0, 2]);
    expect(decoded(pixelsPng(2, 1, 3, 16, [4, 4, 4, 0, 0, 0]))).toEqual([4, 0]);
  });

  test('black and one other colour: a foreign binary mask', () => {
    expect(decoded(pixelsPng(3, 1, 3, 8, [0, 0, 0, 255, 0, 0, 255, 0, 0]))).toEqual([0, 255, 255]);
    expect(decoded(pixelsPng(2, 1, 4, 8, [255, 0, 0, 255, 7, 8, 9, 0]))).toEqual([255, 0]);
    expect(decoded(pixelsPng(2, 1, 3, 16, [0, 0, 0, 40000, 0, 0]))).toEqual([0, 255]);
  });

  test('16-bit values that do not fit are read only if there is a single one', () => {
    expect(decoded(pixelsPng(3, 1, 1, 16, [0, 65535, 65535]))).toEqual([0, 255, 255]);
    expect(() => decoded(pixelsPng(3, 1, 1, 16, [0, 300, 4]))).toThrow(/^mask.png holds 2 values up to 300: expected/);
  });

  test('a two-colour palette whose black is not entry 0', () => {
    const inverted = labelMap(2, 2, (i) => i % 2);
    const png = packedPng(inverted, 1, COLOUR_TYPE.palette, false, [255, 255, 255, 0, 0, 0]);
    expect(decoded(png)).toEqual([255, 0, 255, 0]);
    const other = packedPng(inverted, 2, COLOUR_TYPE.palette, false, [0, 0, 0, 0, 0, 0]);
    expect(decoded(other)).toEqual([0, 1, 0, 1]);
  });

  test('a view into a larger buffer is read from its own start', async () => {
    const png = await encodeMaskPng(
      labelMap(3, 2, (i) => i),
      CLASSES,
    );
    const pool = new Uint8Array(png.length + 20).fill(1);
    pool.set(png, 11);
    expect(decoded(pool.subarray(11, 11 + png.length))).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe('refusing with a sentence', () => {
  let good: Uint8Array;
  beforeAll(async () => {
    good = await encodeMaskPng(
      labelMap(9, 9, (i) => i % 3),
      CLASSES,
    );
  });

  test('what is not a PNG', () => {
    expect(() => decoded(new Uint8Array(0))).toThrow(
      'mask.png is not a PNG: a mask must be a PNG, this is an empty file.',
    );
    expect(() => decoded(Buffer.from('\xff\xd8\xff\xe0 and more', 'latin1'))).toThrow(/this is JPEG/);
    expect(() => decoded(Buffer.from('hello'))).toThrow(UserError);
  });

  test('a truncated or altered PNG, wherever it is cut', () => {
    for (let length = 34; length < good.length - 12; length += 7) {
      expect(() => decoded(good.subarray(0, length)), `cut at ${length}`).toThrow(UserError);
    }
    const altered = Uint8Array.from(good);
    altered[good.length - 20] ^= 0xff;
    expect(() => decoded(altered)).toThrow(/^mask.png is damaged: expected a whole PNG/);
  });

  test('a truncated interlaced PNG of less than 8 bits', () => {
    const labels = labelMap(9, 9, (i) => i % 2);
    const png = packedPng(labels, 1, COLOUR_TYPE.grey, true);
    expect(() => decoded(png.subarray(0, png.length - 14))).toThrow(UserError);
    const short = packedPng({ size: { width: 9, height: 4 }, data: labels.data }, 1, COLOUR_TYPE.grey, true);
    const lying = Buffer.from(short);
    lying.writeUInt32BE(9, 20);
    expect(() => decoded(lying)).toThrow(UserError);
  });

  test('sizes nobody can have meant', () => {
    const huge = Buffer.from(good);
    huge.writeUInt32BE(0x7fffffff, 16);
    expect(() => decoded(huge)).toThrow(/^mask.png says it is 2147483647 x 9: expected 1 to/);
  });

  test('several colours without a palette', () => {
    expect(() => decoded(pixelsPng(2, 1, 3, 8, [1, 2, 3, 4, 5, 6]))).toThrow(
      /^mask.png holds several colours, #010203 \(50 %\), #040506 \(50 %\), and which one is the object/,
    );
  });
});

test('values are listed ascending, background is none', () => {
  expect(valuesOf(labelMap(4, 1, (i) => [9, 0, 255, 3][i]))).toEqual([3, 9, 255]);
});
