/**
 * What atomicFile.ts makes of files that another program holds: a disk that refuses a while, and a clock that nobody
 * waits for.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import {
  createAtomic,
  hashIfPresent,
  removeIfPresent,
  replaceAtomic,
  requireWritable,
  type WriteOptions,
  writeAtomic,
} from '../../src/disk/atomicFile';
import { FILE_KINDS, readNamed } from '../../src/disk/guardedFile';
import { sha256 } from '../../src/disk/hashing';
import { exists, put, temporaryFolder } from '../dataset/fixtures';

/** How often which call fails, with which code; Infinity for ever. */
const disk = vi.hoisted(() => ({ failures: {} as Record<string, { code: string; times: number }> }));

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const refusing =
    <A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      const failure = disk.failures[name];
      const isOurs = args.some((arg) => typeof arg === 'string' && arg.endsWith('/mask.png'));
      if (failure !== undefined && failure.times > 0 && isOurs) {
        failure.times--;
        throw Object.assign(new Error(`${failure.code}: ${name}`), { code: failure.code });
      }
      return call(...args);
    };
  return {
    ...fs,
    rename: refusing('rename', fs.rename),
    link: refusing('link', fs.link),
    unlink: refusing('unlink', fs.unlink),
    open: refusing('open', fs.open as (...args: unknown[]) => ReturnType<typeof fs.open>),
  };
});

function waiting(signal?: AbortSignal): WriteOptions & { waits: number[] } {
  const waits: number[] = [];
  const clock = {
    now: () => waits.reduce((sum, ms) => sum + ms, 0),
    sleep: async (ms: number, stop: AbortSignal | undefined) => {
      stop?.throwIfAborted();
      waits.push(ms);
    },
  };
  return { waits, patience: { clock, platform: 'win32', signal } };
}

async function place(failures: typeof disk.failures, before?: string) {
  disk.failures = {};
  const path = join(await temporaryFolder(), 'mask.png');
  if (before !== undefined) await put(path, before);
  disk.failures = failures;
  return path;
}

test('a file is written, created and replaced when it is let go', async () => {
  const options = waiting();
  const replaced = await place({ rename: { code: 'EPERM', times: 5 } }, 'old');
  expect(await replaceAtomic(replaced, 'new', sha256('old'), options)).toBe(true);
  expect(await readFile(replaced, 'utf8')).toBe('new');
  const created = await place({ link: { code: 'EBUSY', times: 2 } });
  expect(await createAtomic(created, 'new', options)).toBe(true);
  const written = await place({ rename: { code: 'EACCES', times: 1 } }, 'old');
  await writeAtomic(written, 'new', options);
  expect(options.waits).toHaveLength(8);
  for (const path of [replaced, created, written]) {
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(join(path, '..'))).toEqual(['mask.png']);
  }
});

test('a file that its holder changes meanwhile is not replaced', async () => {
  const path = await place({ rename: { code: 'EPERM', times: 1 } }, 'old');
  const options = waiting();
  const { sleep } = options.patience!.clock!;
  const changing = async (ms: number, signal: AbortSignal | undefined) => {
    await put(path, 'painted');
    await sleep(ms, signal);
  };
  const patience = { ...options.patience, clock: { ...options.patience!.clock!, sleep: changing } };
  expect(await replaceAtomic(path, 'new', sha256('old'), { patience })).toBe(false);
  expect(await readFile(path, 'utf8')).toBe('painted');
});

test('without links the claimed name is filled when it is let go; FAT on Windows answers EISDIR to a link', async () => {
  for (const code of ['EPERM', 'EISDIR', 'ENOTSUP']) {
    const path = await place({
      link: { code, times: 1 },
      open: { code: 'EPERM', times: 2 },
      rename: { code, times: 0 },
    });
    const options = waiting();
    expect(await createAtomic(path, 'new', options)).toBe(true);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(options.waits).toHaveLength(2);
  }
});

test('a file that stays held fails with its name after a minute, and nothing is left behind', async () => {
  const path = await place({ rename: { code: 'EPERM', times: Number.POSITIVE_INFINITY } }, 'old');
  const options = waiting();
  await expect(writeAtomic(path, 'new', options)).rejects.toThrow(
    `Cannot write ${path}: another program holds it open.`,
  );
  expect(options.patience!.clock!.now()).toBeGreaterThanOrEqual(60_000);
  expect(await readdir(join(path, '..'))).toEqual(['mask.png']);
});

test('cancelling ends the waiting', async () => {
  const reason = new Error('cancelled');
  const path = await place({ rename: { code: 'EPERM', times: Number.POSITIVE_INFINITY } }, 'old');
  const options = waiting(AbortSignal.abort(reason));
  await expect(replaceAtomic(path, 'new', sha256('old'), options)).rejects.toBe(reason);
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(join(path, '..'))).toEqual(['mask.png']);
});

test('reading waits too, and removing', async () => {
  const { waits, patience } = waiting();
  const path = await place({ open: { code: 'EBUSY', times: 3 }, unlink: { code: 'EBUSY', times: 4 } }, 'old');
  expect(await readNamed(path, FILE_KINDS.mask, patience)).toEqual(Buffer.from('old'));
  await removeIfPresent(path, { patience: patience! });
  expect(await exists(path)).toBe(false);
  expect(waits).toHaveLength(7);
  await removeIfPresent(path);
  expect(await hashIfPresent(path, patience)).toBeNull();
  await place({ open: { code: 'EBUSY', times: Number.POSITIVE_INFINITY } });
  await expect(readNamed(path, FILE_KINDS.mask, patience)).rejects.toThrow(
    `Cannot read ${path}: another program holds it open.`,
  );
});

test('a folder that takes files is writable', async () => {
  const folder = join(await temporaryFolder(), 'new');
  await requireWritable(folder);
  expect(await readdir(folder)).toEqual([]);
});
