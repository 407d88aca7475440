/** What the editor shows of an image: exact at the finest level, aligned below, there whole or not at all. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { Display, levelsOf } from '../../src/engine/pictures/display';
import { openDisplayFolder } from '../../src/engine/pictures/displayFolder';
import { openImage } from '../../src/engine/pictures/imageFile';
import { readRgb, windowOf } from '../../src/engine/pictures/imagePixels';
import { initLibvips } from '../../src/engine/pictures/libvips';
import { wholeChunksOf } from '../../src/formats/pngChunks';
import type { DisplayRequest, TileFiles } from '../../src/protocol/engineApi';
import { makeBmp } from '../formats/makeBmp';
import { refusal } from '../refusal';
import { seededRandom } from '../seeded';
import { makeTiff } from './fixtures/tiff';

const NO_LIMIT = 1e9;
const CAP = 2 ** 30;
const never = new AbortController().signal;

let dir: string;
beforeAll(async () => {
  initLibvips();
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-display-'));
});
afterAll(() => rm(dir, { recursive: true }));

let count = 0;
async function save(content: Uint8Array): Promise<string> {
  const path = join(dir, `image-${++count}`);
  await writeFile(path, content);
  return path;
}

/** A display with a home of its own. */
async function newDisplay(capBytes = CAP) {
  const home = join(dir, `home-${++count}`);
  await mkdir(home);
  const display = new Display(home, capBytes, NO_LIMIT);
  return {
    home,
    display,
    overview: (request: DisplayRequest) => display.overview(request, never),
    tiles: (request: DisplayRequest) => display.tiles(request, never),
    entries: async () => (await readdir(join(home, 'display')).catch(() => [])).sort(),
  };
}

const random = seededRandom(9);
/** uint8 noise [height, width, channels]. */
const noise = ({ width, height }: Size, channels: number) =>
  Uint8Array.from({ length: width * height * channels }, () => Math.floor(random() * 256));

const raw = (data: Uint8Array, { width, height }: Size, channels: 1 | 2 | 3 | 4) =>
  sharp(data, { raw: { width, height, channels } });

/** Larger than a tile, odd, not square: every edge case of a grid. */
const odd: Size = { width: 1101, height: 525 };

async function decodeRgb(file: string): Promise<{ size: Size; data: Uint8Array }> {
  const { data, info } = await sharp(file).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
  expect(info.channels).toBe(3);
  return { size: { width: info.width, height: info.height }, data };
}

/**
 * One level put together again: uint8 RGB [height, width, 3]. Fails unless there are exactly the tiles there should be.
 */
async function assemble({ dir: folder, tileSize }: TileFiles, level: number, size: Size): Promise<Uint8Array> {
  const data = new Uint8Array(area(size) * 3);
  const names: string[] = [];
  for (let row = 0; row * tileSize < size.height; row++) {
    for (let column = 0; column * tileSize < size.width; column++) {
      names.push(`${column}_${row}.png`);
      const tile = await decodeRgb(join(folder, String(level), `${column}_${row}.png`));
      expect(tile.size).toEqual({
        width: Math.min(tileSize, size.width - column * tileSize),
        height: Math.min(tileSize, size.height - row * tileSize),
      });
      for (let y = 0; y < tile.size.height; y++) {
        const from = tile.data.subarray(y * tile.size.width * 3, (y + 1) * tile.size.width * 3);
        data.set(from, ((row * tileSize + y) * size.width + column * tileSize) * 3);
      }
    }
  }
  expect((await readdir(join(folder, String(level)))).sort()).toEqual(names.sort());
  return data;
}

const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** Sizes of the levels, the coarsest first. */
function levelSizes(size: Size): Size[] {
  const sizes = [size];
  while (Math.max(sizes[0].width, sizes[0].height) > 512) {
    sizes.unshift({ width: Math.ceil(sizes[0].width / 2), height: Math.ceil(sizes[0].height / 2) });
  }
  return sizes;
}

describe('tiles', () => {
  const deepValues = Uint16Array.from({ length: area(odd) }, () => 500 + Math.floor(random() ** 2 * 4000));
  it.each<[string, () => Promise<Buffer>, DisplayRequest['window']?]>([
    ['RGB', () => raw(noise(odd, 3), odd, 3).png().toBuffer()],
    ['grey', () => raw(noise(odd, 1), odd, 1).toColourspace('b-w').png().toBuffer()],
    ['RGB with alpha', () => raw(noise(odd, 4), odd, 4).png().toBuffer()],
    ['grey with alpha', () => raw(noise(odd, 2), odd, 2).toColourspace('b-w').png().toBuffer()],
    [
      'a palette',
      () => {
        const fewColours = noise(odd, 3).map((value) => (value < 128 ? 20 : 230));
        return raw(fewColours, odd, 3).png({ palette: true, colours: 8, effort: 1 }).toBuffer();
      },
    ],
    ['JPEG', () => raw(noise(odd, 3), odd, 3).jpeg().toBuffer()],
    ['JPEG that lies on its side', () => raw(noise(odd, 3), odd, 3).jpeg().withMetadata({ orientation: 6 }).toBuffer()],
    ['CMYK', () => raw(noise(odd, 3), odd, 3).toColourspace('cmyk').jpeg().toBuffer()],
    ['a colour profile', () => raw(noise(odd, 3), odd, 3).png().keepIccProfile().withIccProfile('p3').toBuffer()],
    [
      'BMP',
      async () => {
        const pixels = Array.from({ length: area(odd) }, () => Math.floor(random() * 2 ** 24));
        return makeBmp({ size: odd, bits: 24, pixels });
      },
    ],
    ['WebP', () => raw(noise(odd, 3), odd, 3).webp().toBuffer()],
    ['16-bit grey through its own window', async () => makeTiff(odd.width, odd.height, 1, deepValues)],
    [
      '16-bit grey through a window',
      async () => makeTiff(odd.width, odd.height, 1, deepValues),
      { low: 612.5, high: 2999 },
    ],
    [
      'signed 16 bit',
      async () =>
        makeTiff(
          odd.width,
          odd.height,
          1,
          Int16Array.from(deepValues, (value) => value - 1500),
        ),
      { low: -700, high: 801 },
    ],
    [
      'float',
      async () =>
        makeTiff(
          odd.width,
          odd.height,
          1,
          Float32Array.from(deepValues, (value) => value / 7 - 100),
        ),
      { low: -20, high: 400.25 },
    ],
    [
      '16-bit RGB',
      async () => {
        const size = { width: 600, height: 20 };
        const values = Uint16Array.from({ length: area(size) * 3 }, () => Math.floor(random() * 65536));
        return makeTiff(size.width, size.height, 3, values);
      },
      { low: 100, high: 60000 },
    ],
  ])('of the finest level are what an encoder would see at full size: %s', async (_, make, window) => {
    const path = await save(await make());
    const file = await openImage(path, NO_LIMIT);
    const { tiles } = await newDisplay();
    const made = await tiles({ image: path, ...(window && { window }) });
    expect(made).toMatchObject({ tileSize: 512, levels: levelSizes(file.info.size).length });
    const expected = await readRgb(file, file.info.size, window);
    expect(same(await assemble(made, made.levels - 1, file.info.size), expected)).toBe(true);
  });

  it('are plain PNGs: nothing in them lets a browser change a colour', async () => {
    const path = await save(await raw(noise(odd, 3), odd, 3).png().keepIccProfile().withIccProfile('p3').toBuffer());
    const { tiles } = await newDisplay();
    const made = await tiles({ image: path });
    const chunks = [...wholeChunksOf(await readFile(join(made.dir, '0', '0_0.png')))].map(({ type }) => type);
    expect(chunks.filter((type) => ['gAMA', 'iCCP', 'sRGB', 'cHRM', 'tRNS'].includes(type))).toEqual([]);
    expect(chunks[0]).toBe('IHDR');
  });

  it.each([
    [{ width: 1, height: 1 }, 1],
    [{ width: 512, height: 512 }, 1],
    [{ width: 513, height: 3 }, 2],
    [{ width: 1024, height: 1 }, 2],
    [{ width: 1025, height: 1 }, 3],
    [{ width: 8000, height: 8000 }, 5],
  ])('of %j have %i levels', (size, levels) => {
    expect(levelsOf(size)).toBe(levels);
    expect(levelSizes(size)).toHaveLength(levels);
  });

  it.each([
    { width: 1101, height: 525 },
    { width: 2, height: 2051 },
  ])('of a coarser level stand for twice as many pixels, without a shift: %j', async (size) => {
    // Waves: half a pixel aside at any level would be a step of 8 or more.
    const wave = (x: number, y: number) => 128 + 60 * Math.sin(x / 12) + 60 * Math.cos(y / 12);
    const at = (i: number, width: number) => wave((i % width) + 0.5, Math.floor(i / width) + 0.5);
    const values = Float32Array.from({ length: area(size) }, (_, i) => at(i, size.width));
    const { tiles } = await newDisplay();
    const image = await save(makeTiff(size.width, size.height, 1, values));
    const made = await tiles({ image, window: { low: 0, high: 255 } });
    for (const [level, { width, height }] of levelSizes(size).entries()) {
      const factor = 2 ** (made.levels - 1 - level);
      const data = await assemble(made, level, { width, height });
      let worst = 0;
      for (let y = 0; y < Math.floor(size.height / factor); y++) {
        for (let x = 0; x < Math.floor(size.width / factor); x++) {
          const expected = wave((x + 0.5) * factor, (y + 0.5) * factor);
          worst = Math.max(worst, Math.abs(data[(y * width + x) * 3] - expected));
        }
      }
      expect(worst).toBeLessThan(factor === 1 ? 1 : 4);
    }
  });

  it('of a constant image are constant to the edges', async () => {
    const image = await save(
      await raw(new Uint8Array(area(odd)).fill(77), odd, 1)
        .toColourspace('b-w')
        .png()
        .toBuffer(),
    );
    const { tiles } = await newDisplay();
    const made = await tiles({ image });
    for (const [level, size] of levelSizes(odd).entries()) {
      expect(new Set(await assemble(made, level, size))).toEqual(new Set([77]));
    }
  });
});

describe('an overview', () => {
  it('of a small image is the image itself', async () => {
    const size = { width: 300, height: 1024 };
    const pixels = noise(size, 3);
    const image = await save(await raw(pixels, size, 3).png().toBuffer());
    const { overview } = await newDisplay();
    const { file, info, ...rest } = await overview({ image });
    expect(rest).toEqual({});
    expect(info).toEqual((await openImage(image, NO_LIMIT)).info);
    expect(file).toMatch(/\.png$/);
    expect(same((await decodeRgb(file)).data, pixels)).toBe(true);
  });

  it.each([
    [{ width: 1025, height: 512 }, 1, { width: 1024, height: 512 }],
    [{ width: 40, height: 3000 }, 6, { width: 1024, height: 14 }],
  ])('of a large image (%j) is at most 1024 long, and upright', async (size, orientation, expected) => {
    const image = await save(await raw(noise(size, 3), size, 3).jpeg().withMetadata({ orientation }).toBuffer());
    const { overview } = await newDisplay();
    const { file } = await overview({ image });
    expect(file).toMatch(/\.jpg$/);
    expect((await decodeRgb(file)).size).toEqual(expected);
  });

  it('tells through which window an image of more than 8 bits is shown', async () => {
    const size = { width: 64, height: 32 };
    const values = Uint16Array.from({ length: area(size) }, () => Math.floor(random() * 60000));
    const image = await save(makeTiff(size.width, size.height, 1, values));
    const { overview, entries } = await newDisplay();
    const own = await overview({ image });
    const opened = await openImage(image, NO_LIMIT);
    expect(own.window).toEqual(await windowOf([opened]));
    expect(same((await decodeRgb(own.file)).data, await readRgb(opened))).toBe(true);
    const window = { low: 0, high: 1000.5 };
    const other = await overview({ image, window });
    expect(other.window).toEqual(window);
    expect(same((await decodeRgb(other.file)).data, await readRgb(opened, size, window))).toBe(true);
    // And again, from the disk.
    expect(await overview({ image })).toEqual(own);
    expect(await entries()).toHaveLength(2);
  });

  it('refuses what is no image, and a folder that cannot be written', async () => {
    const { home, overview, tiles } = await newDisplay();
    const image = await save(await raw(noise(odd, 3), odd, 3).png().toBuffer());
    expect(await refusal(overview({ image: join(dir, 'none.png') }))).toMatch(/none\.png does not exist\.$/);
    expect(await refusal(tiles({ image: await save(Buffer.from('words')) }))).toMatch(/is not an image; expected/);
    await writeFile(join(home, 'display'), 'a file');
    expect(await refusal(overview({ image }))).toMatch(/^Cannot write .*: a file stands where/);
    expect(await refusal(tiles({ image }))).toMatch(/^Cannot write .*: a file stands where/);
  });
});

describe('what was drawn', () => {
  const image = () => raw(noise(odd, 3), odd, 3).png().toBuffer().then(save);

  it('is found again, by content, from another process too', async () => {
    const path = await image();
    const { home, tiles, overview, entries } = await newDisplay();
    const first = [await tiles({ image: path }), (await overview({ image: path })).file];
    const made = await stat(join((first[0] as TileFiles).dir, '0', '0_0.png'));
    const copy = join(dir, 'copy.png');
    await copyFile(path, copy);
    const other = new Display(home, CAP, NO_LIMIT);
    for (const display of [other, new Display(home, CAP, NO_LIMIT)]) {
      for (const asked of [path, copy]) {
        expect(await display.tiles({ image: asked }, never)).toEqual(first[0]);
        expect((await display.overview({ image: asked, window: { low: 1, high: 2 } }, never)).file).toBe(first[1]);
      }
    }
    expect(await stat(join((first[0] as TileFiles).dir, '0', '0_0.png'))).toEqual(made);
    expect(await entries()).toHaveLength(2);
  });

  it('is drawn anew for a file that has changed', async () => {
    const path = await image();
    const { tiles, overview } = await newDisplay();
    const before = await overview({ image: path });
    const size = { width: 30, height: 20 };
    await writeFile(path, await raw(noise(size, 3), size, 3).png().toBuffer());
    const after = await overview({ image: path });
    expect(after.info.size).toEqual(size);
    expect(after.file).not.toBe(before.file);
    expect((await tiles({ image: path })).levels).toBe(1);
  });

  it('is drawn once for who asks meanwhile, and by whom it may be', async () => {
    const path = await image();
    const { home, display, entries } = await newDisplay();
    const others = [new Display(home, CAP, NO_LIMIT), new Display(home, CAP, NO_LIMIT)];
    const all = await Promise.all([display, display, ...others].map((one) => one.tiles({ image: path }, never)));
    expect(new Set(all.map((made) => made.dir)).size).toBe(1);
    expect(await entries()).toHaveLength(1);
    for (const [level, size] of levelSizes(odd).entries()) await assemble(all[0], level, size);
  });

  it('shows the bands that are asked for, each choice on its own', async () => {
    const size = { width: 30, height: 20 };
    const pixels = noise(size, 4);
    const path = await save(makeTiff(30, 20, 4, pixels, { extraSamples: [0] }));
    const { overview, tiles, entries } = await newDisplay();
    for (const bands of [undefined, [4, 1, 1] as const, [1, 2, 3] as const]) {
      const request = { image: path, ...(bands && { bands }) };
      const expected = (bands ?? [1, 2, 3]).flatMap((band) => [pixels[band - 1], pixels[599 * 4 + band - 1]]);
      for (const file of [(await overview(request)).file, join((await tiles(request)).dir, '0', '0_0.png')]) {
        const shown = await sharp(file).raw().toBuffer();
        expect([0, 1, 2].flatMap((channel) => [shown[channel], shown[599 * 3 + channel]])).toEqual(expected);
      }
    }
    expect(await entries()).toHaveLength(6);
  });

  it('is there whole or not at all', async () => {
    const size = { width: 2000, height: 1500 };
    const path = await save(await raw(noise(size, 3), size, 3).jpeg().toBuffer());
    const { display, tiles, entries } = await newDisplay();
    const controller = new AbortController();
    const stopped = display.tiles({ image: path }, controller.signal);
    await vi.waitFor(async () => expect(await entries()).toHaveLength(1), { interval: 2, timeout: 5000 });
    expect((await entries())[0]).toMatch(/\.tmp$/);
    controller.abort(new Error('moved on'));
    await expect(stopped).rejects.toThrow('moved on');
    await vi.waitFor(async () => expect(await entries()).toEqual([]), { timeout: 5000 });
    // Who asks afterwards gets all of it.
    const made = await tiles({ image: path });
    await assemble(made, made.levels - 1, size);
  });

  it('is kept within the cap, what was used longest ago going first', async () => {
    const paths = [await image(), await image(), await image()];
    const all = await newDisplay();
    const sizes = await Promise.all(
      paths.map(async (path) => {
        const { dir: made } = await all.tiles({ image: path });
        const files = await readdir(made, { recursive: true, withFileTypes: true });
        const bytes = files.filter((file) => file.isFile()).map((file) => stat(join(file.parentPath, file.name)));
        return (await Promise.all(bytes)).reduce((sum, { size }) => sum + size, 0);
      }),
    );
    expect(await openDisplayFolder(all.home, CAP).info()).toMatchObject({
      entries: 3,
      bytes: sizes.reduce((sum, size) => sum + size, 0),
    });

    const { home, tiles, entries } = await newDisplay(2.5 * Math.max(...sizes));
    const ago = async (folder: string, minutes: number) => {
      const used = new Date(Date.now() - minutes * 60_000);
      await utimes(folder, used, used);
    };
    const first = await tiles({ image: paths[0] });
    await ago(first.dir, 9);
    const second = await tiles({ image: paths[1] });
    await ago(second.dir, 5);
    // A look at it is a use of it.
    await tiles({ image: paths[0] });
    const third = await tiles({ image: paths[2] });
    const names = [first, third].map((made) => made.dir.slice(join(home, 'display').length + 1));
    await vi.waitFor(async () => expect(await entries()).toEqual(names.sort()));

    // One picture is always kept: the one that was asked for.
    const tight = await newDisplay(10);
    const only = await tight.tiles({ image: paths[0] });
    await tight.tiles({ image: paths[1] });
    await vi.waitFor(async () => expect(await tight.entries()).toHaveLength(1));
    await expect(stat(only.dir)).rejects.toThrow('ENOENT');
  });
});
