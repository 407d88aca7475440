import { chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { PATIENCE_MS, type Patience, refusalOf, whenFree, whenFreeToChange } from '../../src/disk/patience';
import { put, temporaryFolder } from '../dataset/fixtures';

const failure = (code: string) => Object.assign(new Error(`${code}: raw`), { code });

/** A clock that nobody waits for, and what was slept. */
function fakeClock() {
  const waits: number[] = [];
  let now = 0;
  const sleep = async (ms: number, signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    waits.push(ms);
    now += ms;
  };
  return { waits, clock: { now: () => now, sleep } };
}

/** An operation that fails with these codes, one after the other (the last one for ever if asked), then succeeds. */
function failing(codes: readonly string[], forEver = false) {
  let calls = 0;
  const operation = async () => {
    const code = codes[forEver ? Math.min(calls, codes.length - 1) : calls];
    calls++;
    if (code !== undefined) throw failure(code);
    return 'done';
  };
  return { operation, calls: () => calls };
}

const on = (platform: NodeJS.Platform) => {
  const { waits, clock } = fakeClock();
  return { waits, patience: { clock, platform } satisfies Patience };
};

describe('opening', () => {
  test.each(['win32', 'linux'] as const)('waits longer each time while a file is busy (%s)', async (platform) => {
    const { waits, patience } = on(platform);
    const { operation } = failing(new Array<string>(20).fill('EBUSY'));
    expect(await whenFree(operation, patience)).toBe('done');
    expect(waits).toHaveLength(20);
    expect(waits[0]).toBe(10);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.at(-1)).toBe(500);
  });

  test('gives up after a minute with the error itself', async () => {
    const { waits, patience } = on('win32');
    await expect(whenFree(failing(['EBUSY'], true).operation, patience)).rejects.toMatchObject({ code: 'EBUSY' });
    const waited = waits.reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeGreaterThanOrEqual(PATIENCE_MS);
    expect(waited).toBeLessThan(PATIENCE_MS + 500);
  });

  test.each(['EPERM', 'EACCES', 'ENOENT', 'EISDIR'])('does not wait after %s', async (code) => {
    const { waits, patience } = on('win32');
    await expect(whenFree(failing([code]).operation, patience)).rejects.toMatchObject({ code });
    expect(waits).toEqual([]);
  });

  test('ends with the reason of the signal, at once and while it waits', async () => {
    const reason = new Error('cancelled');
    const { operation, calls } = failing(['EBUSY'], true);
    await expect(whenFree(operation, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(calls()).toBe(1);
    const stop = new AbortController();
    const waiting = whenFree(failing(['EBUSY'], true).operation, { signal: stop.signal });
    setImmediate(() => stop.abort(reason));
    await expect(waiting).rejects.toBe(reason);
  });

  test('an operation that succeeds is not asked about the signal', async () => {
    expect(await whenFree(failing([]).operation, { signal: AbortSignal.abort() })).toBe('done');
  });
});

describe('changing', () => {
  test.each(['EPERM', 'EACCES', 'EBUSY'])('%s is waited out on Windows, new file and old', async (code) => {
    const folder = await temporaryFolder();
    for (const path of [join(folder, 'new'), await put(join(folder, 'old'), '')]) {
      const { waits, patience } = on('win32');
      expect(await whenFreeToChange(path, failing([code, code, code]).operation, patience)).toBe('done');
      expect(waits).toHaveLength(3);
    }
    expect(await readdir(folder)).toEqual(['old']);
  });

  test('a file that stays held is busy in the end, whatever Windows called it', async () => {
    const path = await put(join(await temporaryFolder(), 'a'), '');
    const { patience } = on('win32');
    const held = whenFreeToChange(path, failing(['EPERM'], true).operation, patience);
    await expect(held).rejects.toMatchObject({ code: 'EBUSY', cause: { code: 'EPERM' } });
  });

  test.each(['linux', 'darwin'] as const)('a denial is final on %s', async (platform) => {
    const path = join(await temporaryFolder(), 'a');
    const { waits, patience } = on(platform);
    await expect(whenFreeToChange(path, failing(['EPERM']).operation, patience)).rejects.toMatchObject({
      code: 'EPERM',
    });
    expect(waits).toEqual([]);
  });

  test('a denial is final on Windows where a folder or a read-only file is in the way', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'folder'));
    await chmod(await put(join(folder, 'read-only'), ''), 0o444);
    for (const name of ['folder', 'read-only']) {
      const { waits, patience } = on('win32');
      const { operation } = failing(['EPERM'], true);
      await expect(whenFreeToChange(join(folder, name), operation, patience)).rejects.toMatchObject({ code: 'EPERM' });
      expect(waits).toEqual([]);
    }
  });
});

describe('a folder', () => {
  test('that takes files has no reason against it, and keeps nothing of the trial', async () => {
    const folder = await temporaryFolder();
    expect(await refusalOf(folder)).toBeNull();
    expect(await readdir(folder)).toEqual([]);
  });

  test('that does not says why', async () => {
    expect(await refusalOf(join(await temporaryFolder(), 'missing'))).toMatchObject({ code: 'ENOENT' });
  });
});

const disk = vi.hoisted(() => ({ refused: '' }));

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const open: typeof fs.open = async (path, ...rest) => {
    if (disk.refused !== '' && String(path).startsWith(disk.refused)) throw failure('EPERM');
    return fs.open(path, ...rest);
  };
  return { ...fs, open };
});

test('a folder that takes nothing costs no wait on Windows', async () => {
  disk.refused = await temporaryFolder();
  const { waits, patience } = on('win32');
  const { operation, calls } = failing(['EPERM'], true);
  await expect(whenFreeToChange(join(disk.refused, 'a'), operation, patience)).rejects.toMatchObject({ code: 'EPERM' });
  expect([waits, calls()]).toEqual([[], 1]);
  disk.refused = '';
});
