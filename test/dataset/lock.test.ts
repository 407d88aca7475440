import { watch } from 'node:fs';
import { readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { ShardLock } from '../../src/dataset/batch/lock';
import { sha256 } from '../../src/disk/hashing';
import { exists, put, temporaryFolder } from './fixtures';

const FIRST = { index: 1, count: 2 };
const pathOf = (root: string, name = 'shard-1-of-2.lock') => join(root, '.apmedsam', 'locks', name);

/** Larger than any process id that Linux gives out. */
const DEAD_PID = 2 ** 22 + 1;

/** A lock as another process left it. */
async function foreignLock(root: string, changes: object, ageMs = 0, name?: string): Promise<void> {
  const lock = await ShardLock.acquire(root, FIRST);
  const content = JSON.parse(await readFile(pathOf(root), 'utf8'));
  await lock.release();
  const path = await put(pathOf(root, name), JSON.stringify({ ...content, ...changes }));
  const time = new Date(Date.now() - ageMs);
  await utimes(path, time, time);
}

test('is taken, refused to others with who and since when, and given back', async () => {
  const root = await temporaryFolder();
  const lock = await ShardLock.acquire(root, FIRST);
  await expect(ShardLock.acquire(root, FIRST)).rejects.toThrow(
    new RegExp(`^Shard 1/2 of .* is already being processed by process ${process.pid} on ${hostname()} since 20`),
  );
  const other = await ShardLock.acquire(root, { index: 2, count: 2 });
  await lock.release();
  await other.release();
  expect(await readdir(join(root, '.apmedsam', 'locks'))).toEqual([]);
});

test('a split into another number of shards is refused while one is running, and leaves no lock', async () => {
  const root = await temporaryFolder();
  const lock = await ShardLock.acquire(root, FIRST);
  const changed = new Set<string | null>();
  const watcher = watch(join(root, '.apmedsam', 'locks'), (_, name) => changed.add(name));
  await expect(ShardLock.acquire(root, { index: 1, count: 1 })).rejects.toThrow(/is being processed in 2 shards by/);
  await put(pathOf(root, 'last'), '');
  await vi.waitFor(() => expect(changed).toContain('last'));
  watcher.close();
  // Not even for a moment, in which it would have been in the way of the second shard.
  expect([...changed].filter((name) => name?.startsWith('shard-1-of-1.lock'))).toEqual([]);
  await lock.release();
  const whole = await ShardLock.acquire(root, { index: 1, count: 1 });
  await expect(ShardLock.acquire(root, FIRST)).rejects.toThrow(/is being processed without shards by/);
  await whole.release();
});

test('a lock of a process of this machine that is gone is taken over at once', async () => {
  const root = await temporaryFolder();
  await foreignLock(root, { pid: DEAD_PID });
  const lock = await ShardLock.acquire(root, FIRST);
  expect(JSON.parse(await readFile(pathOf(root), 'utf8')).pid).toBe(process.pid);
  await lock.release();
  expect(await readdir(join(root, '.apmedsam', 'locks'))).toEqual([]);
});

test('a lock of another machine or container is taken over only without a heartbeat', async () => {
  const root = await temporaryFolder();
  for (const foreign of [{ host: 'elsewhere' }, { pidNamespace: 'pid:[1]' }]) {
    await foreignLock(root, { pid: DEAD_PID, ...foreign }, 5_000);
    await expect(ShardLock.acquire(root, FIRST)).rejects.toThrow(/is already being processed/);
    const old = new Date(Date.now() - 60_000);
    await utimes(pathOf(root), old, old);
    await (await ShardLock.acquire(root, FIRST)).release();
  }
});

test('a dead lock of another split and a damaged one are in nobody’s way', async () => {
  const root = await temporaryFolder();
  await foreignLock(root, { pid: DEAD_PID, count: 3 }, 0, 'shard-1-of-3.lock');
  await writeFile(pathOf(root), 'damaged');
  await (await ShardLock.acquire(root, FIRST)).release();
});

test('of many that find a stale lock one gets it', async () => {
  for (let round = 0; round < 30; round++) {
    const root = await temporaryFolder();
    await foreignLock(root, { pid: DEAD_PID });
    // Some come while others have won already.
    const attempt = async (n: number) => {
      await sleep(n % 13);
      return ShardLock.acquire(root, FIRST);
    };
    const tries = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => attempt(n)));
    const won = tries.filter((result) => result.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0].value.release();
    expect(await exists(pathOf(root))).toBe(false);
  }
});

/** What a process leaves that dies while it takes over, and the others that come then. */
async function deadTakeovers(root: string, count: number): Promise<void> {
  await foreignLock(root, { pid: DEAD_PID });
  let about = await readFile(pathOf(root), 'utf8');
  for (let i = 0; i < count; i++) {
    const guard = JSON.stringify({ ...JSON.parse(await readFile(pathOf(root), 'utf8')), pid: DEAD_PID + 1 + i });
    await put(`${pathOf(root)}.${sha256(about).slice(0, 16)}.takeover`, guard);
    about = `${about}\n${guard}`;
  }
}

test.each([1, 2])('%d takeovers that their processes did not live to finish are in nobody’s way', async (count) => {
  const root = await temporaryFolder();
  await deadTakeovers(root, count);
  expect(await readdir(join(root, '.apmedsam', 'locks'))).toHaveLength(1 + count);
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => ShardLock.acquire(root, FIRST)));
  const won = tries.filter((result) => result.status === 'fulfilled');
  expect(won).toHaveLength(1);
  await won[0].value.release();
  expect(await readdir(join(root, '.apmedsam', 'locks'))).toEqual([]);
});

test('what takeovers left that died after they had removed the lock goes with the next release', async () => {
  const root = await temporaryFolder();
  await deadTakeovers(root, 2);
  // As version 0.1.0 named it.
  await rename(pathOf(root), `${pathOf(root)}.takeover`);
  await (await ShardLock.acquire(root, FIRST)).release();
  expect(await readdir(join(root, '.apmedsam', 'locks'))).toEqual([]);
});

test('the time of the disk is asked for by a name that nobody knows', async () => {
  const root = await temporaryFolder();
  await (await ShardLock.acquire(root, FIRST)).release();
  const names = new Set<string | null>();
  const watcher = watch(join(root, '.apmedsam', 'locks'), (_, name) => names.add(name));
  const lock = await ShardLock.acquire(root, FIRST);
  for (let i = 0; i < 2; i++) await expect(ShardLock.acquire(root, FIRST)).rejects.toThrow(/being processed/);
  const isProbe = /^shard-1-of-2\.lock\.[0-9a-f]{12}\.time$/;
  await vi.waitFor(() => expect([...names].filter((name) => isProbe.test(name ?? ''))).toHaveLength(2));
  expect([...names].filter((name) => name?.endsWith('.time') && !isProbe.test(name))).toEqual([]);
  watcher.close();
  await lock.release();
});

test('the heartbeat keeps the lock young and notices when it was taken over', async () => {
  const root = await temporaryFolder();
  const onLost = vi.fn();
  const lock = await ShardLock.acquire(root, FIRST, { heartbeatMs: 20, onLost });
  const old = new Date(Date.now() - 60_000);
  await utimes(pathOf(root), old, old);
  await vi.waitFor(async () => expect((await stat(pathOf(root))).mtimeMs).toBeGreaterThan(Date.now() - 30_000));
  expect(onLost).not.toHaveBeenCalled();

  await utimes(pathOf(root), old, old);
  const thief = await ShardLock.acquire(root, FIRST, { staleMs: -1 });
  await vi.waitFor(() => expect(onLost).toHaveBeenCalledOnce());
  await lock.release();
  await sleep(50);
  expect(onLost).toHaveBeenCalledOnce();
  expect(await exists(pathOf(root))).toBe(true);
  await thief.release();
});
