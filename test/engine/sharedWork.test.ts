import { describe, expect, it } from 'vitest';
import { SharedWork } from '../../src/engine/runtime/sharedWork';

/** Work that ends when the test says so. */
function openEnded() {
  const begun: { signal: AbortSignal; end: (value: string) => void; fail: (error: Error) => void }[] = [];
  const start = (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      begun.push({ signal, end: resolve, fail: reject });
    });
  return { begun, start };
}

const never = new AbortController().signal;

describe('SharedWork', () => {
  it('does work once for all who ask meanwhile, and anew for who asks later', async () => {
    const shared = new SharedWork<string>();
    const { begun, start } = openEnded();
    const both = [shared.join('a', never, start), shared.join('a', never, start)];
    const other = shared.join('b', never, start);
    expect(begun).toHaveLength(2);
    begun[0].end('done');
    expect(await Promise.all(both)).toEqual(['done', 'done']);
    begun[1].end('other');
    expect(await other).toBe('other');
    const later = shared.join('a', never, start);
    begun[2].end('again');
    expect(await later).toBe('again');
  });

  it('tells everybody of a failure and forgets it', async () => {
    const shared = new SharedWork<string>();
    const { begun, start } = openEnded();
    const both = [shared.join('a', never, start), shared.join('a', never, start)];
    begun[0].fail(new Error('boom'));
    for (const one of both) await expect(one).rejects.toThrow('boom');
    const again = shared.join('a', never, start);
    begun[1].end('fine');
    expect(await again).toBe('fine');
  });

  it('goes on for those who stay, and is aborted when the last one leaves', async () => {
    const shared = new SharedWork<string>();
    const { begun, start } = openEnded();
    const controllers = [new AbortController(), new AbortController()];
    const [first, second] = controllers.map(({ signal }) => shared.join('a', signal, start));
    controllers[0].abort(new Error('first left'));
    await expect(first).rejects.toThrow('first left');
    expect(begun[0].signal.aborted).toBe(false);
    controllers[1].abort(new Error('second left'));
    await expect(second).rejects.toThrow('second left');
    expect(begun[0].signal.aborted).toBe(true);
    // Who asks now does not get the work that is being given up.
    const fresh = shared.join('a', never, start);
    expect(begun).toHaveLength(2);
    begun[1].end('fresh');
    expect(await fresh).toBe('fresh');
  });

  it('begins nothing for who has left already', async () => {
    const shared = new SharedWork<string>();
    const { begun, start } = openEnded();
    await expect(shared.join('a', AbortSignal.abort(new Error('gone')), start)).rejects.toThrow('gone');
    expect(begun).toHaveLength(0);
  });
});
