import { describe, expect, it } from 'vitest';
import { type DisposableEngine, defaultParallelism, EnginePool } from '../../src/engine/pool';
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
