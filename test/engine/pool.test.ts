import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { NoEngineError } from '../../src/core/userError';
import { type DisposableEngine, defaultParallelism, EnginePool } from '../../src/engineClient/pool';
import { startPool } from '../../src/engineClient/poolStart';
import type { SegmentRequest } from '../../src/protocol/engineApi';

/** An engine whose calls end when the test says so. */
function fakeEngine() {
  const calls: { method: string; signal: AbortSignal | undefined; end: (error?: Error) => void }[] = [];
  let disposed = 0;
  const method = (name: string) => (_: unknown, options?: { signal?: AbortSignal }) =>
    new Promise((resolve, reject) => {
      calls.push({ method: name, signal: options?.signal, end: (error) => (error ? reject(error) : resolve(name)) });
    });
  const engine = {
    info: async () => ({ pid: 1 }),
    inspectImage: method('inspectImage'),
    sampleWindow: method('sampleWindow'),
    prepareReference: method('prepareReference'),
    segment: method('segment'),
    saveOverlay: method('saveOverlay'),
    dispose: async () => void disposed++,
  } as unknown as DisposableEngine;
  return { engine, calls, disposals: () => disposed };
}

const request = { image: '/a.png' } as SegmentRequest;

describe('EnginePool', () => {
  it('needs an engine', () => {
    expect(() => new EnginePool([])).toThrow(RangeError);
  });

  it('has two lanes per engine and gives each call to the least busy one', async () => {
    const fakes = [fakeEngine(), fakeEngine()];
    const pool = new EnginePool(fakes.map(({ engine }) => engine));
    expect(pool.lanes).toBe(4);
    const under = () => fakes.map(({ calls }) => calls.length);
    const first = pool.segment(request);
    expect(under()).toEqual([1, 0]);
    void pool.segment(request);
    expect(under()).toEqual([1, 1]);
    fakes[0]!.calls[0]!.end();
    await first;
    void pool.segment(request);
    expect(under()).toEqual([2, 1]);
  });

  it('forgets a failed call too', async () => {
    const fakes = [fakeEngine(), fakeEngine()];
    const pool = new EnginePool(fakes.map(({ engine }) => engine));
    const failing = pool.segment(request);
    fakes[0]!.calls[0]!.end(new Error('boom'));
    await expect(failing).rejects.toThrow('boom');
    void pool.inspectImage({ image: '/b.png' });
    expect(fakes[0]!.calls).toHaveLength(2);
  });

  it('prepares the reference on the first engine and passes signals on', () => {
    const fakes = [fakeEngine(), fakeEngine()];
    const pool = new EnginePool(fakes.map(({ engine }) => engine));
    const { signal } = new AbortController();
    void pool.segment(request, { signal });
    void pool.prepareReference(request, { signal });
    expect(fakes[0]!.calls.map(({ method }) => method)).toEqual(['segment', 'prepareReference']);
    expect(fakes[0]!.calls[0]!.signal).toBe(signal);
  });

  describe('where an engine does not start', () => {
    const noStart = () => new NoEngineError('The segmentation engine could not start: it ended with signal SIGKILL.');
    const patience = { giveUpMs: 60, firstPauseMs: 10, longestPauseMs: 20 };
    const poolOf = (fakes: readonly ReturnType<typeof fakeEngine>[]) =>
      new EnginePool(
        fakes.map(({ engine }) => engine),
        2,
        patience,
      );

    it('another one takes the call, and it gets none for a while', async () => {
      const [sound, dead] = [fakeEngine(), fakeEngine()];
      const pool = new EnginePool([sound.engine, dead.engine], 2, {
        giveUpMs: 60_000,
        firstPauseMs: 500,
        longestPauseMs: 500,
      });
      await pool.info();
      const calls = Array.from({ length: 4 }, () => pool.segment(request));
      for (const { end } of dead.calls.splice(0)) end(noStart());
      await vi.waitFor(() => expect(sound.calls).toHaveLength(4));
      void pool.segment(request);
      expect(dead.calls).toHaveLength(0);
      for (const { end } of sound.calls.splice(0)) end();
      await Promise.all(calls);
      // After its pause it is asked again.
      await vi.waitFor(() => {
        void pool.segment(request);
        expect(dead.calls).not.toHaveLength(0);
      });
    });

    it('calls wait for one that does, and end in one sentence where none does for long', async () => {
      const fake = fakeEngine();
      const pool = poolOf([fake]);
      await pool.info();
      const call = pool.segment(request);
      fake.calls[0]!.end(noStart());
      await vi.waitFor(() => expect(fake.calls).toHaveLength(2));
      fake.calls[1]!.end();
      await call;

      const lost = pool.segment(request);
      const started = performance.now();
      const failing = setInterval(() => {
        for (const { end } of fake.calls.splice(0)) end(noStart());
      }, 1);
      await expect(lost).rejects.toThrow(noStart().message);
      clearInterval(failing);
      expect(performance.now() - started).toBeGreaterThanOrEqual(patience.giveUpMs);
    });

    it('at the very beginning it is told at once', async () => {
      const fake = fakeEngine();
      const first = poolOf([fake]).prepareReference(request);
      fake.calls[0]!.end(noStart());
      await expect(first).rejects.toThrow(NoEngineError);
      expect(fake.calls).toHaveLength(1);
    });

    it('nobody waits after a cancellation, or when the pool is shut down', async () => {
      const fake = fakeEngine();
      const pool = new EnginePool([fake.engine], 2, { ...patience, firstPauseMs: 60_000, longestPauseMs: 60_000 });
      await pool.info();
      const cancel = new AbortController();
      const calls = [pool.segment(request, { signal: cancel.signal }), pool.segment(request)];
      for (const { end } of fake.calls) end(noStart());
      await delay(5);
      cancel.abort(new Error('stopped'));
      await expect(calls[0]).rejects.toThrow('stopped');
      await Promise.all([expect(calls[1]).rejects.toThrow('shut down'), pool.dispose()]);
    });
  });

  it('disposes of every engine', async () => {
    const fakes = [fakeEngine(), fakeEngine()];
    await new EnginePool(fakes.map(({ engine }) => engine)).dispose();
    expect(fakes.map(({ disposals }) => disposals())).toEqual([1, 1]);
  });
});

describe('defaultParallelism', () => {
  it.each([
    [1, 1, 1],
    [2, 2, 1],
    [4, 4, 1],
    [6, 4, 1],
    [16, 4, 4],
  ])('on %i cores: %i engines of %i threads', (cores, engines, threads) => {
    expect(defaultParallelism(cores)).toEqual({ engines, threads });
  });
});

describe('startPool', () => {
  const models = { modelsDir: '/models', homeDir: '/home', encoder: 'e', segmenter: 's' };
  const config = { ...models, cacheBytes: 0, pixelLimit: 1 };
  const options = { entry: '/engine.js', trying: {} };

  it('has the engines that were asked for, else those that suit the device', async () => {
    const cores = availableParallelism();
    const [asked, cpu, gpu] = await Promise.all([
      startPool({ ...options, config, engines: 3 }),
      startPool({ ...options, config }),
      startPool({ ...options, config: { ...config, device: 'webgpu' } }),
    ]);
    expect([asked.size, cpu.size, gpu.size]).toEqual([3, defaultParallelism(cores).engines, 1]);
    // The next images are read while the GPU has one.
    expect([asked.lanes, gpu.lanes]).toEqual([6, 5]);
  });

  it('tries the devices where nobody has said which, with the models at hand', async () => {
    const lost = startPool({ ...options, config: { ...config, device: 'auto' } });
    await expect(lost).rejects.toThrow('There is no encoder called "e"');
  });
});
