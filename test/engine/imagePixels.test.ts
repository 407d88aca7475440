import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type JpegOptions } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openImage } from '../../src/engine/pictures/imageFile';
import { readRgb, sampleWindow, windowOf } from '../../src/engine/pictures/imagePixels';
import { encodePng, imageLibraryVersions, initLibvips, resizeGrey } from '../../src/engine/pictures/libvips';
import { readStored } from '../../src/engine/pictures/maskIo';
import { makeBmp } from '../formats/makeBmp';
import { makeTiffHeader, pageTags } from '../formats/makeTiffHeader';
import { refusal } from '../refusal';
import { makeTiff } from './fixtures/tiff';

const NO_LIMIT = 1e9;
let dir: string;

beforeAll(async () => {
  initLibvips();
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-image-'));
});
afterAll(() => rm(dir, { recursive: true }));

let count = 0;
async function save(content: Buffer | string, name = 'image'): Promise<string> {
  const path = join(dir, `${++count}-${name}`);
  await writeFile(path, content);
  return path;
}

const open = async (content: Buffer | string, name?: string) => openImage(await save(content, name), NO_LIMIT);

const raw = (data: number[] | Uint8Array, width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(Uint8Array.from(data), { raw: { width, height, channels } });

/** uint8 RGB noise [height, width, 3], always the same. */
const noise = (width: number, height: number) =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919 + (i >> 5) * 31) % 251);

describe('openImage', () => {
  it('says what the file is', async () => {
    const png = await raw(noise(7, 5), 7, 5, 3).png().toBuffer();
    const path = await save(png);
    const { info, deep, notes } = await openImage(path, NO_LIMIT);
    expect(info).toEqual({
      size: { width: 7, height: 5 },
      format: 'png',
      depth: 8,
      file: {
        sha256: createHash('sha256').update(png).digest('hex'),
        bytes: png.length,
        mtimeMs: (await stat(path)).mtimeMs,
      },
    });
    expect(deep).toBe(false);
    expect(notes).toEqual([]);
  });

  it('knows depth and format of other files', async () => {
    const palette = await raw(noise(20, 20), 20, 20, 3).png({ palette: true, colours: 16 }).toBuffer();
    expect((await open(palette)).info.depth).toBe(4);
    expect((await open(makeTiff(2, 1, 1, new Uint16Array([1, 2])))).info).toMatchObject({ depth: 16, format: 'tiff' });
    expect((await open(makeTiff(2, 1, 1, new Float32Array([1, 2])))).info).toMatchObject({ depth: 32 });
    const avif = await raw(noise(20, 20), 20, 20, 3).avif().toBuffer();
    expect((await open(avif)).info).toMatchObject({ format: 'avif', depth: 8 });
  });

  it('takes the first of several frames and says so', async () => {
    const frames = await sharp([await frame(10), await frame(200)], { join: { animated: true } })
      .gif()
      .toBuffer();
    const file = await open(frames);
    expect(file.info.size).toEqual({ width: 4, height: 4 });
    expect(file.notes).toEqual(['the file has 2 pages or frames; the first one is used']);
    expect((await readRgb(file))[0]).toBe(10);
  });

  it.each([
    ['zero bytes', '', 'image.png', /image\.png is empty \(0 bytes\); expected an image\.$/],
    ['text', 'not a picture', 'text.png', /text\.png is not an image; expected PNG, JPEG, TIFF, WebP or BMP\.$/],
    ['DICOM', `${'\0'.repeat(128)}DICM`, 'slice.png', /is a DICOM file; expected PNG/],
    ['Git LFS', 'version https://git-lfs.github.com/spec/v1', 'a.png', /is a Git LFS pointer.*git lfs pull/],
    [
      'SVG',
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      'a.svg',
      /is a drawing \(SVG\); expected/,
    ],
  ])('refuses %s in words', async (_, content, name, expected) => {
    expect(await refusal(open(content, name))).toMatch(expected);
  });

  it('refuses a missing file and a folder', async () => {
    expect(await refusal(openImage(join(dir, 'none.png'), NO_LIMIT))).toMatch(/none\.png does not exist\.$/);
    expect(await refusal(openImage(dir, NO_LIMIT))).toMatch(/ is a folder, not a file: move it away\.$/);
  });

  it('refuses more pixels than the limit', async () => {
    const path = await save(await raw(noise(40, 30), 40, 30, 3).png().toBuffer());
    await openImage(path, 1200);
    expect(await refusal(openImage(path, 1199))).toMatch(/is 40 x 30 = 1,200 pixels; the limit is 1,199 pixels\.$/);
  });

  it('counts bands beyond four as pixels', async () => {
    const path = await save(makeTiff(2, 2, 8, new Uint16Array(32)));
    await openImage(path, 8);
    expect(await refusal(openImage(path, 7))).toMatch(/is 8 bands of 2 x 2 = 8 pixels; the limit is 7 pixels\.$/);
  });

  it('refuses a TIFF that promises more tiles than it holds, before anything is decoded', async () => {
    const tiled = makeTiffHeader([
      pageTags(20_000, 20_000, [
        { tag: 258, type: 3, values: [8] },
        { tag: 262, type: 3, values: [1] },
        { tag: 322, type: 3, values: [16] },
        { tag: 323, type: 3, values: [16] },
        { tag: 324, type: 4, values: [8, 8, 8, 8] },
      ]),
    ]);
    expect(await refusal(open(tiled, 'tiles.tif'))).toMatch(
      /tiles\.tif is damaged or cut short: its size takes 1,562,500 tiles, but the file has the places of 4\.$/,
    );
  });

  it('says what is unusual about a TIFF that libvips does not read', async () => {
    const tiff = (tag: number, value: number) => {
      const file = makeTiff(2, 1, 1, new Uint8Array([1, 2]));
      file.writeUInt16LE(value, file.indexOf(Buffer.of(tag & 255, tag >> 8, 3, 0)) + 8);
      return file;
    };
    const read = async (content: Buffer) => readRgb(await open(content, 'a.tif'));
    expect(await refusal(read(tiff(258, 10)))).toMatch(
      /a\.tif is a TIFF of 10 bits per sample, which is not read here;/,
    );
    expect(await refusal(read(tiff(259, 34887)))).toMatch(
      /a\.tif is a TIFF compressed with LERC, which is not read here;/,
    );
    expect(await refusal(read(tiff(262, 8)))).toMatch(/a\.tif is a TIFF in CIELAB, which is not read here;/);
  });

  it('calls a cut BigTIFF damaged, not another kind of file', async () => {
    const tags = pageTags(40, 30, [
      { tag: 258, type: 3, values: [8] },
      { tag: 262, type: 3, values: [1] },
    ]);
    const big = makeTiffHeader([tags], { big: true });
    for (const cut of [20, big.length]) {
      const read = async () => readRgb(await open(big.subarray(0, cut), 'big.tif'));
      expect(await refusal(read())).toMatch(/big\.tif is damaged or cut short/);
    }
  });

  it('takes the largest page that is no reduced one, and says so', async () => {
    const [small, large] = [
      makeTiff(2, 2, 1, new Uint8Array(4).fill(9)),
      makeTiff(3, 2, 1, new Uint8Array(6).fill(50)),
    ];
    const file = await open(chained(small, large));
    expect(file.info.size).toEqual({ width: 3, height: 2 });
    expect(await readRgb(file)).toEqual(new Uint8Array(18).fill(50));
    expect(file.notes).toEqual(['the file has 2 pages or frames; number 2, the largest, is used']);
    const mask = await readStored(chained(small, large), 'mask.tif', NO_LIMIT);
    expect(mask).toMatchObject({ size: file.info.size, samples: new Uint8Array(6).fill(50) });
  });
});

/** One TIFF of the pages of two that `makeTiff` has made. */
function chained(first: Buffer, second: Buffer): Buffer {
  const moved = Buffer.from(second);
  const entries = moved.readUInt16LE(8);
  for (let at = 10; at < 10 + entries * 12; at += 12) {
    const isPlace = moved.readUInt16LE(at) === 273 || moved.readUInt32LE(at + 4) > 2;
    if (isPlace) moved.writeUInt32LE(moved.readUInt32LE(at + 8) + first.length, at + 8);
  }
  const both = Buffer.concat([first, moved]);
  both.writeUInt32LE(first.length + 8, 10 + both.readUInt16LE(8) * 12);
  return both;
}

const frame = (value: number) => raw(Array(48).fill(value), 4, 4, 3).png().toBuffer();

describe('readRgb', () => {
  it('gives the numbers of an RGB file', async () => {
    const pixels = noise(9, 4);
    expect(await readRgb(await open(await raw(pixels, 9, 4, 3).png().toBuffer()))).toEqual(pixels);
  });

  it('repeats grey three times, for a 1 x 1 image too', async () => {
    const grey = await open(await raw([0, 90, 255], 3, 1, 1).toColourspace('b-w').png().toBuffer());
    expect(await readRgb(grey)).toEqual(Uint8Array.of(0, 0, 0, 90, 90, 90, 255, 255, 255));
    const pixel = await open(await raw([77], 1, 1, 1).toColourspace('b-w').png().toBuffer());
    expect(await readRgb(pixel, { width: 3, height: 2 })).toEqual(new Uint8Array(18).fill(77));
  });

  it('lays alpha on black', async () => {
    const rgba = await open(await raw([200, 100, 50, 255, 200, 100, 50, 0], 2, 1, 4).png().toBuffer());
    expect(await readRgb(rgba)).toEqual(Uint8Array.of(200, 100, 50, 0, 0, 0));
    const greyAlpha = await open(await raw([200, 255, 200, 0], 2, 1, 2).toColourspace('b-w').png().toBuffer());
    expect(greyAlpha.header.channels).toBe(2);
    expect(await readRgb(greyAlpha)).toEqual(Uint8Array.of(200, 200, 200, 0, 0, 0));
  });

  it('resolves a palette and converts CMYK', async () => {
    const two = Uint8Array.of(255, 0, 0, 0, 0, 255);
    const palette = await raw(two, 2, 1, 3).png({ palette: true }).toBuffer();
    expect((await sharp(palette).metadata()).isPalette).toBe(true);
    expect(await readRgb(await open(palette))).toEqual(two);
    const white = raw(new Uint8Array(16 * 16 * 3).fill(255), 16, 16, 3);
    const cmyk = await open(await white.toColourspace('cmyk').jpeg().toBuffer());
    expect(cmyk.header.space).toBe('cmyk');
    const rgb = await readRgb(cmyk);
    expect(rgb).toHaveLength(16 * 16 * 3);
    expect(Math.min(...rgb)).toBeGreaterThan(245);
  });

  it('ignores an embedded profile', async () => {
    const pixels = noise(6, 6);
    const tagged = await raw(pixels, 6, 6, 3).png().keepIccProfile().withIccProfile('p3').toBuffer();
    const file = await open(tagged);
    expect((await sharp(tagged).metadata()).hasProfile).toBe(true);
    const { data } = await sharp(tagged, { ignoreIcc: true }).raw().toBuffer({ resolveWithObject: true });
    expect(await readRgb(file)).toEqual(new Uint8Array(data));
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns EXIF orientation %i upright', async (orientation) => {
    // A bright corner top left in the upright image, wider than high.
    const stored = await store((x, y) => (x < 16 && y < 8 ? 255 : 0), orientation);
    const file = await open(stored);
    expect(file.info.size).toEqual({ width: 32, height: 16 });
    const full = await readRgb(file);
    const small = await readRgb(file, { width: 8, height: 8 });
    const at = (rgb: Uint8Array, width: number, x: number, y: number) => rgb[(y * width + x) * 3]!;
    expect([at(full, 32, 3, 3), at(full, 32, 28, 3), at(full, 32, 3, 13)].map((value) => value > 128)).toEqual([
      true,
      false,
      false,
    ]);
    expect([at(small, 8, 1, 1), at(small, 8, 6, 1), at(small, 8, 1, 6)].map((value) => value > 128)).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('stretches to exactly the size asked for', async () => {
    const png = await open(await raw(noise(101, 37), 101, 37, 3).png().toBuffer());
    const jpeg = await open(await raw(noise(1003, 777), 1003, 777, 3).jpeg().toBuffer());
    for (const size of [
      { width: 384, height: 384 },
      { width: 33, height: 97 },
      { width: 1, height: 1 },
    ]) {
      expect(await readRgb(png, size)).toHaveLength(size.width * size.height * 3);
      expect(await readRgb(jpeg, size)).toHaveLength(size.width * size.height * 3);
    }
  });

  it('keeps the centre of mass in place when it shrinks', async () => {
    const pixels = new Uint8Array(400 * 100 * 3);
    for (let y = 0; y < 100; y++) pixels.fill(255, (y * 400 + 200) * 3, (y * 400 + 400) * 3);
    const half = await readRgb(await open(await raw(pixels, 400, 100, 3).png().toBuffer()), { width: 40, height: 10 });
    const row = Array.from({ length: 40 }, (_, x) => half[x * 3]!);
    expect(row.reduce((sum, value) => sum + value, 0) / 255).toBeCloseTo(20, 1);
    expect(row[18]).toBeLessThan(10);
    expect(row[21]).toBeGreaterThan(245);
  });

  it.each(['png', 'webp', 'tiff', 'gif', 'avif'] as const)('refuses a truncated %s', async (format) => {
    const whole = await raw(noise(120, 120), 120, 120, 3)[format]().toBuffer();
    const cut = await save(whole.subarray(0, Math.floor(whole.length / 2)), `cut.${format}`);
    const read = async () => readRgb(await openImage(cut, NO_LIMIT), { width: 32, height: 32 });
    expect(await refusal(read())).toMatch(/cut\.\w+ is damaged or cut short: it begins as \w+ but/);
  });
});

describe('BMP, which libvips does not read', () => {
  const size = { width: 21, height: 9 };
  const rgb = noise(size.width, size.height);
  const pixels = Array.from(
    { length: 21 * 9 },
    (_, i) => (rgb[i * 3]! << 16) + (rgb[i * 3 + 1]! << 8) + rgb[i * 3 + 2]!,
  );

  it('gives its numbers, and what it is', async () => {
    const bmp = makeBmp({ size, bits: 24, pixels });
    const file = await open(bmp, 'scan.bmp');
    expect(file.info).toMatchObject({ size, format: 'bmp', depth: 8, file: { bytes: bmp.length } });
    expect(file.deep).toBe(false);
    expect(await readRgb(file)).toEqual(rgb);
  });

  it('repeats grey three times, and says how deep a palette is', async () => {
    const palette = [0, 40, 250].map((value) => [value, value, value] as const);
    const file = await open(makeBmp({ size: { width: 3, height: 1 }, bits: 4, pixels: [2, 0, 1], palette }));
    expect(file.info.depth).toBe(4);
    expect(await readRgb(file)).toEqual(Uint8Array.of(250, 250, 250, 0, 0, 0, 40, 40, 40));
  });

  it('lays alpha on black', async () => {
    const masks = [0xff0000, 0xff00, 0xff, 0xff000000];
    const transparent = [0xff0a141e, 0x000a141e];
    const file = await open(makeBmp({ size: { width: 2, height: 1 }, bits: 32, masks, pixels: transparent }));
    expect(await readRgb(file)).toEqual(Uint8Array.of(10, 20, 30, 0, 0, 0));
  });

  it('is resized as a PNG of the same numbers is', async () => {
    const bmp = await open(makeBmp({ size, bits: 24, pixels, topDown: true }));
    const png = await open(await raw(rgb, size.width, size.height, 3).png().toBuffer());
    for (const to of [
      { width: 64, height: 64 },
      { width: 5, height: 3 },
    ]) {
      expect(await readRgb(bmp, to)).toEqual(await readRgb(png, to));
    }
  });

  it('is refused where it is cut short, compressed or too large', async () => {
    const bmp = makeBmp({ size, bits: 24, pixels });
    const cut = await open(bmp.subarray(0, 300), 'cut.bmp');
    expect(await refusal(readRgb(cut))).toMatch(
      /cut\.bmp is cut short: its header tells of \d+ bytes, the file has 300\.$/,
    );
    const packed = makeBmp({ size, bits: 8, pixels: [], compression: 1 });
    expect(await refusal(open(packed, 'packed.bmp'))).toMatch(/packed\.bmp is a compressed BMP, which is not read:/);
    const path = await save(bmp);
    expect(await refusal(openImage(path, 188))).toMatch(/is 21 x 9 = 189 pixels; the limit is 188 pixels\.$/);
  });

  it('is told by its header: text may start with BM', async () => {
    expect(await refusal(open('BM is also how some notes start', 'notes.bmp'))).toMatch(/notes\.bmp is not an image;/);
  });
});

/** A 32 x 16 picture stored as EXIF 2.3 defines the orientation: where its row 0 and its column 0 belong. */
function store(upright: (x: number, y: number) => number, orientation: number): Promise<Buffer> {
  const [row, column] = (
    [
      ['top', 'left'],
      ['top', 'right'],
      ['bottom', 'right'],
      ['bottom', 'left'],
      ['left', 'top'],
      ['right', 'top'],
      ['right', 'bottom'],
      ['left', 'bottom'],
    ] as const
  )[orientation - 1]!;
  const [width, height] = orientation < 5 ? [32, 16] : [16, 32];
  const pixels = new Uint8Array(width * height * 3);
  for (let r = 0; r < height; r++) {
    for (let c = 0; c < width; c++) {
      const place = { left: 0, right: 31, top: 0, bottom: 15 };
      const step = { left: 1, right: -1, top: 1, bottom: -1 };
      const fromRow = place[row] + r * step[row];
      const fromColumn = place[column] + c * step[column];
      const value = orientation < 5 ? upright(fromColumn, fromRow) : upright(fromRow, fromColumn);
      pixels.fill(value, (r * width + c) * 3, (r * width + c + 1) * 3);
    }
  }
  return raw(pixels, width, height, 3).jpeg().withMetadata({ orientation }).toBuffer();
}

describe('more than 8 bits', () => {
  const wide = { low: 0, high: 65535 };

  it('maps 16-bit grey linearly through the window, TIFF and PNG', async () => {
    const values = new Uint16Array([0, 1000, 1500, 2000, 65535]);
    const tiff = await open(makeTiff(5, 1, 1, values));
    expect(tiff.deep).toBe(true);
    const grey = (rgb: Uint8Array) => rgb.filter((_, i) => i % 3 === 0);
    expect(grey(await readRgb(tiff, undefined, { low: 1000, high: 2000 }))).toEqual(Uint8Array.of(0, 0, 128, 255, 255));
    expect(grey(await readRgb(tiff, undefined, wide))).toEqual(Uint8Array.of(0, 4, 6, 8, 255));
    const png = await open(
      await sharp(makeTiff(5, 1, 1, values))
        .toColourspace('grey16')
        .png()
        .toBuffer(),
    );
    expect(png.info).toMatchObject({ depth: 16, format: 'png' });
    expect(grey(await readRgb(png, undefined, { low: 1000, high: 2000 }))).toEqual(Uint8Array.of(0, 0, 128, 255, 255));
  });

  it('maps 16-bit RGB, with alpha on black', async () => {
    const rgb16 = makeTiff(2, 1, 3, new Uint16Array([0, 257, 65535, 514, 25700, 51400]));
    expect(await readRgb(await open(rgb16), undefined, wide)).toEqual(Uint8Array.of(0, 1, 255, 2, 100, 200));
    const alpha = makeTiff(2, 1, 4, new Uint16Array([0, 257, 65535, 0, 514, 25700, 51400, 65535]), {
      extraSamples: [2],
    });
    const withAlpha = await sharp(alpha).toColourspace('rgb16').png().toBuffer();
    const file = await open(withAlpha);
    expect(file.header).toMatchObject({ channels: 4, depth: 'ushort' });
    expect(await readRgb(file, undefined, wide)).toEqual(Uint8Array.of(0, 0, 0, 2, 100, 200));
  });

  it('keeps negative numbers of signed 16-bit and float TIFF', async () => {
    const window = { low: -1000, high: 1040 };
    const signed = await open(makeTiff(4, 1, 1, new Int16Array([-1024, -1000, -600, 1040])));
    const float = await open(makeTiff(4, 1, 1, new Float32Array([-1024, -1000, -600, 1040])));
    const expected = Uint8Array.of(0, 0, 0, 0, 0, 0, 50, 50, 50, 255, 255, 255);
    expect(await readRgb(signed, undefined, window)).toEqual(expected);
    expect(await readRgb(float, undefined, window)).toEqual(expected);
    const rgb = await open(makeTiff(1, 1, 3, new Float32Array([-1000, 20, 1040])));
    expect(await readRgb(rgb, undefined, window)).toEqual(Uint8Array.of(0, 128, 255));
    const signedRgb = await open(makeTiff(1, 1, 3, new Int16Array([-1000, 20, 1040])));
    expect(await readRgb(signedRgb, undefined, window)).toEqual(Uint8Array.of(0, 128, 255));
  });

  it('resizes deep images', async () => {
    const file = await open(makeTiff(4, 4, 1, new Int16Array(16).fill(-500)));
    const rgb = await readRgb(file, { width: 9, height: 2 }, { low: -1000, high: 0 });
    expect(rgb).toHaveLength(54);
    // libvips rounds resized negatives down.
    for (const value of rgb) expect(Math.abs(value - 127.5)).toBeLessThan(1);
  });

  it('draws black what has no value, at every size, and spoils no neighbour with it', async () => {
    for (const none of [Number.NaN, Number.POSITIVE_INFINITY, -9999, 3.4028234663852886e38, -32768, 1e20]) {
      const values = Float32Array.from({ length: 64 * 64 }, (_, i) => (i % 64 < 16 ? none : 0.2 + (i % 50) / 100));
      const file = await open(makeTiff(64, 64, 1, values));
      const { low, high } = await windowOf([file]);
      expect([low, high].map((value) => Math.round(value * 100) / 100)).toEqual([0.2, 0.69]);
      for (const size of [64, 32, 100]) {
        const rgb = await readRgb(file, { width: size, height: size });
        for (let x = 0; x < size; x++) {
          // Where valid pixels are averaged, none is black, nor white.
          if ((x + 3) / size < 0.25) expect(rgb[x * 3]).toBe(0);
        }
        const right = rgb.filter((_, i) => (i / 3) % size > size / 2);
        expect(right.reduce((sum, value) => sum + value, 0) / right.length).toBeCloseTo(127, -1);
      }
    }
  });

  it('leaves out the number that the file itself calls no value, also among whole numbers', async () => {
    for (const values of [Uint16Array.from({ length: 1000 }, (_, i) => (i % 4 === 0 ? 999 : 100 + i / 10))]) {
      const file = await open(makeTiff(1000, 1, 1, values, { nodata: '999' }));
      expect(await windowOf([file])).toEqual({ low: 100, high: 199 });
      const rgb = await readRgb(file);
      expect([rgb[4 * 3], rgb[500 * 3], rgb[503 * 3]]).toEqual([0, 0, 129]);
    }
  });

  it('turns floats whose lowest number is white', async () => {
    const file = await open(makeTiff(4, 1, 1, Float32Array.of(0, 0.25, 1, Number.NaN), { photometric: 0 }));
    const rgb = await readRgb(file, undefined, { low: 0, high: 1 });
    expect(rgb.filter((_, i) => i % 3 === 0)).toEqual(Uint8Array.of(255, 191, 0, 0));
  });

  it("uses the image's own percentiles without a window", async () => {
    const ramp = Uint16Array.from({ length: 1001 }, (_, i) => 1000 + i);
    const file = await open(makeTiff(1001, 1, 1, ramp));
    expect(await windowOf([file])).toEqual({ low: 1005, high: 1995 });
    const rgb = await readRgb(file);
    expect([rgb[5 * 3], rgb[500 * 3], rgb[995 * 3]]).toEqual([0, 128, 255]);
  });

  it('shows a nearly empty image between its extremes, and a constant one', async () => {
    const spot = new Uint16Array(2000);
    spot[7] = 3000;
    const file = await open(makeTiff(2000, 1, 1, spot));
    expect(await windowOf([file])).toEqual({ low: 0, high: 3000 });
    const constant = await open(makeTiff(3, 1, 1, new Uint16Array([9, 9, 9])));
    expect(await readRgb(constant)).toEqual(new Uint8Array(9));
  });
});

describe('bands', () => {
  const pixels = noise(20, 10);
  /** A fourth band as near infrared has it: no number of opacity. */
  const withBand = (of: (pixel: number) => number) =>
    Uint8Array.from({ length: 800 }, (_, i) => (i % 4 === 3 ? of(i >> 2) : pixels[(i >> 2) * 3 + (i % 4)]!));
  const infrared = withBand((pixel) => 4 + (pixel % 15));

  it('shows three of four and says which, whatever the file calls the fourth', async () => {
    const unspecified = await open(makeTiff(20, 10, 4, infrared, { extraSamples: [0] }));
    expect(unspecified.notes).toEqual([
      'the file has 4 bands, of which 1, 2 and 3 are shown as red, green and blue (others with --bands, or "bands" in project.json)',
    ]);
    const called = await open(makeTiff(20, 10, 4, infrared, { extraSamples: [2] }));
    const grey = await open(makeTiff(20, 10, 4, infrared, { photometric: 1, extraSamples: [0, 0, 0] }));
    for (const file of [unspecified, called, grey]) expect(await readRgb(file)).toEqual(pixels);
    expect(called.notes).toEqual([
      'its last band is left out: the file calls it opacity, but it is hardly opaque anywhere',
    ]);
    // Twice: what decoding finds is said once.
    await readRgb(called, { width: 5, height: 5 });
    expect(called.notes).toHaveLength(1);
  });

  it('takes a few saturated numbers for no opacity in a TIFF, and partial opacity for one', async () => {
    const saturated = await open(
      makeTiff(
        20,
        10,
        4,
        withBand((pixel) => (pixel === 7 ? 255 : 9)),
        { extraSamples: [2] },
      ),
    );
    expect(await readRgb(saturated)).toEqual(pixels);
    const half = withBand((pixel) => (pixel < 100 ? 255 : 128));
    const soft = await open(makeTiff(20, 10, 4, half, { extraSamples: [2] }));
    const expected = pixels.map((value, i) => (i < 300 ? value : Math.floor((value * 128) / 255)));
    expect(await readRgb(soft)).toEqual(expected);
    expect(soft.notes).toEqual([]);
    const png = await open(await raw(half, 20, 10, 4).png().toBuffer());
    expect(await readRgb(png)).toEqual(expected);
  });

  it('leaves out opacity that would hide the whole image', async () => {
    const file = await open(
      await raw(
        withBand(() => 0),
        20,
        10,
        4,
      )
        .png()
        .toBuffer(),
    );
    expect(await readRgb(file)).toEqual(pixels);
    expect(file.notes).toEqual(['its transparency is left out: the whole image would be invisible']);
  });

  it('shows the bands that are chosen, of 8 and 16 bits and floats, in any order', async () => {
    const five = [1, 2, 3, 4, 5, 11, 12, 13, 14, 15];
    const meaning = { photometric: 1, extraSamples: [0, 0, 0, 0] };
    const window = { low: 0, high: 255 };
    for (const samples of [Uint8Array.from(five), Uint16Array.from(five), Float32Array.from(five)]) {
      const path = await save(makeTiff(2, 1, 5, samples, meaning));
      expect(await readRgb(await openImage(path, NO_LIMIT), undefined, window)).toEqual(
        Uint8Array.of(1, 2, 3, 11, 12, 13),
      );
      const chosen = await openImage(path, NO_LIMIT, [5, 1, 1]);
      expect(await readRgb(chosen, undefined, window)).toEqual(Uint8Array.of(5, 1, 1, 15, 11, 11));
      expect(chosen.notes).toEqual([]);
      expect(await refusal(openImage(path, NO_LIMIT, [6, 1, 1]))).toMatch(
        /has 5 bands; the project shows the bands 6, 1, 1 of its images\.$/,
      );
    }
  });

  it('shows one band three times as grey, also of an image that has no other', async () => {
    const grey = await save(await raw([0, 90, 255], 3, 1, 1).toColourspace('b-w').png().toBuffer());
    expect(await readRgb(await openImage(grey, NO_LIMIT, [1, 1, 1]))).toEqual(
      Uint8Array.of(0, 0, 0, 90, 90, 90, 255, 255, 255),
    );
    expect(await refusal(openImage(grey, NO_LIMIT, [1, 2, 3]))).toMatch(
      /has one band; the project shows the bands 1, 2, 3/,
    );
    const colour = await save(await raw([1, 2, 3, 4, 5, 6], 2, 1, 3).png().toBuffer());
    expect(await readRgb(await openImage(colour, NO_LIMIT, [2, 2, 2]))).toEqual(Uint8Array.of(2, 2, 2, 5, 5, 5));
  });

  it('shows the first of two', async () => {
    for (const samples of [Uint8Array.of(10, 200, 30, 220), Float32Array.of(10, 200, 30, 220)]) {
      const file = await open(makeTiff(2, 1, 2, samples, { extraSamples: [0] }));
      expect(await readRgb(file, undefined, { low: 0, high: 255 })).toEqual(Uint8Array.of(10, 10, 10, 30, 30, 30));
      expect(file.notes[0]).toMatch(/^the file has 2 bands, of which the first one is shown/);
    }
  });

  it('counts shown bands only in a window', async () => {
    const samples = Uint16Array.from({ length: 400 }, (_, i) => (i % 4 === 3 ? 60_000 : 100 + (i >> 2)));
    expect(await windowOf([await open(makeTiff(10, 10, 4, samples, { extraSamples: [0] }))])).toEqual({
      low: 100,
      high: 199,
    });
  });
});

describe('a JPEG that was cut short', () => {
  // Smooth, so that cutting bytes cuts rows evenly.
  const pixels = Uint8Array.from({ length: 128 * 128 * 3 }, (_, i) => 60 + ((i * 7919) % 97));
  const coded = (options: JpegOptions, orientation = 1) =>
    raw(pixels, 128, 128, 3).jpeg(options).withMetadata({ orientation }).toBuffer();
  const cut = (whole: Buffer, share: number) => whole.subarray(0, Math.floor(whole.length * share));
  const read = async (content: Buffer) => {
    const file = await open(content, 'cut.jpg');
    return { rgb: await readRgb(file), notes: file.notes };
  };

  it.each([{ progressive: false }, { progressive: true }])(
    'is read without complaint where it lacks only its end: %j',
    async (options) => {
      const whole = await coded(options);
      const { rgb, notes } = await read(whole.subarray(0, -2));
      expect(notes).toEqual([]);
      expect(rgb).toEqual((await read(whole)).rgb);
      expect((await read(Buffer.concat([whole, Buffer.alloc(999, 7)]))).rgb).toEqual(rgb);
    },
  );

  it.each([1, 3, 6, 8])(
    'is shown as far as it goes, black where it ends, and says so (EXIF orientation %i)',
    async (orientation) => {
      const whole = await coded({}, orientation);
      const { rgb, notes } = await read(cut(whole, 0.8));
      expect(notes).toEqual([
        expect.stringMatching(/^the file is cut short: about the last (1\d|2\d) % of the image are missing$/),
      ]);
      const complete = (await read(whole)).rgb;
      let same = 0;
      let black = 0;
      for (let i = 0; i < rgb.length; i++) {
        if (rgb[i] === complete[i]) same++;
        else if (rgb[i] === 0) black++;
      }
      expect(same / rgb.length).toBeGreaterThan(0.7);
      expect(black / rgb.length).toBeGreaterThan(0.1);
    },
  );

  it('is refused where more than half is missing', async () => {
    expect(await refusal(read(cut(await coded({}), 0.4)))).toMatch(
      /cut\.jpg is cut short: about the last [67]\d % of the image are missing; expected at least half of it\.$/,
    );
  });
});

describe('sampleWindow', () => {
  it('covers several images, of mixed types, and leaves out those of 8 bits', async () => {
    const paths = [
      await save(
        makeTiff(
          500,
          1,
          1,
          new Int16Array(500).map((_, i) => i - 500),
        ),
      ),
      await save(
        makeTiff(
          501,
          1,
          1,
          new Float32Array(501).map((_, i) => i),
        ),
      ),
      await save(await frame(255)),
    ];
    expect(await sampleWindow(paths, NO_LIMIT)).toEqual({ low: -495, high: 495 });
  });

  it('is within 0.05 % for large and fractional numbers, and ignores NaN and infinity', async () => {
    const values = Float32Array.from({ length: 1001 }, (_, i) => (i - 300) * 123.4567);
    values[1000] = Number.NaN;
    values[999] = Number.POSITIVE_INFINITY;
    const { low, high } = await sampleWindow([await save(makeTiff(1001, 1, 1, values))], NO_LIMIT);
    expect(low).toBeGreaterThan(-296 * 123.4567 * 1.0005);
    expect(low).toBeLessThan(-296 * 123.4567 * 0.9985);
    expect(high / (694 * 123.4567)).toBeCloseTo(1, 2);
  });

  it('leaves out what cannot be read, unless it is all', async () => {
    const broken = await save('nonsense', 'broken.tif');
    const good = await save(makeTiff(2, 1, 1, new Uint16Array([10, 20])));
    expect(await sampleWindow([broken, good], NO_LIMIT)).toEqual({ low: 10, high: 20 });
    expect(await refusal(sampleWindow([broken], NO_LIMIT))).toMatch(/broken\.tif is not an image/);
    expect(await sampleWindow([], NO_LIMIT)).toEqual({ low: 0, high: 255 });
  });
});

describe('writing', () => {
  it('encodes RGB as PNG and lays an SVG over it', async () => {
    const pixels = noise(12, 8);
    const plain = await sharp(await encodePng(pixels, { width: 12, height: 8 }))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(plain.info).toMatchObject({ width: 12, height: 8, channels: 3 });
    expect(new Uint8Array(plain.data)).toEqual(pixels);
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="12" height="8"><rect width="6" height="8" fill="#0f0"/></svg>';
    const drawn = await sharp(await encodePng(pixels, { width: 12, height: 8 }, svg))
      .raw()
      .toBuffer();
    expect([...drawn.subarray(0, 3)]).toEqual([0, 255, 0]);
    expect([...drawn.subarray(33, 36)]).toEqual([...pixels.subarray(33, 36)]);
  });

  it('resizes a mask to its coverage', async () => {
    const mask = Uint8Array.of(0, 255, 0, 255);
    const from = { width: 2, height: 2 };
    expect(await resizeGrey(mask, from, from)).toBe(mask);
    const big = await resizeGrey(mask, from, { width: 8, height: 4 });
    expect(big).toHaveLength(32);
    expect([big[0], big[7]]).toEqual([0, 255]);
  });

  it('knows its versions', () => {
    const versions = imageLibraryVersions();
    expect(versions.sharp).toMatch(/^0\.\d+/);
    expect(versions.libvips).toMatch(/^8\./);
  });
});
