import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { FileHashes } from '../../src/disk/fileHashes';
import { sha256, sha256File } from '../../src/disk/hashing';

vi.mock('../../src/disk/hashing', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/disk/hashing')>();
  return { ...original, sha256File: vi.fn(original.sha256File) };
});

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-hashes-'));
});
afterAll(() => rm(dir, { recursive: true }));

const reads = () => vi.mocked(sha256File).mock.calls.length;

test('a file that stays is read once', async () => {
  const path = join(dir, 'a');
  await writeFile(path, 'one');
  await utimes(path, 1000, 1000);
  const hashes = new FileHashes();
  const before = reads();
  for (let i = 0; i < 3; i++) expect(await hashes.of(path)).toBe(sha256('one'));
  expect(reads() - before).toBe(1);
  await writeFile(path, 'two');
  await utimes(path, 2000, 2000);
  expect(await hashes.of(path)).toBe(sha256('two'));
  await writeFile(path, 'more');
  await utimes(path, 2000, 2000);
  expect(await hashes.of(path)).toBe(sha256('more'));
});

test('a file that has just been written may change within the same tick of its disk', async () => {
  const path = join(dir, 'b');
  const hashes = new FileHashes();
  const now = new Date();
  for (const text of ['one', 'two']) {
    await writeFile(path, text);
    await utimes(path, now, now);
    expect(await hashes.of(path)).toBe(sha256(await readFile(path)));
  }
});

test('a file that goes is forgotten, and other failures are told', async () => {
  const path = join(dir, 'c');
  await writeFile(path, 'one');
  await utimes(path, 1000, 1000);
  const hashes = new FileHashes();
  expect(await hashes.of(path)).toBe(sha256('one'));
  await rm(path);
  expect(await hashes.of(path)).toBeNull();
  expect(await hashes.of(join(path, 'below'))).toBeNull();
  await expect(hashes.of(dir)).rejects.toThrow('is a folder, not a file');
});
