import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toRuns } from '../../src/core/pixels/mask';
import type { PromptCandidate } from '../../src/core/prompting/prompts';
import { UserError } from '../../src/core/userError';
import { saveOverlay } from '../../src/engine/pictures/overlay';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-overlay-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** A grey image with a mask on its left half, drawn; returns the PNG's size and a reader of its pixels. */
async function draw(width: number, height: number, prompts: readonly Partial<PromptCandidate>[] = []) {
  const image = join(dir, `${width}x${height}.png`);
  const output = join(dir, 'overlay.png');
  await writeFile(
    image,
    await sharp({ create: { width, height, channels: 3, background: '#646464' } })
      .png()
      .toBuffer(),
  );
  const data = new Uint8Array(width * height).map((_, i) => (i % width < width / 2 ? 1 : 0));
  const mask = toRuns({ size: { width, height }, data });
  const layers = [{ mask, colour: '#ff0000', prompts: prompts as PromptCandidate[] }];
  await saveOverlay({ image, output, layers }, 1e9);
  const { data: rgb, info } = await sharp(await readFile(output))
    .raw()
    .toBuffer({ resolveWithObject: true });
  /** At a fraction of width and height. */
  const at = (x: number, y: number) => {
    const start = (Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * 3;
    return [...rgb.subarray(start, start + 3)];
  };
  return { size: { width: info.width, height: info.height }, channels: info.channels, at };
}

describe('saveOverlay', () => {
  it('tints the mask, outlines it and leaves the rest', async () => {
    const { size, channels, at } = await draw(600, 300);
    expect(size).toEqual({ width: 600, height: 300 });
    expect(channels).toBe(3);
    expect(at(0.25, 0.5)).toEqual([147, 70, 70]);
    expect(at(0.75, 0.5)).toEqual([100, 100, 100]);
    expect(at(0.499, 0.5)).toEqual([255, 0, 0]);
  });

  it('enlarges small pictures and reduces large ones', async () => {
    expect((await draw(64, 32)).size).toEqual({ width: 512, height: 256 });
    expect((await draw(3000, 1500)).size).toEqual({ width: 2048, height: 1024 });
  });

  it('draws prompts where they are: green, red and hollow', async () => {
    const { at } = await draw(64, 64, [
      { point: { x: 16, y: 16 }, label: 1, reason: 'kept' },
      { point: { x: 48, y: 16 }, label: 0, reason: 'kept' },
      { point: { x: 48, y: 48 }, label: 1, reason: 'outlier' },
    ]);
    expect(at(0.25, 0.25)).toEqual([0x1f, 0xbf, 0x4f]);
    expect(at(0.75, 0.25)).toEqual([0xe5, 0x37, 0x2c]);
    for (const value of at(0.75, 0.75)) expect(Math.abs(value - 100)).toBeLessThan(10);
    // The white ring: the dot's radius is 5 px of 512.
    expect(at(0.25 + 4.3 / 512, 0.25).every((value) => value > 200)).toBe(true);
  });

  it('refuses a mask of another size, a bad colour and a place that cannot be', async () => {
    const image = join(dir, 'a.png');
    await writeFile(
      image,
      await sharp({ create: { width: 4, height: 4, channels: 3, background: '#000' } })
        .png()
        .toBuffer(),
    );
    const mask = (side: number) => toRuns({ size: { width: side, height: side }, data: new Uint8Array(side * side) });
    const layer = { mask: mask(4), colour: '#00ff00', prompts: [] };
    const request = { image, output: join(dir, 'x.png'), layers: [layer] };
    const drawn = (other: object) => saveOverlay({ ...request, layers: [layer, { ...layer, ...other }] }, 1e9);
    await expect(drawn({ mask: mask(5) })).rejects.toThrow('is 4 x 4, but its mask is 5 x 5');
    await expect(drawn({ colour: 'red' })).rejects.toThrow(RangeError);
    const lost = saveOverlay({ ...request, output: join(image, 'x.png') }, 1e9);
    await expect(lost).rejects.toThrow(UserError);
    expect(await readdir(dir)).not.toContainEqual(expect.stringContaining('tmp'));
  });
});
