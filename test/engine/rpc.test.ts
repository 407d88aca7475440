import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { isOutcome, Outcome, UserError } from '../../src/core/userError';
import {
  type CallOptions,
  connect,
  type Handlers,
  type Params,
  type Peer,
  type Port,
  type Result,
  remoteBase,
} from '../../src/rpc';

interface Sums {
  add(params: { a: number; b: number }): number;
  ping(): string;
  fail(params: { kind: string }): void;
  wait(): string;
  scale(params: { values: Float32Array; by: number }): Float32Array;
  unsendable(): unknown;
}

interface Listener {
  progress(params: { done: number }): void;
}

const open: MessagePort[] = [];
afterEach(() => {
  for (const port of open.splice(0)) port.close();
});

/** Two connected ends that clone every message, like processes do; `log` sees what crosses. */
function channel(log: unknown[] = []): [Port, Port] {
  const { port1, port2 } = new MessageChannel();
  open.push(port1, port2);
  const end = (port: MessagePort): Port => ({
    post: (message) => port.postMessage(message),
    listen: (receive) =>
      void port.on('message', (message) => {
        log.push(message);
        receive(message);
      }),
  });
  return [end(port1), end(port2)];
}

let seenAbort: AbortSignal | undefined;

const handlers: Handlers<Sums> = {
  add: ({ a, b }) => a + b,
  ping: async () => 'pong',
  fail({ kind }) {
    if (kind === 'user') throw new UserError('the mask is empty', { cause: new Error('0 pixels') });
    if (kind === 'outcome') throw new Outcome('nothing is left', [{ label: 'Go On', take: () => 1 }]);
    if (kind === 'string') throw 'just text';
    if (kind === 'cycle') {
      const cycle: Record<string, unknown> = {};
      cycle.self = cycle;
      throw cycle;
    }
    throw new RangeError('expected 3, got 4', { cause: 'bad header' });
  },
  wait: (_, signal) => {
    seenAbort = signal;
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve('late')));
  },
  scale: ({ values, by }) => values.map((value) => value * by),
  unsendable: () => () => 1,
};

function pair(log?: unknown[]) {
  const [near, far] = channel(log);
  const server = connect<Listener, Sums>(far, handlers);
  const client = connect<Sums>(near, {});
  return { client, server, near, far };
}

describe('rpc', () => {
  it('returns results of sync and async methods and keeps typed arrays', async () => {
    const { client } = pair();
    expect(await client.call('add', { a: 2, b: 3 })).toBe(5);
    expect(await client.call('ping', undefined)).toBe('pong');
    const scaled = await client.call('scale', { values: new Float32Array([1, 2.5]), by: 2 });
    expect(scaled).toEqual(new Float32Array([2, 5]));
  });

  it('matches answers to calls that are under way together', async () => {
    const { client } = pair();
    const sums = await Promise.all(Array.from({ length: 20 }, (_, i) => client.call('add', { a: i, b: i })));
    expect(sums).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i));
  });

  it('serves both directions over one port', async () => {
    const [near, far] = channel();
    const done: number[] = [];
    connect<Sums, Listener>(near, { progress: (params) => void done.push(params.done) });
    const server = connect<Listener, Sums>(far, handlers);
    await server.call('progress', { done: 7 });
    expect(done).toEqual([7]);
  });

  it('carries name, message, cause and remote stack of an error', async () => {
    const { client } = pair();
    const error = await client.call('fail', { kind: 'range' }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'RangeError', message: 'expected 3, got 4' });
    expect(error.cause.message).toBe('bad header');
    expect(error.stack).toMatch(/at .*fail/);
  });

  it('keeps a UserError a UserError', async () => {
    const { client } = pair();
    const error = await client.call('fail', { kind: 'user' }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('the mask is empty');
    expect(error.cause.message).toBe('0 pixels');
  });

  it('tells an outcome from a fault', async () => {
    const { client } = pair();
    const thrown = (kind: string) => client.call('fail', { kind }).catch((error: unknown) => error);
    expect(isOutcome(await thrown('outcome'))).toBe(true);
    expect(isOutcome(await thrown('user'))).toBe(false);
    expect(isOutcome(await thrown('range'))).toBe(false);
  });

  it('reports thrown values that are no errors', async () => {
    const { client } = pair();
    await expect(client.call('fail', { kind: 'string' })).rejects.toThrow('thrown value: just text');
    await expect(client.call('fail', { kind: 'cycle' })).rejects.toThrow('thrown value: an object');
  });

  it('rejects when the result or the parameters cannot be cloned', async () => {
    const { client } = pair();
    await expect(client.call('unsendable', undefined)).rejects.toThrow('the result of unsendable() cannot be sent');
    const params = { a: (() => 1) as unknown as number, b: 1 };
    await expect(client.call('add', params)).rejects.toThrow('the parameters of add() cannot be sent');
    expect(await client.call('ping', undefined)).toBe('pong');
  });

  it('rejects unknown methods, inherited names included', async () => {
    const [near, far] = channel();
    connect(far, {});
    const client = connect<{ nothing(): void; toString(): string }>(near, {});
    await expect(client.call('nothing', undefined)).rejects.toThrow('there is no method nothing()');
    await expect(client.call('toString', undefined)).rejects.toThrow('there is no method toString()');
  });

  it('ignores messages of others', async () => {
    const { client, far } = pair();
    far.post('ready');
    far.post(null);
    far.post({ type: 'theme' });
    expect(await client.call('ping', undefined)).toBe('pong');
  });

  it('cancels: the caller rejects at once, the handler is told, the late answer is ignored', async () => {
    const log: unknown[] = [];
    const { client } = pair(log);
    const abort = new AbortController();
    let answered = 0;
    const result = client.call('wait', undefined, { signal: abort.signal, onAnswer: () => answered++ });
    await client.call('ping', undefined);
    abort.abort(new Error('stopped by the user'));
    await expect(result).rejects.toThrow('stopped by the user');
    expect(answered).toBe(0);
    await client.call('ping', undefined);
    expect(seenAbort?.aborted).toBe(true);
    expect(answered).toBe(1);
    expect(log).toContainEqual(expect.objectContaining({ rpc: 'ok', value: 'late' }));
  });

  it('does not send a call that is aborted already', async () => {
    const log: unknown[] = [];
    const { client } = pair(log);
    await expect(client.call('wait', undefined, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
    await client.call('ping', undefined);
    expect(log.filter((message) => JSON.stringify(message).includes('wait'))).toEqual([]);
  });

  it('rejects waiting and later calls when closed, and aborts running handlers', async () => {
    const { client, server } = pair();
    const waiting = client.call('wait', undefined);
    await client.call('ping', undefined);
    client.close(new Error('the engine went away'));
    await expect(waiting).rejects.toThrow('the engine went away');
    await expect(client.call('ping', undefined)).rejects.toThrow('the engine went away');
    server.close(new Error('the editor went away'));
    expect(seenAbort?.aborted).toBe(true);
  });
});

describe('remoteBase', () => {
  class SumsClient extends remoteBase<Sums>({ add: 1, ping: 1, fail: 1, wait: 1, scale: 1, unsendable: 1 }) {
    readonly called: string[] = [];

    constructor(private readonly peer: Peer<Sums>) {
      super();
    }

    protected call<M extends keyof Sums>(method: M, params: Params<Sums[M]>, options?: CallOptions) {
      this.called.push(method);
      return this.peer.call(method, params, options) as Promise<Result<Sums[M]>>;
    }
  }

  it('gives a class the methods of an interface, each carried out by call', async () => {
    const sums = new SumsClient(pair().client);
    // As a caller may take them out.
    const { add, ping } = sums;
    expect(await add({ a: 2, b: 3 })).toBe(5);
    expect(await ping()).toBe('pong');
    expect(sums.called).toEqual(['add', 'ping']);
  });

  it('passes options on, also after parameters that are left out', async () => {
    const stop = new AbortController();
    const waiting = new SumsClient(pair().client).wait(undefined, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
