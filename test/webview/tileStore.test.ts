import { describe, expect, it } from 'vitest';
import { type TileKey, tileName } from '../../webview/canvas/tileGrid';
import { TileStore } from '../../webview/canvas/tileStore';

interface Request {
  readonly name: string;
  readonly signal: AbortSignal;
  resolve(): Promise<void>;
  reject(): Promise<void>;
}

/** A store whose requests end when the test says so; every tile is 10 bytes. */
function fakeStore(limits: { bytes: number; requests: number }) {
  const requests: Request[] = [];
  const released: string[] = [];
  const loaded: string[] = [];
  const failed: string[] = [];
  const store = new TileStore<string>(
    {
      load: (key, signal) =>
        new Promise((resolve, reject) => {
          const name = tileName(key);
          // Waits until everything that follows from it has happened.
          const settle = (act: () => void) => async () => {
            act();
            await new Promise((done) => setImmediate(done));
          };
          requests.push({
            name,
            signal,
            resolve: settle(() => resolve(name)),
            reject: settle(() => reject(new Error('gone'))),
          });
        }),
      bytesOf: () => 10,
      release: (tile) => released.push(tile),
    },
    limits,
    { onLoaded: (key) => loaded.push(tileName(key)), onFailed: (key) => failed.push(tileName(key)) },
  );
  const open = () => requests.filter(({ signal }) => !signal.aborted).map(({ name }) => name);
  return { store, requests, released, loaded, failed, open };
}

const tiles = (...columns: number[]): TileKey[] => columns.map((column) => ({ level: 0, column, row: 0 }));

describe('TileStore', () => {
  it('asks for the most wanted tiles first, a few at a time', async () => {
    const { store, requests, loaded } = fakeStore({ bytes: 1000, requests: 2 });
    store.want(tiles(3, 1, 2));
    expect(requests.map(({ name }) => name)).toEqual(['0/3_0', '0/1_0']);
    await requests[1].resolve();
    expect(requests.map(({ name }) => name)).toEqual(['0/3_0', '0/1_0', '0/2_0']);
    expect(loaded).toEqual(['0/1_0']);
    expect(store.get(tiles(1)[0])).toBe('0/1_0');
    expect(store.get(tiles(3)[0])).toBeUndefined();
  });

  it('gives up what is wanted no longer, and never shows it', async () => {
    const { store, requests, released, loaded, open } = fakeStore({ bytes: 1000, requests: 2 });
    store.want(tiles(1, 2, 3));
    store.want(tiles(2, 4));
    expect(requests[0].signal.aborted).toBe(true);
    expect(open()).toEqual(['0/2_0', '0/4_0']);
    await requests[0].resolve();
    expect(loaded).toEqual([]);
    expect(released).toEqual(['0/1_0']);
  });

  it('asks again for a tile that was given up, and ignores the first answer', async () => {
    const { store, requests, failed, loaded } = fakeStore({ bytes: 1000, requests: 1 });
    store.want(tiles(1));
    store.want([]);
    store.want(tiles(1));
    expect(requests).toHaveLength(2);
    await requests[0].reject();
    expect(failed).toEqual([]);
    // The request that was given up does not make room for another one either.
    store.want(tiles(1, 2));
    expect(requests).toHaveLength(2);
    await requests[1].resolve();
    expect(loaded).toEqual(['0/1_0']);
  });

  it('drops the least recently used tiles beyond its bytes, but none that is wanted', async () => {
    const { store, requests, released } = fakeStore({ bytes: 30, requests: 9 });
    store.want(tiles(1, 2, 3));
    for (const request of requests) await request.resolve();
    store.get(tiles(1)[0]);
    store.want(tiles(4));
    await requests[3].resolve();
    expect(released).toEqual(['0/2_0']);
    store.want(tiles(1, 3, 4, 5, 6));
    for (const request of requests.slice(4)) await request.resolve();
    expect(released).toEqual(['0/2_0']);
    expect(tiles(1, 3, 4, 5, 6).every(store.has)).toBe(true);
  });

  it('reports a tile that cannot be had once, until it is forgiven', async () => {
    const { store, requests, failed } = fakeStore({ bytes: 30, requests: 1 });
    store.want(tiles(1, 2));
    await requests[0].reject();
    expect(failed).toEqual(['0/1_0']);
    expect(requests.map(({ name }) => name)).toEqual(['0/1_0', '0/2_0']);
    await requests[1].resolve();
    store.want(tiles(1));
    expect(requests).toHaveLength(2);
    store.forgive();
    expect(requests.map(({ name }) => name)).toEqual(['0/1_0', '0/2_0', '0/1_0']);
  });

  it('releases everything when disposed, also what arrives later', async () => {
    const { store, requests, released, loaded } = fakeStore({ bytes: 30, requests: 2 });
    store.want(tiles(1, 2, 3));
    await requests[0].resolve();
    store.dispose();
    await requests[1].resolve();
    expect(released.sort()).toEqual(['0/1_0', '0/2_0']);
    expect(loaded).toEqual(['0/1_0']);
    expect(requests.filter(({ name }) => name === '0/3_0').every(({ signal }) => signal.aborted)).toBe(true);
  });
});
