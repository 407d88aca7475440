import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UserError } from '../../src/core/userError';
import { createAtomic, removeStaleTemporaries, replaceAtomic, writeAtomic } from '../../src/disk/atomicFile';
import { sha256 } from '../../src/disk/hashing';
import { explainWriteError, isDiskFailure } from '../../src/disk/storageError';
import { exists, put, temporaryFolder } from '../dataset/fixtures';

test('writes, makes folders and leaves nothing else behind', async () => {
  const folder = join(await temporaryFolder(), 'new', 'deep');
  await writeAtomic(join(folder, 'a.txt'), 'one');
  await writeAtomic(join(folder, 'a.txt'), 'two');
  expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('two');
  expect(await readdir(folder)).toEqual(['a.txt']);
});

test('creates only where nothing is', async () => {
  const path = join(await temporaryFolder(), 'a');
  expect(await createAtomic(path, 'first')).toBe(true);
  expect(await createAtomic(path, 'second')).toBe(false);
  expect(await readFile(path, 'utf8')).toBe('first');
});

test('of many that create at the same time one wins', async () => {
  const folder = await temporaryFolder();
  const won = await Promise.all(Array.from({ length: 20 }, (_, i) => createAtomic(join(folder, 'a'), `${i}`)));
  expect(won.filter(Boolean)).toHaveLength(1);
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe(`${won.indexOf(true)}`);
  expect(await readdir(folder)).toEqual(['a']);
});

test('replaces only what was expected', async () => {
  const path = await put(join(await temporaryFolder(), 'a'), 'old');
  expect(await replaceAtomic(path, 'new', sha256('something else'))).toBe(false);
  expect(await replaceAtomic(path, 'new', sha256('old'))).toBe(true);
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await replaceAtomic(join(path, '..', 'missing'), 'new', sha256('old'))).toBe(false);
  expect(await readdir(join(path, '..'))).toEqual(['a']);
});

test('a file where a folder is needed is a sentence', async () => {
  const root = await temporaryFolder();
  await writeFile(join(root, 'masks'), '');
  const path = join(root, 'masks', 'a.png');
  await expect(writeAtomic(path, '')).rejects.toThrow(
    /^Cannot write .*masks: a file stands where a folder should be\.$/,
  );
  await mkdir(join(root, 'folder'));
  await expect(writeAtomic(join(root, 'folder'), '')).rejects.toThrow(UserError);
  expect((await stat(join(root, 'folder'))).isDirectory()).toBe(true);
  expect((await readdir(root)).sort()).toEqual(['folder', 'masks']);
});

test('only temporary files that are old are cleaned up', async () => {
  const root = await temporaryFolder();
  const stale = await put(join(root, '.apmedsam-tmp-1-a'), '');
  const fresh = await put(join(root, '.apmedsam-tmp-1-b'), '');
  const other = await put(join(root, '.hidden'), '');
  const longAgo = new Date(Date.now() - 7_200_000);
  await utimes(stale, longAgo, longAgo);
  await utimes(other, longAgo, longAgo);
  await removeStaleTemporaries(root);
  expect([await exists(stale), await exists(fresh), await exists(other)]).toEqual([false, true, true]);
  await removeStaleTemporaries(join(root, 'missing'));
});

test.each([
  ['ENOSPC', 'The disk is full: cannot write /x.', true],
  ['EROFS', 'The disk is read-only: cannot write /x.', true],
  ['EACCES', 'Permission denied: cannot write /x.', false],
  ['EBUSY', 'Cannot write /x: another program holds it open.', false],
  ['ENOTDIR', 'Cannot write /x: a file stands where one of its folders should be.', false],
])('%s is told', (code, message, disk) => {
  const error = explainWriteError(Object.assign(new Error('raw'), { code }), '/x');
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toBe(message);
  expect(isDiskFailure(error)).toBe(disk);
});

test('an error that is not the disk’s comes back as it is', () => {
  const error = new TypeError('bug');
  expect(explainWriteError(error, '/x')).toBe(error);
  expect(isDiskFailure(error)).toBe(false);
});
