/** Parts of a picture, from memory and from a file of its pixels, are those of the picture. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openImage } from '../../src/engine/pictures/imageFile';
import { PixelStore } from '../../src/engine/pictures/pixelStore';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'pixel-store-'));
  vi.stubEnv('TMPDIR', folder);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

it.each([
  [120, 90, 3],
  [120, 90, 1],
  [6500, 4000, 1],
] as const)('of %i x %i pixels with %i channels', { timeout: 60_000 }, async (width, height, channels) => {
  const data = Buffer.alloc(width * height * channels);
  for (let at = 0; at < data.length; at++) data[at] = (at * 7 + (at >> 9)) % 251;
  const image = path.join(folder, 'image.png');
  const picture = sharp(data, { raw: { width, height, channels } });
  await (channels === 1 ? picture.toColourspace('b-w') : picture).png({ compressionLevel: 1 }).toFile(image);
  const store = await PixelStore.open(await openImage(image, 1e9), undefined);
  const box = { left: width - 31, top: height - 22, right: width - 1, bottom: height };
  const rgb = await store.read(box, { width: 30, height: 22 });
  const expected = Uint8Array.from({ length: 30 * 22 * 3 }, (_, at) => {
    const x = box.left + (Math.floor(at / 3) % 30);
    const y = box.top + Math.floor(at / 90);
    return data[(y * width + x) * channels + (channels === 3 ? at % 3 : 0)]!;
  });
  expect(rgb).toEqual(expected);
  expect((await store.read(box, { width: 15, height: 11 })).length).toBe(15 * 11 * 3);
  await store.close();
  expect(readdirSync(folder)).toEqual(['image.png']);
});
