import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TensorCache } from '../../src/engine/images/cache';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-cache-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const CAP = 1 << 20;
const vector = (length: number, first = 0) => ({
  v: { dims: [length], data: new Float32Array(length).map((_, i) => first + i) },
});
const entries = async () => (await readdir(dir)).filter((name) => name.endsWith('.tensors'));

/** Puts entries `count` of about 4 KB, used one minute apart, the first longest ago; returns their file names. */
async function fill(cache: TensorCache, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const before = await entries();
    await cache.put(['entry', i], vector(1000, i));
    const name = (await entries()).find((candidate) => !before.includes(candidate))!;
    const used = new Date(Date.now() - (count - i) * 60_000);
    await utimes(join(dir, name), used, used);
    names.push(name);
  }
  return names;
}

describe('TensorCache', () => {
  it('gives back names, dims and values, aligned for use in place', async () => {
    const cache = new TensorCache(dir, CAP);
    const tensors = {
      patch_tokens: { dims: [1, 3, 5], data: new Float32Array(15).map((_, i) => i / 7) },
      empty: { dims: [0, 4], data: new Float32Array() },
      features: { dims: [2, 2], data: Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, -0, 1e-40) },
    };
    expect(await cache.put(['sha', 'model', 384], tensors)).toBe(true);
    const found = await cache.get(['sha', 'model', 384]);
    expect(found).toEqual(tensors);
    expect(Object.keys(found!)).toEqual(['patch_tokens', 'empty', 'features']);
    for (const { data } of Object.values(found!)) expect(data.byteOffset % 64).toBe(0);
  });

  it('writes a view, not the buffer below it', async () => {
    const cache = new TensorCache(dir, CAP);
    const whole = new Float32Array([9, 9, 1, 2, 3, 9]);
    await cache.put(['view'], { v: { dims: [3], data: whole.subarray(2, 5) } });
    expect((await cache.get(['view']))?.v?.data).toEqual(Float32Array.of(1, 2, 3));
  });

  it('tells keys apart, part by part', async () => {
    const cache = new TensorCache(dir, CAP);
    await cache.put(['a', 'bc'], vector(1, 1));
    await cache.put(['ab', 'c'], vector(1, 2));
    expect((await cache.get(['a', 'bc']))?.v?.data[0]).toBe(1);
    expect((await cache.get(['ab', 'c']))?.v?.data[0]).toBe(2);
    expect(await cache.get(['a', 'b', 'c'])).toBeUndefined();
  });

  it('refuses dims that disagree with the data', async () => {
    const put = new TensorCache(dir, CAP).put(['k'], { v: { dims: [2, 2], data: new Float32Array(3) } });
    await expect(put).rejects.toThrow(/tensor v of \[2, 2\] needs 4 values, got 3/);
  });

  it.each([
    ['cut short', (content: Buffer) => content.subarray(0, content.length - 64)],
    ['of zero bytes', () => Buffer.alloc(0)],
    ['torn: zeros where the payload was', (content: Buffer) => content.fill(0, 256)],
    ['of another version', (content: Buffer) => content.fill(9, 4, 5)],
    ['foreign', () => Buffer.from('something else that is long enough')],
  ])('treats a file that is %s as a miss and removes it', async (_, spoil) => {
    const cache = new TensorCache(dir, CAP);
    await cache.put(['k'], vector(100));
    const path = join(dir, (await entries())[0]!);
    await writeFile(path, spoil(await readFile(path)));
    expect(await cache.get(['k'])).toBeUndefined();
    expect(await entries()).toEqual([]);
  });

  it('does not take the entry of another key for its own', async () => {
    const cache = new TensorCache(dir, CAP);
    await cache.put(['k'], vector(4));
    const [name] = await entries();
    await cache.put(['other'], vector(4));
    const other = (await entries()).find((candidate) => candidate !== name)!;
    await writeFile(join(dir, name!), await readFile(join(dir, other)));
    expect(await cache.get(['k'])).toBeUndefined();
  });

  it('evicts what was used longest ago, a read counting as use', async () => {
    const names = await fill(new TensorCache(dir, CAP), 5);
    const size = (await stat(join(dir, names[0]!))).size;
    const cache = new TensorCache(dir, 5 * size);
    expect(await cache.get(['entry', 0])).toBeDefined();
    await cache.put(['entry', 99], vector(1000));
    const left = await entries();
    expect(left).toHaveLength(4);
    expect(left).toContain(names[0]);
    expect(left).not.toContain(names[1]);
    expect(left).not.toContain(names[2]);
  });

  it('counts what other processes wrote at the first put', async () => {
    const names = await fill(new TensorCache(dir, CAP), 5);
    const size = (await stat(join(dir, names[0]!))).size;
    await new TensorCache(dir, 3 * size).put(['entry', 99], vector(1000));
    expect((await entries()).length).toBeLessThanOrEqual(3);
  });

  it('keeps nothing with a cap of 0 and no entry above the cap', async () => {
    expect(await new TensorCache(dir, 0).put(['k'], vector(1))).toBe(false);
    expect(await new TensorCache(dir, 1000).put(['k'], vector(1000))).toBe(false);
    expect(await entries()).toEqual([]);
  });

  it('reports false where it cannot write, and a miss where it cannot read', async () => {
    const file = join(dir, 'a file, not a folder');
    await writeFile(file, '');
    const cache = new TensorCache(file, CAP);
    expect(await cache.put(['k'], vector(1))).toBe(false);
    expect(await cache.get(['k'])).toBeUndefined();
    expect(await cache.info()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'reports false in a read-only folder',
    async () => {
      await chmod(dir, 0o555);
      expect(await new TensorCache(dir, CAP).put(['k'], vector(1))).toBe(false);
      await chmod(dir, 0o755);
    },
  );

  it('removes temporary files of killed processes, but only old ones', async () => {
    const name = `${'0'.repeat(64)}.tensors`;
    const old = join(dir, `${name}.aaaa.tmp`);
    await writeFile(old, '');
    await utimes(old, new Date(0), new Date(0));
    await writeFile(join(dir, `${name}.bbbb.tmp`), '');
    await new TensorCache(dir, CAP).info();
    expect(await readdir(dir)).toEqual([`${name}.bbbb.tmp`]);
  });

  it('tells its size and clears itself, leaving foreign files alone', async () => {
    const cache = new TensorCache(dir, CAP);
    await fill(cache, 3);
    await writeFile(join(dir, 'notes.txt'), 'mine');
    const { entries: count, bytes, ...rest } = await cache.info();
    expect(count).toBe(3);
    expect(bytes).toBeGreaterThan(3 * 4000);
    expect(rest).toEqual({ dir, capBytes: CAP });
    await cache.clear();
    expect(await cache.info()).toMatchObject({ entries: 0, bytes: 0 });
    expect(await readdir(dir)).toEqual(['notes.txt']);
  });

  it('stays right when two processes write, read and evict in one folder', async () => {
    const script = join(dir, 'hammer.cjs');
    const folder = join(dir, 'shared');
    const entry = join(import.meta.dirname, 'fixtures/cacheHammer.ts');
    await build({ entryPoints: [entry], outfile: script, bundle: true, platform: 'node', logLevel: 'warning' });
    const cap = 60_000;
    const run = (seed: string) => promisify(execFile)(process.execPath, [script, folder, String(cap), seed]);
    const results = await Promise.all(['11', '4711'].map(run));
    for (const { stdout, stderr } of results) {
      expect(stderr).toBe('');
      const { hits, failedPuts } = JSON.parse(stdout);
      expect(hits).toBeGreaterThan(50);
      expect(failedPuts).toBe(0);
    }
    // Each process knows of the other's writes only after a scan, so both may be over by what they wrote since.
    expect((await new TensorCache(folder, cap).info()).bytes).toBeLessThanOrEqual(2 * cap);
  });
});
