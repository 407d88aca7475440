import { describe, expect, it } from 'vitest';
import { brokenPromise, mainPage, readTiffPages, unusualCoding } from '../../src/formats/tiffHeader';
import { seededRandom } from '../seeded';
import { makeTiffHeader, pageTags, type TiffTag } from './makeTiffHeader';

const FORMS = [
  { name: 'little-endian', little: true, big: false },
  { name: 'big-endian', little: false, big: false },
  { name: 'little-endian BigTIFF', little: true, big: true },
  { name: 'big-endian BigTIFF', little: false, big: true },
] as const;

const only = (tags: readonly TiffTag[]) => readTiffPages(makeTiffHeader([tags]))![0]!;

describe('readTiffPages', () => {
  it.each(FORMS)('reads every page of a $name file', ({ little, big }) => {
    const first = pageTags(300, 200, [
      { tag: 258, type: 3, values: [16, 16, 16, 16, 16] },
      { tag: 259, type: 3, values: [34887] },
      { tag: 262, type: 3, values: [2] },
      { tag: 277, type: 3, values: [5] },
      { tag: 284, type: 3, values: [2] },
      { tag: 322, type: 3, values: [64] },
      { tag: 323, type: 3, values: [32] },
      { tag: 324, type: 4, values: Array(175).fill(9) },
      { tag: 338, type: 3, values: [0, 2] },
      { tag: 339, type: 3, values: [3, 3, 3, 3, 3] },
      { tag: 42113, type: 2, values: '-9999' },
    ]);
    const second = pageTags(30, 20, [{ tag: 254, type: 4, values: [1] }]);
    expect(readTiffPages(makeTiffHeader([first, second], { little, big }))).toEqual([
      {
        size: { width: 300, height: 200 },
        bits: 16,
        sampleFormat: 3,
        photometric: 2,
        compression: 34887,
        samplesPerPixel: 5,
        extraSamples: [0, 2],
        planar: true,
        reduced: false,
        tile: { width: 64, height: 32 },
        chunksNeeded: 5 * 7 * 5,
        chunksListed: 175,
        nodata: -9999,
      },
      {
        size: { width: 30, height: 20 },
        bits: 1,
        sampleFormat: 1,
        photometric: -1,
        compression: 1,
        samplesPerPixel: 1,
        extraSamples: [],
        planar: false,
        reduced: true,
        tile: null,
        chunksNeeded: 1,
        chunksListed: 1,
      },
    ]);
  });

  it('ends at a chain that bites its tail, and at a directory outside the file', () => {
    const pages = [pageTags(4, 4), pageTags(5, 5), pageTags(6, 6)];
    for (const loopTo of [0, 1, 2]) expect(readTiffPages(makeTiffHeader(pages, { loopTo }))).toHaveLength(3);
    const whole = makeTiffHeader(pages);
    whole.writeUInt32LE(whole.length - 1, 4);
    expect(readTiffPages(whole)).toEqual([]);
  });

  it('is null for what is no TIFF, and reads what a cut one still has', () => {
    expect(readTiffPages(Buffer.from('\x89PNG\r\n\x1a\n and more', 'latin1'))).toBeNull();
    expect(readTiffPages(Buffer.from('II*'))).toBeNull();
    const whole = makeTiffHeader([pageTags(4, 4), pageTags(5, 5)]);
    for (let length = 8; length < whole.length; length++) {
      expect(readTiffPages(whole.subarray(0, length))!.length).toBeLessThanOrEqual(2);
    }
  });

  it('survives any bytes', () => {
    const random = seededRandom(5);
    const whole = makeTiffHeader([pageTags(400, 300, [{ tag: 338, type: 3, values: [0, 0, 2] }]), pageTags(5, 5)]);
    for (let round = 0; round < 500; round++) {
      const bytes = Buffer.from(whole);
      for (let i = 0; i < 4; i++) bytes[4 + Math.floor(random() * (bytes.length - 4))] = Math.floor(random() * 256);
      const pages = readTiffPages(bytes)!;
      expect(mainPage(pages)).toBeLessThan(Math.max(1, pages.length));
      for (const page of pages) {
        brokenPromise(page);
        unusualCoding(page);
      }
    }
  });

  it.each([
    ['nan', Number.NaN],
    ['-3.4028234663852886e+38', -3.4028234663852886e38],
    [' 0 ', 0],
    ['-inf', Number.NEGATIVE_INFINITY],
    ['none', undefined],
  ])('takes "%s" for the number that stands for no value', (text, expected) => {
    expect(only(pageTags(4, 4, [{ tag: 42113, type: 2, values: text }])).nodata).toEqual(expected);
  });
});

describe('mainPage', () => {
  const choose = (...pages: (readonly TiffTag[])[]) => mainPage(readTiffPages(makeTiffHeader(pages))!);
  const reduced: TiffTag = { tag: 254, type: 4, values: [1] };

  it('is the largest that is no reduced one, the first of equals', () => {
    expect(choose(pageTags(30, 20), pageTags(300, 200), pageTags(300, 200))).toBe(1);
    expect(choose(pageTags(30, 20, [reduced]), pageTags(20, 20))).toBe(1);
    expect(choose(pageTags(30, 20, [{ tag: 255, type: 3, values: [2] }]), pageTags(2, 2))).toBe(1);
    expect(choose(pageTags(30, 20, [reduced]), pageTags(40, 30, [reduced]))).toBe(1);
    expect(mainPage([])).toBe(0);
  });
});

describe('brokenPromise', () => {
  it('tells of strips and tiles that the file has no place for', () => {
    const tiles = [
      { tag: 322, type: 4, values: [16] } as const,
      { tag: 323, type: 4, values: [16] } as const,
      { tag: 324, type: 4, values: [8, 8, 8, 8] } as const,
    ];
    expect(brokenPromise(only(pageTags(32, 32, tiles)))).toBeNull();
    expect(brokenPromise(only(pageTags(20_000, 20_000, tiles)))).toBe(
      'its size takes 1,562,500 tiles, but the file has the places of 4',
    );
    const strips = { tag: 278, type: 3, values: [1] } as const;
    expect(brokenPromise(only(pageTags(10, 500, [strips])))).toBe(
      'its size takes 500 strips, but the file has the places of 1',
    );
    expect(brokenPromise(only(pageTags(10, 500)))).toBeNull();
  });

  it('believes no list that is longer than the file, and no tile without a size', () => {
    const claims = [
      { tag: 322, type: 4, values: [16] } as const,
      { tag: 323, type: 4, values: [16] } as const,
      { tag: 324, type: 4, values: [8, 8, 8, 8], claims: 1_562_500 } as const,
    ];
    expect(brokenPromise(only(pageTags(20_000, 20_000, claims)))).toMatch(/takes 1,562,500 tiles, but .* of \d\.?$/);
    const none = [{ tag: 322, type: 4, values: [0] } as const, { tag: 323, type: 4, values: [0] } as const];
    expect(brokenPromise(only(pageTags(20, 20, none)))).toBe('its header tells of tiles without a size');
  });
});

describe('unusualCoding', () => {
  it.each([
    [{ tag: 258, type: 3, values: [10] }, 'a TIFF of 10 bits per sample'],
    [{ tag: 259, type: 3, values: [50000] }, 'a TIFF compressed with Zstandard'],
    [{ tag: 259, type: 3, values: [12345] }, 'a TIFF compressed with method 12345'],
    [{ tag: 262, type: 3, values: [8] }, 'a TIFF in CIELAB'],
    [{ tag: 339, type: 3, values: [6] }, 'a TIFF of complex numbers'],
  ] as const)('names %j', (tag, expected) => {
    expect(unusualCoding(only(pageTags(4, 4, [tag])))).toContain(`${expected}, which is not read here; expected `);
  });

  it('finds nothing about usual ones', () => {
    for (const compression of [1, 5, 7, 8, 32773, 32946]) {
      const tags = pageTags(4, 4, [
        { tag: 258, type: 3, values: [8] },
        { tag: 259, type: 3, values: [compression] },
      ]);
      expect(unusualCoding(only(tags))).toBeNull();
    }
  });
});
