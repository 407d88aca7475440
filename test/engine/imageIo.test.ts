import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodePng,
  imageLibraryVersions,
  initImageIo,
  openImage,
  readRgb,
  resizeGrey,
  sampleWindow,
  windowOf,
} from '../../src/engine/imageIo';
import { makeBmp } from '../formats/makeBmp';
import { refusal } from '../refusal';
import { makeTiff } from './fixtures/tiff';

const NO_LIMIT = 1e9;
let dir: string;

beforeAll(async () => {
  initImageIo();
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
    expect(await refusal(openImage(dir, NO_LIMIT))).toMatch(/is a folder; expected an image\.$/);
  });

  it('refuses more pixels than the limit', async () => {
    const path = await save(await raw(noise(40, 30), 40, 30, 3).png().toBuffer());
    await openImage(path, 1200);
    expect(await refusal(openImage(path, 1199))).toMatch(/is 40 x 30 = 1,200 pixels; the limit is 1,199 pixels\.$/);
  });

  it('refuses more channels than colours and alpha', async () => {
    const message = await refusal(open(makeTiff(1, 1, 5, new Uint16Array([1, 2, 3, 4, 5]))));
    expect(message).toMatch(/has 5 channels; expected grey, RGB or CMYK/);
  });
});

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

  it.each(['png', 'jpeg', 'webp', 'tiff', 'gif', 'avif'] as const)('refuses a truncated %s', async (format) => {
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
    const withAlpha = await sharp(rgb16).ensureAlpha(0).toColourspace('rgb16').png().toBuffer();
    const file = await open(withAlpha);
    expect(file.header).toMatchObject({ channels: 4, depth: 'ushort' });
    expect(await readRgb(file, undefined, wide)).toEqual(new Uint8Array(6));
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
