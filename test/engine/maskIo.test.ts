import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { fromRuns, type Mask } from '../../src/core/pixels/mask';
import { readMaskSamples, readReferenceMask } from '../../src/engine/pictures/maskIo';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { discs } from '../fakes';
import { refusal } from '../refusal';
import { makeTiff } from './fixtures/tiff';

const LIMIT = 1e6;
const SIZE: Size = { width: 60, height: 40 };
/** As it is stored. */
const OBJECT = discs(SIZE, { x: 18, y: 13, radius: 9 });
const SQUARE = discs({ width: 50, height: 50 }, { x: 15, y: 12, radius: 9 });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'apmedsam-masks-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function put(name: string, bytes: Uint8Array): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, bytes);
  return file;
}

/** A picture of the object, with noise, stored with an EXIF orientation. */
const pictureOf = ({ size, data }: Mask, orientation: number) =>
  sharp(
    data.map((one, i) => (one ? 190 : 60) + ((i * i) % 23)),
    { raw: { ...size, channels: 1 } },
  )
    .toColourspace('b-w')
    .withMetadata({ orientation })
    .jpeg({ quality: 95 })
    .toBuffer();

const greyOf = ({ size, data }: Mask) => encode({ ...size, channels: 1, data: data.map((one) => one * 255) });

async function uprightOf(mask: Mask, orientation: number): Promise<Uint8Array> {
  const stored = await sharp(mask.data, { raw: { ...mask.size, channels: 1 } })
    .toColourspace('b-w')
    .withMetadata({ orientation })
    .png()
    .toBuffer();
  const { data, info } = await sharp(stored, { autoOrient: true }).raw().toBuffer({ resolveWithObject: true });
  return data.filter((_, i) => i % info.channels === 0);
}

const question = { classId: 1, classIds: [1] };

describe('the mask of a reference', () => {
  test.each([2, 3, 4, 5, 6, 7, 8])(
    'drawn on the stored pixels of orientation %i is turned upright, which is said',
    async (orientation) => {
      for (const object of [OBJECT, SQUARE]) {
        const image = await put(`o${orientation}-${object.size.width}.jpg`, await pictureOf(object, orientation));
        const mask = await put(`o${orientation}-${object.size.width}.png`, greyOf(object));
        const found = await readReferenceMask({ image, mask, ...question }, LIMIT);
        expect(found.turned).toBe(true);
        expect(found.mask.size).toEqual(found.info.size);
        expect(found.info.orientation).toBe(orientation);
        expect(Buffer.compare(fromRuns(found.mask).data, await uprightOf(object, orientation))).toBe(0);
        expect(found.notes).toEqual([expect.stringMatching(/stored pixels.*EXIF orientation/)]);
        // The upright mask stays as it is.
        const upright = { size: found.info.size, data: await uprightOf(object, orientation) };
        const seen = await put(`u${orientation}.png`, greyOf(upright));
        expect(await readReferenceMask({ image, mask: seen, ...question }, LIMIT)).toMatchObject({
          turned: false,
          notes: [],
        });
      }
    },
  );

  it('is never turned where it is one of ours, or was found upright before', async () => {
    const image = await put('ours.jpg', await pictureOf(OBJECT, 3));
    const ours = await put('ours.png', await encodeMaskPng(OBJECT, [{ id: 1, colour: '#ff0000' }]));
    expect(await readReferenceMask({ image, mask: ours, ...question }, LIMIT)).toMatchObject({
      turned: false,
      notes: [],
    });
    const grey = await put('grey.png', greyOf(OBJECT));
    expect((await readReferenceMask({ image, mask: grey, turned: false, ...question }, LIMIT)).turned).toBe(false);
  });

  it('of another size names EXIF where that has to do with it', async () => {
    const image = await put('sideways.jpg', await pictureOf(OBJECT, 6));
    const mask = await put('small.png', greyOf(SQUARE));
    expect(await refusal(readReferenceMask({ image, mask, ...question }, LIMIT))).toBe(
      `The mask ${mask} is 50 x 50 but its image ${image} is 40 x 60 when turned upright as its EXIF orientation 6 says (stored 60 x 40).`,
    );
  });
});

describe('mask files that an image library reads', () => {
  const tiff = (samples: Uint16Array | Int16Array | Float32Array) => makeTiff(SIZE.width, SIZE.height, 1, samples);
  const raw = (data: Uint8Array) => sharp(data, { raw: { ...SIZE, channels: 1 } });
  const white = OBJECT.data.map((one) => one * 255);
  test.each<[string, () => Promise<Buffer>]>([
    ['TIFF', () => raw(white).toColourspace('b-w').tiff({ compression: 'lzw' }).toBuffer()],
    ['TIFF of one bit', () => raw(white).toColourspace('b-w').tiff({ bitdepth: 1, compression: 'none' }).toBuffer()],
    ['TIFF of 16 bits', async () => tiff(Uint16Array.from(OBJECT.data, (one) => one * 65535))],
    ['TIFF of signed 16 bits', async () => tiff(Int16Array.from(OBJECT.data, (one) => one * 3))],
    ['TIFF of floats', async () => tiff(Float32Array.from(OBJECT.data))],
    ['TIFF of 16-bit ids', async () => tiff(Uint16Array.from(OBJECT.data, (one) => one * 300))],
    ['WebP', () => raw(white).toColourspace('b-w').webp({ lossless: true }).toBuffer()],
    ['JPEG', () => raw(white).toColourspace('b-w').jpeg({ quality: 95 }).toBuffer()],
  ])('%s', async (kind, bytes) => {
    const image = await put('upright.jpg', await pictureOf(OBJECT, 1));
    const mask = await put('mask', await bytes());
    const found = await readReferenceMask({ image, mask, ...question }, LIMIT);
    expect(Buffer.compare(fromRuns(found.mask).data, OBJECT.data)).toBe(0);
    expect(found.notes).toEqual(kind === 'JPEG' ? [expect.stringContaining('soft edges')] : []);
  });

  it('give numbers as they are stored: objects numbered above 255', async () => {
    const numbers = Uint16Array.from({ length: area(SIZE) }, (_, i) =>
      (i % 10) + Math.floor(i / 60) < 12 ? 0 : 1000 + (i % 60),
    );
    const { samples } = await readMaskSamples(await put('ids.tif', tiff(numbers)), LIMIT);
    expect([...samples.samples.slice(-60)]).toEqual([...numbers.slice(-60)]);
  });

  it('are bounded by their pixels, and damaged ones are named', async () => {
    const bytes = await raw(white).toColourspace('b-w').tiff({ compression: 'none' }).toBuffer();
    const mask = await put('bounded.tif', bytes);
    expect(await refusal(readMaskSamples(mask, area(SIZE) - 1))).toMatch(/is 60 x 40: expected at most 2399 pixels/);
    const cut = await put('cut.tif', bytes.subarray(0, 60));
    expect(await refusal(readMaskSamples(cut, LIMIT))).toContain(cut);
    expect(await refusal(readMaskSamples(path.join(folder, 'gone.png'), LIMIT))).toMatch(
      /gone\.png: it does not exist\.$/,
    );
  });
});
