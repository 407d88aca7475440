/**
 * Calls of typed methods over any pair of post and listen: a child process, a webview, a fake in a test. Both ends may
 * offer methods on the same port, so progress is a call in the other direction and needs no message kind of its own.
 */
import { UserError } from './core/userError';

/** One end of a message channel. */
export interface Port {
  /** Sends a message to the other end; throws where the message cannot be cloned. */
  post(message: unknown): void;
  listen(receive: (message: unknown) => void): void;
}

export interface CallOptions {
  /** Aborting rejects the call at once with the signal's reason and aborts the signal that the handler holds. */
  readonly signal?: AbortSignal;
  /** Called once when the other end has answered, also when an aborted call no longer waits for it. */
  readonly onAnswer?: () => void;
  /** Called with the number under which the other end knows the call, see `Handlers`. */
  readonly onSent?: (call: number) => void;
}

type Method = (params: never) => unknown;

/** What a method gives in the end. */
export type Result<F> = F extends (...params: never[]) => infer R ? Awaited<R> : never;

/**
 * Methods of `Api` as their implementer writes them: at once or later, with a signal that tells of cancellation, and
 * the number of the call, by which both ends can speak of it.
 */
export type Handlers<Api> = {
  readonly [M in keyof Api]: Api[M] extends () => infer R
    ? (params: undefined, signal: AbortSignal, call: number) => Awaited<R> | Promise<Awaited<R>>
    : Api[M] extends (params: infer P) => infer R
      ? (params: P, signal: AbortSignal, call: number) => Awaited<R> | Promise<Awaited<R>>
      : never;
};

/** Methods of `Api` as their caller sees them. */
export type Remote<Api> = {
  readonly [M in keyof Api]: (params: Params<Api[M]>, options?: CallOptions) => Promise<Result<Api[M]>>;
};

/** What a call takes after the method's name. */
// biome-ignore lint/suspicious/noConfusingVoidType: only such an argument can be left out before options
export type Params<F> = F extends () => unknown ? void : F extends (params: infer P) => unknown ? P : never;

interface WireError {
  readonly name: string;
  readonly message: string;
  /** True where the message is fit to show to a person. */
  readonly user: boolean;
  readonly stack?: string | undefined;
  readonly cause?: string;
}

type Message =
  | { readonly rpc: 'call'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly rpc: 'cancel'; readonly id: number }
  | { readonly rpc: 'ok'; readonly id: number; readonly value: unknown }
  | { readonly rpc: 'err'; readonly id: number; readonly error: WireError };

interface Pending {
  settle(outcome: { ok: unknown } | { err: unknown }): void;
  onAnswer(): void;
}

export interface Peer<RemoteApi> {
  /**
   * Calls a method of the other end. Rejects with what the handler threw (name, message, cause's message, remote stack;
   * a UserError stays one), with the signal's reason, or with the reason given to `close`.
   */
  call<M extends keyof RemoteApi & string>(
    method: M,
    params: Params<RemoteApi[M]>,
    options?: CallOptions,
  ): Promise<Result<RemoteApi[M]>>;
  /** Ends the conversation: every waiting and later call rejects with `reason`, every running handler is aborted. */
  close(reason: Error): void;
}

/**
 * Answers calls from `port` with `handlers` and returns the way to call the other end. One piece, because both
 * directions end together: whatever closes the conversation has the calls of either in hand.
 */
export function connect<RemoteApi, LocalApi = object>(port: Port, handlers: Handlers<LocalApi>): Peer<RemoteApi> {
  const pending = new Map<number, Pending>();
  const running = new Map<number, AbortController>();
  let lastId = 0;
  let closed: Error | undefined;

  async function answer(id: number, name: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    running.set(id, controller);
    let reply: Message;
    try {
      reply = { rpc: 'ok', id, value: await handlerFor(handlers, name)(params, controller.signal, id) };
    } catch (error) {
      reply = { rpc: 'err', id, error: toWire(error) };
    }
    running.delete(id);
    if (closed) return;
    try {
      port.post(reply);
    } catch (error) {
      const unsendable = new TypeError(`the result of ${name}() cannot be sent`, { cause: error });
      port.post({ rpc: 'err', id, error: toWire(unsendable) } satisfies Message);
    }
  }

  port.listen((data) => {
    if (closed || !isMessage(data)) return;
    if (data.rpc === 'call') void answer(data.id, data.method, data.params);
    else if (data.rpc === 'cancel') running.get(data.id)?.abort();
    else {
      const call = pending.get(data.id);
      pending.delete(data.id);
      call?.onAnswer();
      call?.settle(data.rpc === 'ok' ? { ok: data.value } : { err: fromWire(data.error) });
    }
  });

  return {
    call(method, params, options = {}) {
      const { signal, onAnswer } = options;
      return new Promise((resolve, reject) => {
        if (closed) return reject(closed);
        if (signal?.aborted) return reject(signal.reason);
        const id = ++lastId;
        const cancel = () => {
          reject(signal?.reason);
          post({ rpc: 'cancel', id });
        };
        const settle: Pending['settle'] = (outcome) => {
          signal?.removeEventListener('abort', cancel);
          if ('ok' in outcome) resolve(outcome.ok as Result<Method> as never);
          else reject(outcome.err);
        };
        const post = (message: Message) => {
          try {
            port.post(message);
          } catch (error) {
            pending.delete(id);
            settle({ err: new TypeError(`the parameters of ${method}() cannot be sent`, { cause: error }) });
          }
        };
        pending.set(id, { settle, onAnswer: onAnswer ?? (() => undefined) });
        signal?.addEventListener('abort', cancel, { once: true });
        options.onSent?.(id);
        post({ rpc: 'call', id, method, params });
      });
    },
    close(reason) {
      if (closed) return;
      closed = reason;
      for (const call of pending.values()) call.settle({ err: reason });
      for (const controller of running.values()) controller.abort(reason);
      pending.clear();
      running.clear();
    },
  };
}

/**
 * A base class with the methods of `Api`, each of which its subclass carries out in `call`.
 *
 * @param methods names them, since the types are gone when the program runs; the compiler refuses one too few
 */
export function remoteBase<Api>(methods: Readonly<Record<keyof Api & string, unknown>>) {
  abstract class RemoteBase {
    constructor() {
      const forward = (method: keyof Api & string) => (params: never, options?: CallOptions) =>
        this.call(method, params, options);
      for (const method of Object.keys(methods))
        Object.assign(this, { [method]: forward(method as keyof Api & string) });
    }

    protected abstract call<M extends keyof Api & string>(
      method: M,
      params: Params<Api[M]>,
      options?: CallOptions,
    ): Promise<Result<Api[M]>>;
  }
  return RemoteBase as abstract new () => RemoteBase & Remote<Api>;
}

type Handler = (params: unknown, signal: AbortSignal, call: number) => unknown;

function handlerFor(handlers: object, name: string): Handler {
  // Without the second test "constructor" or "toString" would answer.
  const handler = name in Object.prototype ? undefined : (handlers as Record<string, unknown>)[name];
  if (typeof handler !== 'function') throw new TypeError(`there is no method ${name}() at the other end`);
  return handler.bind(handlers) as Handler;
}

/** Other messages may travel on the same port; they are not ours to judge. */
function isMessage(data: unknown): data is Message {
  return typeof data === 'object' && data !== null && 'rpc' in data;
}

function toWire(thrown: unknown): WireError {
  const error = thrown instanceof Error ? thrown : new Error(`thrown value: ${describe(thrown)}`);
  const { name, message, stack, cause } = error;
  const reason = cause instanceof Error ? cause.message : describe(cause);
  return { name, message, user: error instanceof UserError, stack, ...(cause === undefined ? {} : { cause: reason }) };
}

function describe(value: unknown): string {
  try {
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  } catch {
    // A cycle: an error must still reach the caller, with or without its details.
    return 'an object';
  }
}

function fromWire(wire: WireError): Error {
  const cause = wire.cause === undefined ? {} : { cause: new Error(wire.cause) };
  const error = wire.user ? new UserError(wire.message, cause) : new Error(wire.message, cause);
  error.name = wire.name;
  // Where it was thrown says more than where its message arrived.
  if (wire.stack) error.stack = wire.stack;
  return error;
}
