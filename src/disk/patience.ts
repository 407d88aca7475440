/**
 * Waiting for a file that another program holds for a moment: a virus scanner, a cloud's sync, a search indexer, a
 * viewer. Windows, and network disks of Windows, refuse meanwhile to open, replace or remove it.
 */
import { randomBytes } from 'node:crypto';
import { lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { errorCode, isDenial } from './storageError';

/** The dot keeps temporary files out of every scan, ours and other tools'. */
export const TEMPORARY_PREFIX = '.apmedsam-tmp-';

/** A path in `folder` that nobody else uses. */
export const temporaryIn = (folder: string): string =>
  join(folder, `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(6).toString('hex')}`);

/** How a file that is held is waited for. */
export interface Patience {
  /** Ends the waiting: the operation rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, a minute unless given. */
  readonly ms?: number;
  readonly clock?: Clock;
  readonly platform?: NodeJS.Platform;
}

interface Clock {
  /** Milliseconds since any one moment. */
  now(): number;
  /** Rejects when the signal is aborted. */
  sleep(ms: number, signal: AbortSignal | undefined): Promise<unknown>;
}

/** As long as VS Code itself tries to write a file on Windows. */
export const PATIENCE_MS = 60_000;
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 500;

/** A scanner may look at the empty file by which a folder is tried. */
const PROBE_ATTEMPTS = 5;

const CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => pause(ms, undefined, signal && { signal }),
};

/**
 * Does what says EBUSY and nothing else while another program holds the file, such as opening it, for up to a minute
 * until it succeeds. Rejects as the operation does: the last time, or at once with any other error.
 */
export function whenFree<T>(operation: () => Promise<T>, patience: Patience = {}): Promise<T> {
  return retry(operation, isBusy, patience);
}

/**
 * Does what puts a file at `path`, or takes away the one that is there, for up to a minute until it succeeds. To this
 * Windows says the same where a file is held as where permission is missing, so that a denial is waited out too, unless
 * folder or file show that it will last. A file that stays held is EBUSY in the end, whatever the system called it.
 */
export function whenFreeToChange<T>(path: string, operation: () => Promise<T>, patience: Patience = {}): Promise<T> {
  const { platform = process.platform } = patience;
  let mayPass: Promise<boolean> | undefined;
  const isPassing = (error: unknown): boolean | Promise<boolean> => {
    if (isBusy(error)) return true;
    if (platform !== 'win32' || !isDenial(error)) return false;
    mayPass ??= mayBeHeld(path);
    return mayPass;
  };
  return retry(operation, isPassing, patience);
}

/** Why nothing can be made, renamed and removed in `folder`, as the system's error; null where it can. */
export async function refusalOf(folder: string): Promise<unknown> {
  const [made, renamed] = [temporaryIn(folder), temporaryIn(folder)];
  try {
    await (await open(made, 'wx')).close();
  } catch (error) {
    return error;
  }
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        await rename(made, renamed);
        return null;
      } catch (error) {
        if (attempt === PROBE_ATTEMPTS) return error;
        await pause(waitAfter(attempt));
      }
    }
  } finally {
    for (const path of [made, renamed]) await unlink(path).catch(() => undefined);
  }
}

async function retry<T>(
  operation: () => Promise<T>,
  isPassing: (error: unknown) => boolean | Promise<boolean>,
  { signal, clock = CLOCK, ms = PATIENCE_MS }: Patience,
): Promise<T> {
  const start = clock.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (!(await isPassing(error))) throw error;
      if (clock.now() - start >= ms) throw held(error);
    }
    // An abort while nothing is held changes nothing: what has begun is finished.
    signal?.throwIfAborted();
    await clock.sleep(waitAfter(attempt), signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
  }
}

/** Half as long again each time. */
const waitAfter = (attempt: number): number => Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 1.5 ** (attempt - 1));

const isBusy = (error: unknown): boolean => errorCode(error) === 'EBUSY';

function held(error: unknown): unknown {
  if (isBusy(error)) return error;
  return Object.assign(new Error('the file is held by another program', { cause: error }), { code: 'EBUSY' });
}

/**
 * Whether a denial on Windows may be a file that is held: a folder or read-only file at `path` is none, nor a folder
 * that takes nothing.
 */
async function mayBeHeld(path: string): Promise<boolean> {
  // A file that is going, because somebody who holds it has removed it, cannot be looked at.
  const there = await lstat(path).catch(() => null);
  if (there !== null && (!there.isFile() || (there.mode & 0o200) === 0)) return false;
  return !isDenial(await refusalOf(dirname(path)));
}
