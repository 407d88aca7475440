/** Changed copies of an image against plain expectations on small PNGs. */
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { area, type Box, type Size } from '../../src/core/geometry';
import type { ImageVariant } from '../../src/core/strategies/strategy';
import { readVariant } from '../../src/engine/images/variants';
import { type ImageFile, openImage } from '../../src/engine/pictures/imageFile';
import { put, temporaryFolder } from '../dataset/fixtures';
import { seededRandom } from '../seeded';

type Colour = readonly [number, number, number];

async function pngOf(size: Size, colourAt: (x: number, y: number) => Colour): Promise<ImageFile> {
  const rgb = new Uint8Array(area(size) * 3);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) rgb.set(colourAt(x, y), (y * size.width + x) * 3);
  }
  const png = await sharp(rgb, { raw: { ...size, channels: 3 } })
    .png()
    .toBuffer();
  return openImage(await put(join(await temporaryFolder(), 'image.png'), png), 1e6);
}

const read = (file: ImageFile, change: ImageVariant, size: Size) => readVariant(file, change, size, undefined);

const pixel = (rgb: Uint8Array, { width }: Size, x: number, y: number) => [
  ...rgb.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];

/** Distinct in every pixel and channel. */
const marked = (x: number, y: number): Colour => [10 * x, 10 * y, 7 * x + 13 * y];

describe('mirror', () => {
  it.each([
    { width: 5, height: 3 },
    { width: 4, height: 4 },
    { width: 1, height: 6 },
  ])('exchanges left and right of $width x $height pixels and keeps their colours', async (size) => {
    const rgb = await read(await pngOf(size, marked), { kind: 'mirror' }, size);
    expect(rgb).toHaveLength(area(size) * 3);
    for (let y = 0; y < size.height; y++) {
      for (let x = 0; x < size.width; x++) {
        expect(pixel(rgb, size, x, y), `${x}, ${y}`).toEqual(marked(size.width - 1 - x, y));
      }
    }
  });

  it("is made of the model's pixels, not of the image's", async () => {
    const size = { width: 40, height: 20 };
    const file = await pngOf(size, (x) => (x < 10 ? [255, 0, 0] : [0, 0, 255]));
    const model = { width: 16, height: 16 };
    const rgb = await read(file, { kind: 'mirror' }, model);
    expect(rgb).toHaveLength(area(model) * 3);
    for (const y of [0, 8, 15]) {
      expect(pixel(rgb, model, 15, y)).toEqual([255, 0, 0]);
      expect(pixel(rgb, model, 14, y)).toEqual([255, 0, 0]);
      expect(pixel(rgb, model, 9, y)).toEqual([0, 0, 255]);
      expect(pixel(rgb, model, 0, y)).toEqual([0, 0, 255]);
    }
  });
});

describe('gamma', () => {
  const size = { width: 16, height: 16 };
  const everyValue = () => pngOf(size, (x, y) => [y * 16 + x, 255 - (y * 16 + x), 128]);

  it.each([0.6, 1, 1.6])('of %f is applied to every value of every channel', async (gamma) => {
    const rgb = await read(await everyValue(), { kind: 'gamma', gamma }, size);
    const curve = (value: number) => Math.round(255 * (value / 255) ** gamma);
    for (let value = 0; value < 256; value++) {
      expect([...rgb.subarray(value * 3, value * 3 + 3)]).toEqual([curve(value), curve(255 - value), curve(128)]);
    }
  });

  it('below 1 brightens, above 1 darkens, and both keep black and white', async () => {
    const at = async (gamma: number) => await read(await everyValue(), { kind: 'gamma', gamma }, size);
    const [bright, dark] = [await at(0.6), await at(1.6)];
    expect([bright[128 * 3], dark[128 * 3]]).toEqual([169, 85]);
    for (const rgb of [bright, dark]) expect([rgb[0], rgb[255 * 3]]).toEqual([0, 255]);
  });
});

describe('zoom', () => {
  it('makes the block in the box fill its share of the model', async () => {
    const file = await pngOf({ width: 64, height: 48 }, (x, y) =>
      x >= 24 && x < 40 && y >= 18 && y < 30 ? [255, 255, 255] : [0, 0, 0],
    );
    // Half the box in each direction, and in its middle.
    const box = { left: 16, top: 12, right: 48, bottom: 36 };
    const model = { width: 64, height: 96 };
    const rgb = await read(file, { kind: 'zoom', box }, model);
    expect(rgb).toHaveLength(area(model) * 3);
    expect(rgb.reduce((sum, value) => sum + value, 0) / 255 / rgb.length).toBeCloseTo(0.25, 2);
    const lit = [
      [18, 26],
      [45, 26],
      [18, 69],
      [45, 69],
    ];
    const dark = [
      [13, 48],
      [50, 48],
      [32, 20],
      [32, 75],
      [0, 0],
      [63, 95],
    ];
    for (const [x, y] of lit) expect(pixel(rgb, model, x, y), `${x}, ${y}`).toEqual([255, 255, 255]);
    for (const [x, y] of dark) expect(pixel(rgb, model, x, y), `${x}, ${y}`).toEqual([0, 0, 0]);
  });

  it('on the whole image is the image stretched', async () => {
    const size = { width: 8, height: 6 };
    const rgb = await read(
      await pngOf(size, marked),
      { kind: 'zoom', box: { left: 0, top: 0, right: 8, bottom: 6 } },
      size,
    );
    for (let y = 0; y < 6; y++) for (let x = 0; x < 8; x++) expect(pixel(rgb, size, x, y)).toEqual(marked(x, y));
  });

  it('without a change of scale cuts exactly', async () => {
    const size = { width: 9, height: 7 };
    const model = { width: 4, height: 3 };
    const file = await pngOf(size, marked);
    for (const [left, top] of [
      [0, 0],
      [5, 4],
      [2, 3],
    ]) {
      const box = { left, top, right: left + 4, bottom: top + 3 };
      const rgb = await read(file, { kind: 'zoom', box }, model);
      for (let y = 0; y < 3; y++) {
        for (let x = 0; x < 4; x++) expect(pixel(rgb, model, x, y)).toEqual(marked(left + x, top + y));
      }
    }
  });

  /** Red rises to the right and green downwards, so that a colour says where it was read. */
  const SLOPE = 4;
  const slopes = (x: number, y: number): Colour => [8 + SLOPE * x, 8 + SLOPE * y, 200];

  async function expectBox(file: ImageFile, box: Box, model: Size): Promise<void> {
    const rgb = await read(file, { kind: 'zoom', box }, model);
    expect(rgb).toHaveLength(area(model) * 3);
    const scale = { x: (box.right - box.left) / model.width, y: (box.bottom - box.top) / model.height };
    const { width, height } = file.info.size;
    // Cutting at a whole pixel moves by less than one pixel of the model, stretching to whole sides by less than
    // another.
    const tolerance = { x: SLOPE * 2 * scale.x + 2, y: SLOPE * 2 * scale.y + 2 };
    const inside = (position: number, length: number) => Math.min(length - 1, Math.max(0, position));
    for (let y = 0; y < model.height; y++) {
      for (let x = 0; x < model.width; x++) {
        const [red, green, blue] = pixel(rgb, model, x, y);
        const where = `${JSON.stringify(box)} at ${x}, ${y}`;
        const column = inside(box.left + (x + 0.5) * scale.x - 0.5, width);
        const row = inside(box.top + (y + 0.5) * scale.y - 0.5, height);
        if (Math.abs(red - 8 - SLOPE * column) > tolerance.x || Math.abs(green - 8 - SLOPE * row) > tolerance.y) {
          expect({ red, green }, where).toEqual({ red: 8 + SLOPE * column, green: 8 + SLOPE * row });
        }
        if (blue !== 200) expect(blue, where).toBe(200);
      }
    }
  }

  it('reads from the box, also at the borders and where nothing divides evenly', async () => {
    const size = { width: 37, height: 29 };
    const file = await pngOf(size, slopes);
    const model = { width: 32, height: 32 };
    const boxes: Box[] = [
      { left: 0, top: 0, right: 26, bottom: 21 },
      { left: 11, top: 8, right: 37, bottom: 29 },
      { left: 36, top: 28, right: 37, bottom: 29 },
      { left: 0, top: 0, right: 1, bottom: 29 },
      { left: 0, top: 13, right: 37, bottom: 14 },
      { left: 30, top: 0, right: 37, bottom: 7 },
    ];
    const random = seededRandom(11);
    while (boxes.length < 60) {
      const left = Math.floor(random() * size.width);
      const top = Math.floor(random() * size.height);
      const right = left + 1 + Math.floor(random() * (size.width - left));
      const bottom = top + 1 + Math.floor(random() * (size.height - top));
      // The lower right corner is where rounding would lead out of the image.
      boxes.push(boxes.length % 2 === 0 ? { left, top, right, bottom } : { left, top, right: 37, bottom: 29 });
    }
    for (const box of boxes) await expectBox(file, box, model);
  });

  it('stays inside where the scale is no exact number: 49 * (32 / 49) is less than 32', async () => {
    const file = await pngOf({ width: 49, height: 55 }, slopes);
    for (const top of [11, 33, 44]) {
      await expectBox(file, { left: 0, top, right: 49, bottom: 55 }, { width: 32, height: 48 });
    }
  });

  it('shrinks a box larger than the model', async () => {
    const file = await pngOf({ width: 61, height: 53 }, slopes);
    await expectBox(file, { left: 9, top: 3, right: 61, bottom: 53 }, { width: 16, height: 24 });
  });
});
