import { mkdir, rename, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MaskLocator } from '../../src/dataset/files/maskLocator';
import { type JournalLine, JournalWriter, type PlaceLine } from '../../src/dataset/journal/journal';
import { JournalView } from '../../src/dataset/journal/journalView';
import { sha256 } from '../../src/disk/hashing';
import { lineWith, put, putImages, temporaryFolder } from './fixtures';

const locatorOf = async (root: string) => new MaskLocator(root, join(root, 'masks'), await JournalView.read(root));

async function locationsIn(root: string, images: readonly string[]): Promise<Record<string, string>> {
  const locator = await locatorOf(root);
  const found: Record<string, string> = {};
  for (const image of images) {
    found[image] = await locator.locate(image).then(
      (path) => relative(root, path),
      (error: Error) => error.message.replaceAll(`${root}/`, ''),
    );
  }
  return found;
}

async function locations(images: readonly string[]): Promise<Record<string, string>> {
  const root = await temporaryFolder();
  await putImages(root, images);
  return locationsIn(root, images);
}

async function journal(root: string, ...lines: readonly (JournalLine | PlaceLine)[]): Promise<void> {
  const writer = await JournalWriter.open(root, 'batch-1-of-1');
  await Promise.all(lines.map((line) => writer.append(line)));
  await writer.close();
}

/** A mask with its line, as this version writes it or, without a place, as 0.1.0 did. */
async function give(root: string, image: string, place: string, { told = true, content = image } = {}): Promise<void> {
  await put(join(root, 'masks', place), content);
  await journal(root, lineWith({ image, mask: sha256(content), ...(told && { place }) }));
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
  expect(await locationsIn(root, ['b.jpg'])).toEqual({ 'b.jpg': 'masks/b.png' });
});

describe('a mask stays with the image that it was given to', () => {
  const TWINS = ['a.jpg', 'a.png'];

  test.each([true, false])('when a twin comes, and when either goes (place told: %s)', async (told) => {
    const root = await temporaryFolder();
    await putImages(root, ['a.jpg']);
    await give(root, 'a.jpg', 'a.png', { told });
    await putImages(root, ['a.png']);
    const apart = { 'a.jpg': 'masks/a.png', 'a.png': 'masks/a.png.png' };
    expect(await locationsIn(root, TWINS)).toEqual(apart);
    await give(root, 'a.png', 'a.png.png', { told });
    expect(await locationsIn(root, TWINS)).toEqual(apart);
    await rm(join(root, 'a.jpg'));
    expect(await locationsIn(root, ['a.png'])).toEqual({ 'a.png': 'masks/a.png.png' });
    await putImages(root, ['a.jpg']);
    await rm(join(root, 'a.png'));
    expect(await locationsIn(root, ['a.jpg'])).toEqual({ 'a.jpg': 'masks/a.png' });
  });

  test.each([true, false])(
    'also one that a person has changed since with another program (place told: %s)',
    async (told) => {
      const root = await temporaryFolder();
      await putImages(root, TWINS);
      await give(root, 'a.jpg', 'a.png', { told });
      await put(join(root, 'masks', 'a.png'), 'painted over');
      expect(await locationsIn(root, TWINS)).toEqual({ 'a.jpg': 'masks/a.png', 'a.png': 'masks/a.png.png' });
    },
  );

  test('that was there when a run looked, though nobody of ours has made it', async () => {
    const root = await temporaryFolder();
    await putImages(root, TWINS);
    await put(join(root, 'masks', 'a.png'), 'painted');
    await journal(root, { kind: 'place', image: 'a.jpg', place: 'a.png', time: '2026-01-01T00:00:00.000Z' });
    expect(await locationsIn(root, TWINS)).toEqual({ 'a.jpg': 'masks/a.png', 'a.png': 'masks/a.png.png' });
  });

  test('and is not taken over by another image after it has gone', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.png']);
    await give(root, 'a.jpg', 'a.png');
    expect(await locationsIn(root, ['a.png'])).toEqual({ 'a.png': 'masks/a.png.png' });
    await put(join(root, 'masks', 'a.png'), 'changed since');
    expect(await locationsIn(root, ['a.png'])).toEqual({
      'a.png':
        'masks/a.png was the mask of a.jpg, which is gone, and has changed since: rename it to a.png.png if it is the mask of a.png, else move it away.',
    });
    await rm(join(root, 'masks', 'a.png'));
    expect(await locationsIn(root, ['a.png'])).toEqual({ 'a.png': 'masks/a.png' });
  });

  test('when the case of its name or of its suffix is changed', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.jpg']);
    await give(root, 'A.JPG', 'A.png');
    await rename(join(root, 'masks', 'A.png'), join(root, 'masks', 'a.png'));
    expect(await locationsIn(root, ['a.jpg'])).toEqual({ 'a.jpg': 'masks/a.png' });
  });

  test('with `images/` and without, whichever comes first', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['images/b.jpg', 'images/b.png']);
    await give(root, 'images/b.jpg', 'b.jpg.png');
    await putImages(root, ['b.jpg']);
    expect(await locationsIn(root, ['images/b.jpg', 'b.jpg'])).toEqual({
      'images/b.jpg': 'masks/b.jpg.png',
      'b.jpg': 'masks/b.jpg.2.png',
    });
  });

  test('whose name is the usual one of another image', async () => {
    expect(await locations(['a.jpg', 'a.png', 'a.png.jpg'])).toEqual({
      'a.jpg': 'masks/a.jpg.png',
      'a.png': 'masks/a.png.png',
      'a.png.jpg': 'masks/a.png.jpg.png',
    });
  });
});

describe('a mask of which nothing tells whose it is', () => {
  test("is nobody's until it is renamed", async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.jpg', 'a.png']);
    await put(join(root, 'masks', 'a.png'), 'painted');
    const choice = 'masks/a.png may be the mask of a.jpg or of a.png: rename it to';
    expect(await locationsIn(root, ['a.jpg', 'a.png'])).toEqual({
      'a.jpg': `${choice} a.jpg.png if it is that of a.jpg.`,
      'a.png': `${choice} a.png.png if it is that of a.png.`,
    });
    await rename(join(root, 'masks', 'a.png'), join(root, 'masks', 'a.jpg.png'));
    const apart = { 'a.jpg': 'masks/a.jpg.png', 'a.png': 'masks/a.png.png' };
    expect(await locationsIn(root, ['a.jpg', 'a.png'])).toEqual(apart);
    await rm(join(root, 'a.png'));
    expect(await locationsIn(root, ['a.jpg'])).toEqual({ 'a.jpg': 'masks/a.jpg.png' });
  });

  test('is not what a crash leaves', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.jpg', 'a.png']);
    await put(join(root, 'masks', 'a.png'), '');
    expect(await locationsIn(root, ['a.jpg'])).toEqual({ 'a.jpg': 'masks/a.jpg.png' });
  });

  test('of the usual name of a single image is its', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.jpg']);
    await put(join(root, 'masks', 'a.png'), 'painted');
    expect(await locationsIn(root, ['a.jpg'])).toEqual({ 'a.jpg': 'masks/a.png' });
  });

  test("that two images were given is told by its content, or is neither's", async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.jpg', 'a.png']);
    await give(root, 'a.jpg', 'a.png');
    await give(root, 'a.png', 'a.png');
    expect(await locationsIn(root, ['a.jpg', 'a.png'])).toEqual({ 'a.jpg': 'masks/a.jpg.png', 'a.png': 'masks/a.png' });
    await put(join(root, 'masks', 'a.png'), 'painted');
    expect((await locationsIn(root, ['a.jpg']))['a.jpg']).toMatch(/may be the mask of a\.jpg or of a\.png/);
  });
});

describe('names that differ in their spelling only', () => {
  const [ONE, TWO] = ['é', 'e\u0301'];

  test.each([
    [ONE, TWO],
    [TWO, ONE],
  ])('are the same name: image %j, mask %j', async (image, mask) => {
    const root = await temporaryFolder();
    await putImages(root, [`${image}/${image}.jpg`]);
    await put(join(root, 'masks', mask, `${mask}.png`), 'painted');
    const usual = { [`${image}/${image}.jpg`]: `masks/${mask}/${mask}.png` };
    expect(await locationsIn(root, [`${image}/${image}.jpg`])).toEqual(usual);
    // The journal of a machine that spells it as the mask is.
    await give(root, `${mask}/${mask}.jpg`, `${mask}/${mask}.png`);
    expect(await locationsIn(root, [`${image}/${image}.jpg`])).toEqual(usual);
    const view = await JournalView.read(root);
    expect(view.entry(`${image}/${image}.jpg`, 1)?.status).toBe('auto');
    expect(view.knowsMask(`${image}/${image}.jpg`, sha256(`${mask}/${mask}.jpg`))).toBe(true);
    await journal(
      root,
      lineWith({ image: `${image}/${image}.jpg`, status: 'edited', time: '2026-01-02T00:00:00.000Z' }),
    );
    await view.refresh();
    for (const name of [image, mask]) expect(view.entry(`${name}/${name}.jpg`, 1)?.status).toBe('edited');
  });

  test('are twins where the disk has both', async () => {
    const root = await temporaryFolder();
    await putImages(root, [`${ONE}.jpg`]);
    await give(root, `${ONE}.jpg`, `${ONE}.png`);
    await putImages(root, [`${TWO}.jpg`]);
    const located = await locationsIn(root, [`${ONE}.jpg`, `${TWO}.jpg`]);
    expect(located).toEqual({ [`${ONE}.jpg`]: `masks/${ONE}.png`, [`${TWO}.jpg`]: `masks/${TWO}.jpg.png` });
    const view = await JournalView.read(root);
    await new MaskLocator(root, join(root, 'masks'), view).locate(`${TWO}.jpg`);
    expect(view.entry(`${TWO}.jpg`, 1)).toBeUndefined();
    expect(view.entry(`${ONE}.jpg`, 1)?.status).toBe('auto');
  });
});
