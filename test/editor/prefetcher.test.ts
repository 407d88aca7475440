/** Images that come next are encoded ahead, once the person stays with the open one. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Prefetcher } from '../../src/editor/prefetcher';

type Listener = (document: unknown) => void;

function setUp(count = 2) {
  const listeners: Listener[] = [];
  const asked: string[] = [];
  const engine = {
    prefetch: vi.fn(async ({ image }: { image: string }) => void asked.push(`encode ${image}`)),
    displayTiles: vi.fn(async ({ image }: { image: string }) => void asked.push(`tiles ${image}`)),
  };
  const provider = {
    onDidChangeActive: (listener: Listener) => {
      listeners.push(listener);
      return { dispose: () => undefined };
    },
  };
  const order = { upcoming: async (_: unknown, most: number) => ['b.png', 'c.png', 'd.png'].slice(0, most) };
  const prefetcher = new Prefetcher(provider as never, order, { of: () => engine } as never, () => count);
  const project = { window: { low: 1, high: 9 } };
  const document = (readOnly: string | null = null) => ({
    image: { readOnly, place: { root: { project: async () => project } } },
  });
  const activate = (next: unknown) => {
    for (const listener of listeners) listener(next);
  };
  return { prefetcher, engine, asked, activate, document };
}

describe('prefetching', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('encodes the next images in the order of the review, through the folder`s window', async () => {
    const { activate, asked, document, engine } = setUp();
    activate(document());
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual(['encode b.png', 'tiles b.png', 'encode c.png', 'tiles c.png']);
    expect(engine.prefetch.mock.calls[0][0]).toMatchObject({ window: { low: 1, high: 9 } });
  });

  it('leaves the next ones alone when the person has moved on, or cannot label', async () => {
    const { activate, asked, document } = setUp();
    activate(document());
    await vi.advanceTimersByTimeAsync(100);
    activate(document('not trusted'));
    await vi.advanceTimersByTimeAsync(1000);
    activate(undefined);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual([]);
  });

  it('does nothing where it is switched off or disposed', async () => {
    const off = setUp(0);
    off.activate(off.document());
    const gone = setUp();
    gone.activate(gone.document());
    gone.prefetcher.dispose();
    await vi.advanceTimersByTimeAsync(1000);
    expect([...off.asked, ...gone.asked]).toEqual([]);
  });
});
