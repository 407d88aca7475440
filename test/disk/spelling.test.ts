/** Names on a disk that does not tell capitals apart: a disk of Linux that pretends. */
import { readdirSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { scanFolder } from '../../src/dataset/files/folder';
import { spelledPath } from '../../src/disk/nameForms';
import { putImages, temporaryFolder } from '../dataset/fixtures';

const disk = vi.hoisted(() => ({ ignoresCase: false }));
afterEach(() => {
  disk.ignoresCase = false;
});

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const plain = (name: string) => name.toLowerCase();
  const found = (path: string): string => {
    if (!disk.ignoresCase || dirname(path) === path) return path;
    const parent = found(dirname(path));
    const names = (() => {
      try {
        return readdirSync(parent);
      } catch {
        // A folder that does not exist holds nothing.
        return [];
      }
    })();
    return join(parent, names.find((name) => plain(name) === plain(basename(path))) ?? basename(path));
  };
  const on =
    <A extends unknown[], R>(call: (path: string, ...rest: A) => R) =>
    (path: string, ...rest: A) =>
      call(found(path), ...rest);
  return {
    ...fs,
    realpath: on(fs.realpath as (path: string) => Promise<string>),
    readdir: on(fs.readdir as (path: string, ...rest: unknown[]) => Promise<unknown>),
    stat: on(fs.stat as (path: string, ...rest: unknown[]) => Promise<unknown>),
    open: on(fs.open as (path: string, ...rest: unknown[]) => Promise<unknown>),
  };
});

test('a path is spelled as the disk has it, however a person names it', async () => {
  const root = await temporaryFolder();
  await putImages(root, ['Images/Scan.PNG']);
  disk.ignoresCase = true;
  const path = join(root, 'Images', 'Scan.PNG');
  for (const named of ['images/scan.png', 'IMAGES/Scan.PNG', 'Images/SCAN.png', 'Images/Scan.PNG']) {
    expect(await spelledPath(join(root, named))).toBe(path);
  }
  expect(await spelledPath(join(root, 'IMAGES', 'new.png'))).toBe(join(root, 'Images', 'new.png'));
});

test('where capitals matter every name is its own, and links stay', async () => {
  const root = await temporaryFolder();
  await putImages(root, ['a/x.png', 'A/x.png']);
  await symlink(join(root, 'a'), join(root, 'link'));
  for (const name of ['a/x.png', 'A/x.png', 'A/X.png', 'link/x.png', 'Link/x.png']) {
    expect(await spelledPath(join(root, name))).toBe(join(root, name));
  }
});

test('images have one name in the journal, and the mask folder is none of theirs', async () => {
  const root = await temporaryFolder();
  await putImages(root, ['images/Scan.png', 'images/b.png', 'masks/b.png']);
  await mkdir(join(root, 'other'));
  disk.ignoresCase = true;
  const imagesOf = async (maskFolder: string, targets: string[] = []) =>
    (await scanFolder(root, { maskFolder: join(root, maskFolder), targets: targets.map((name) => join(root, name)) }))
      .images;
  const all = ['images/Scan.png', 'images/b.png'];
  expect(await imagesOf('MASKS')).toEqual(all);
  expect(await imagesOf('masks', ['IMAGES'])).toEqual(all);
  expect(await imagesOf('masks', ['Images/SCAN.PNG'])).toEqual(['images/Scan.png']);
});
