import { mkdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { MaskLocator } from '../../src/dataset/maskFolder';
import { putImages, temporaryFolder } from './fixtures';

async function locations(images: readonly string[]): Promise<Record<string, string>> {
  const root = await temporaryFolder();
  await putImages(root, images);
  const locator = new MaskLocator(root, join(root, 'masks'));
  const found: Record<string, string> = {};
  for (const image of images) found[image] = relative(root, await locator.locate(image));
  return found;
}

test('`images/` does not show in the path of a mask', async () => {
  expect(await locations(['images/sub/b.jpg', 'c.tiff', 'x/images/d.png', 'IM01'])).toEqual({
    'images/sub/b.jpg': 'masks/sub/b.png',
    'c.tiff': 'masks/c.png',
    'x/images/d.png': 'masks/x/images/d.png',
    IM01: 'masks/IM01.png',
  });
});

test('images that share a stem keep their suffix, whatever the case', async () => {
  expect(await locations(['b.jpg', 'b.png', 'C.png', 'c.tif', 'sub/b.jpg'])).toEqual({
    'b.jpg': 'masks/b.jpg.png',
    'b.png': 'masks/b.png.png',
    'C.png': 'masks/C.png.png',
    'c.tif': 'masks/c.tif.png',
    'sub/b.jpg': 'masks/sub/b.png',
  });
});

test('images with and without `images/` never share a mask', async () => {
  expect(await locations(['images/b.jpg', 'b.png', 'images/c.png', 'c.png'])).toEqual({
    'images/b.jpg': 'masks/b.jpg.png',
    'b.png': 'masks/b.png.png',
    'images/c.png': 'masks/images/c.png.png',
    'c.png': 'masks/c.png.png',
  });
});

test('folders and other files share no stem', async () => {
  const root = await temporaryFolder();
  await putImages(root, ['b.jpg', 'b.json']);
  await mkdir(join(root, 'b'));
  expect(await new MaskLocator(root, join(root, 'out')).locate('b.jpg')).toBe(join(root, 'out', 'b.png'));
});
