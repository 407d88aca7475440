import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findImages, findRoot, isAmongImages, scanFolder } from '../../src/dataset/files/folder';
import { resolveMaskFolder } from '../../src/dataset/files/maskFolder';
import { masksBeside } from '../../src/dataset/files/maskNames';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { CLASSES, imageBytes, labels, put, putImages, temporaryFolder } from './fixtures';

const scan = (root: string, targets: string[] = []) =>
  scanFolder(root, { maskFolder: join(root, 'masks'), targets: targets.map((target) => join(root, target)) });

describe('findRoot', () => {
  test('is the clicked folder, the folder of a clicked image, or the parent of `images`', async () => {
    const top = await temporaryFolder();
    await putImages(top, ['set/a.png', 'data/images/b.png', 'data/images/sub/c.png']);
    expect(await findRoot(join(top, 'set'))).toBe(join(top, 'set'));
    expect(await findRoot(join(top, 'set', 'a.png'))).toBe(join(top, 'set'));
    expect(await findRoot(join(top, 'data', 'images'))).toBe(join(top, 'data'));
    expect(await findRoot(join(top, 'data', 'images', 'b.png'))).toBe(join(top, 'data'));
    expect(await findRoot(join(top, 'data', 'images', 'sub'))).toBe(join(top, 'data', 'images', 'sub'));
  });

  test('is the nearest ancestor with .apmedsam before anything else', async () => {
    const top = await temporaryFolder();
    await putImages(top, ['images/sub/c.png']);
    await mkdir(join(top, '.apmedsam'));
    expect(await findRoot(join(top, 'images', 'sub', 'c.png'))).toBe(top);
    expect(await findRoot(join(top, 'images'))).toBe(top);
    await mkdir(join(top, 'images', '.apmedsam'));
    expect(await findRoot(join(top, 'images', 'sub'))).toBe(join(top, 'images'));
  });

  test('a path that does not exist is a sentence', async () => {
    const missing = join(await temporaryFolder(), 'no');
    await expect(findRoot(missing)).rejects.toThrow(`${missing} does not exist or cannot be read.`);
  });
});

test('isAmongImages tells what a scan would take for an image', async () => {
  const root = await temporaryFolder();
  const maskFolder = join(root, 'out', 'masks');
  const among = (path: string) => isAmongImages(root, maskFolder, join(root, path));
  for (const path of ['a.png', 'sub/a.JPG', 'out/a.tif', 'noSuffix']) expect([path, among(path)]).toEqual([path, true]);
  for (const path of ['a.txt', '.a.png', '.apmedsam/x.png', 'out/masks/a.png', '../a.png', 'sub/.x/a.png']) {
    expect([path, among(path)]).toEqual([path, false]);
  }
});

test('findImages of a folder without any is no error', async () => {
  const root = await temporaryFolder();
  expect(await findImages(root, { maskFolder: join(root, 'masks') })).toEqual({
    images: [],
    masks: [],
    failures: [],
    nested: [],
  });
});

describe('scanFolder', () => {
  test('finds images in code-unit order and skips masks, dot files and other files', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['b.png', 'a.PNG', 'Z.jpg', 'images/sub/ä.tif', 'images/a.webp', 'IM0001']);
    await putImages(root, ['masks/b.png', 'masks/sub/c.png', '.hidden.png', '.apmedsam-tmp-1-a', '.cache/x.png']);
    await put(join(root, 'notes.txt'), 'text');
    await put(join(root, 'README'), 'no image');
    await put(join(root, 'a.json'), '{}');
    expect(await scan(root)).toEqual({
      images: ['IM0001', 'Z.jpg', 'a.PNG', 'b.png', 'images/a.webp', 'images/sub/ä.tif'],
      masks: [],
      failures: [],
      nested: [],
    });
  });

  test('leaves out what systems and servers leave in folders', async () => {
    const root = await temporaryFolder();
    const litter = ['@eaDir/t.png/SYNOPHOTO_THUMB_S.jpg', '#recycle/a.png', '$RECYCLE.BIN/b.png', 'lost+found/c.png'];
    const more = ['__MACOSX/t.png', '.ipynb_checkpoints/t.png', 'System Volume Information/d.png', 'Thumbs.db/e.png'];
    await putImages(root, ['t.png', '._t.png', 'sub/__macosx/._t.png', ...litter, ...more]);
    expect(await scan(root)).toEqual({ images: ['t.png'], masks: [], failures: [], nested: [] });
    for (const path of [...litter, ...more]) expect(isAmongImages(root, join(root, 'm'), join(root, path))).toBe(false);
  });

  test('leaves masks of other images out, by name, partner and content', async () => {
    const root = await temporaryFolder();
    const mask = await encodeMaskPng(labels([1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]), CLASSES);
    await putImages(root, ['x.png', 'y.jpg', 'é.png', 'sub/x.png', 'picture_seg.png', 'picture.png']);
    for (const name of ['x_mask.png', 'X_GT.png', 'y-labels.png', 'y_Segmentation.png', 'e\u0301_mask_2.png']) {
      await put(join(root, name), mask);
    }
    // Without the image of that name beside it, and with the content of a picture.
    await put(join(root, 'sub', 'y_mask.png'), mask);
    const found = await scan(root);
    expect(found.images).toEqual([
      'picture.png',
      'picture_seg.png',
      'sub/x.png',
      'sub/y_mask.png',
      'x.png',
      'y.jpg',
      'é.png',
    ]);
    expect(found.masks).toEqual([
      { mask: 'X_GT.png', image: 'x.png' },
      { mask: 'e\u0301_mask_2.png', image: 'é.png' },
      { mask: 'x_mask.png', image: 'x.png' },
      { mask: 'y-labels.png', image: 'y.jpg' },
      { mask: 'y_Segmentation.png', image: 'y.jpg' },
    ]);
    expect((await scan(root, ['x_mask.png', 'x.png'])).images).toEqual(['x.png', 'x_mask.png']);
    expect(await masksBeside(join(root, 'y.jpg'))).toEqual(
      ['y-labels.png', 'y_Segmentation.png'].map((name) => join(root, name)),
    );
  });

  test('an image suffix with foreign content is reported, with what is wrong', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['good.png']);
    await put(join(root, 'text.png'), 'not an image');
    await put(join(root, 'empty.jpg'), '');
    await put(join(root, 'old.bmp'), Buffer.from('BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0', 'latin1'));
    await put(join(root, 'moving.gif'), 'GIF89a');
    await symlink(join(root, 'nowhere'), join(root, 'broken.png'));
    const { images, failures } = await scan(root);
    expect(images).toEqual(['good.png', 'old.bmp']);
    expect(failures).toEqual([
      { image: 'broken.png', message: `${join(root, 'broken.png')} cannot be read (ENOENT).` },
      {
        image: 'empty.jpg',
        message: `${join(root, 'empty.jpg')} is empty (0 bytes); expected PNG, JPEG, TIFF, WebP or BMP.`,
      },
      { image: 'moving.gif', message: `${join(root, 'moving.gif')}: GIF is not supported yet, convert it to PNG.` },
      {
        image: 'text.png',
        message: `${join(root, 'text.png')} is not an image; expected PNG, JPEG, TIFF, WebP or BMP.`,
      },
    ]);
  });

  test('takes folders and images named as targets, each file once', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['x/a.png', 'x/b.png', 'y/c.png', 'd.dat', 'e.png']);
    await putImages(root, ['masks/m.png']);
    expect((await scan(root, ['x', 'x/a.png', 'd.dat'])).images).toEqual(['d.dat', 'x/a.png', 'x/b.png']);
    await expect(scan(root, ['masks'])).rejects.toThrow(/holds no images/);
    await expect(scan(root, ['masks/m.png'])).rejects.toThrow(/holds no images/);
    await expect(scan(join(root, 'x'), ['../y'])).rejects.toThrow(/is not in .*x: choose folders and images of one/);
  });

  test('a folder without images is a sentence', async () => {
    const root = await temporaryFolder();
    await put(join(root, 'notes.txt'), 'text');
    await expect(scan(root)).rejects.toThrow(`${root} holds no images: expected PNG, JPEG, TIFF, WebP or BMP.`);
  });

  test('leaves projects of their own out, with their masks', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.png', 'other/b.png', 'other/masks/b.png']);
    await mkdir(join(root, '.apmedsam'));
    await mkdir(join(root, 'other', '.apmedsam'));
    expect(await scan(root)).toEqual({ images: ['a.png'], masks: [], failures: [], nested: ['other'] });
  });

  test('follows links, but finds each file once and never goes round in a loop', async () => {
    const top = await temporaryFolder();
    const root = join(top, 'root');
    await putImages(root, ['b/1.png']);
    await put(join(top, 'elsewhere', '2.png'), imageBytes('2'));
    await put(join(top, 'elsewhere', 'single.png'), imageBytes('s'));
    await symlink(join(root, 'b'), join(root, 'a-link-to-b'));
    await symlink(root, join(root, 'b', 'loop'));
    await symlink(top, join(root, 'above'));
    await symlink(join(top, 'elsewhere'), join(root, 'linked'));
    await symlink(join(top, 'elsewhere'), join(root, 'linked-again'));
    await symlink(join(top, 'elsewhere', 'single.png'), join(root, 'file.png'));
    expect((await scan(root)).images).toEqual(['b/1.png', 'file.png', 'linked/2.png', 'linked/single.png']);
  });
});

describe('resolveMaskFolder', () => {
  test('is relative to the root or absolute', () => {
    expect(resolveMaskFolder('/data/set', 'masks')).toBe('/data/set/masks');
    expect(resolveMaskFolder('/data/set', '../out')).toBe('/data/out');
    expect(resolveMaskFolder('/data/set', '/out')).toBe('/out');
  });

  test.each(['', '.', '..', '/', 'images', '/data'])('%j would mix masks with images', (setting) => {
    expect(() => resolveMaskFolder('/data/set', setting)).toThrow(/would mix masks with images/);
  });
});
