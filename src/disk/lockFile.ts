/** A lock as a file: held by one process at a time across machines that share the disk, kept alive by a heartbeat. */
import { randomBytes } from 'node:crypto';
import { readlinkSync, unlinkSync } from 'node:fs';
import { type FileHandle, lstat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createAtomic } from './atomicFile';
import { FILE_KINDS, openGuarded, readGuarded } from './guardedFile';
import { sha256 } from './hashing';
import { entriesIn } from './listing';
import { whenFreeToChange } from './patience';
import { errorCode } from './storageError';

export interface LockOptions {
  /** Called once if another process took the lock over, as it may after this one was suspended for long. */
  readonly onLost?: () => void;
  readonly heartbeatMs?: number;
  /** Age of the last heartbeat after which the holder counts as dead. */
  readonly staleMs?: number;
}

/** Who holds a lock, as its file says. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** Containers may share a host's name, and each counts its own process ids. */
  readonly pidNamespace: string;
  readonly started: string;
}

/** Several missed heartbeats, so that a slow network disk costs nobody the lock. */
const HEARTBEAT_MS = 5_000;
export const STALE_MS = 30_000;

export class LockFile {
  private timer: NodeJS.Timeout | undefined;
  private lost = false;
  private readonly onExit = () => {
    try {
      if (!this.lost) unlinkSync(this.path);
    } catch {
      // The process is going; a lock that stays behind is told by its dead process.
    }
  };

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private readonly content: string,
    private readonly onLost: () => void,
  ) {}

  /**
   * Takes the lock at `path`, also from a dead holder: one on this host whose process is gone, or one without a
   * heartbeat for `staleMs`. Undefined where somebody alive holds it.
   *
   * @param about what else the file should say of its holder
   * @throws UserError if the disk refuses, and for a link or anything else that is no file
   */
  static async take(path: string, about: object = {}, options: LockOptions = {}): Promise<LockFile | undefined> {
    const { onLost = () => undefined, heartbeatMs = HEARTBEAT_MS, staleMs = STALE_MS } = options;
    const holder: LockHolder = { pid: process.pid, ...here(), started: new Date().toISOString(), ...about };
    const content = JSON.stringify(holder);
    if (!(await createAtomic(path, content))) {
      const found = await readLock(path);
      if (await isAlive(found, path, staleMs)) return undefined;
      // One that was just given back is free to all.
      const isTaken = found === null ? createAtomic(path, content) : replaceDead(path, found, content, staleMs);
      if (!(await isTaken)) return undefined;
    }
    const lock = new LockFile(path, await openGuarded(path, dirname(path), 'update'), content, onLost);
    process.once('exit', lock.onExit);
    lock.timer = setInterval(() => void lock.beat(), heartbeatMs);
    lock.timer.unref();
    return lock;
  }

  /** Gives the lock back; does nothing to a lock that another process has taken over. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    process.removeListener('exit', this.onExit);
    const ours = !this.lost && (await this.isOurs());
    await this.file.close();
    if (!ours) return;
    // While the lock is held nobody can use a takeover, so what a dead one left can go.
    try {
      await removeDeadGuards(this.path);
    } finally {
      await remove(this.path);
    }
  }

  /** Rewrites the same bytes, so that the time of change comes from the disk's clock and not from this machine's. */
  private async beat(): Promise<void> {
    try {
      if (await this.isOurs()) {
        await this.file.write(this.content, 0);
        return;
      }
    } catch {
      // The disk did not answer; whether the lock is still ours shows at the next heartbeat.
      return;
    }
    if (this.lost) return;
    this.lost = true;
    clearInterval(this.timer);
    this.onLost();
  }

  /** Whether the path still leads to the file that we hold open. */
  private async isOurs(): Promise<boolean> {
    const held = await this.file.stat({ bigint: true });
    const there = await lstat(this.path, { bigint: true }).catch(ignoreAbsence);
    return there !== undefined && there.ino === held.ino && there.dev === held.dev;
  }
}

/** What the lock at `path` says of its holder; null where there is none, or its text was not written whole. */
export async function readHolder(path: string): Promise<LockHolder | null> {
  return holderOf(await readLock(path));
}

/** Like `readHolder`, and null too where the holder counts as dead. */
export async function readLiveHolder(path: string, staleMs = STALE_MS): Promise<LockHolder | null> {
  const text = await readLock(path);
  return (await isAlive(text, path, staleMs)) ? holderOf(text) : null;
}

export const describeHolder = ({ pid, host, started }: LockHolder): string =>
  `process ${pid} on ${host} since ${started}`;

/** Host and process id namespace: where a process id means something. */
function here(): Pick<LockHolder, 'host' | 'pidNamespace'> {
  let pidNamespace = '';
  try {
    pidNamespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has them.
  }
  return { host: hostname(), pidNamespace };
}

/** Text of a lock file, null if it is gone. Throws UserError for a link and for anything else that is no file. */
async function readLock(path: string): Promise<string | null> {
  return (await readGuarded(path, dirname(path), FILE_KINDS.lock))?.toString('utf8') ?? null;
}

/** Null for a text that no version of ours wrote whole: nobody to wait for. */
function holderOf(text: string | null): LockHolder | null {
  try {
    const found = JSON.parse(text ?? '') as Partial<LockHolder> | null;
    const texts = [found?.host, found?.pidNamespace, found?.started];
    return Number.isInteger(found?.pid) && texts.every((one) => typeof one === 'string') ? (found as LockHolder) : null;
  } catch {
    return null;
  }
}

async function isAlive(text: string | null, path: string, staleMs: number): Promise<boolean> {
  const holder = holderOf(text);
  if (holder === null) return false;
  const { host, pidNamespace } = here();
  if (holder.host === host && holder.pidNamespace === pidNamespace && !isRunning(holder.pid)) return false;
  const info = await lstat(path).catch(ignoreAbsence);
  return info !== undefined && (await diskTime(path)) - info.mtimeMs <= staleMs;
}

/** Now by the clock of the disk that holds `path`, which dates heartbeats of all machines. */
async function diskTime(path: string): Promise<number> {
  // Nobody can have put a link where nobody knows the name.
  const probe = `${path}.${randomBytes(6).toString('hex')}.time`;
  const file = await openGuarded(probe, dirname(path), 'create');
  try {
    return (await file.stat()).mtimeMs;
  } finally {
    await file.close();
    await remove(probe);
  }
}

/**
 * Puts `content` in the place of a lock whose holder is dead; says whether. Of all that found it dead only the one that
 * gets the guard of this very text looks again and removes it: whoever removed what it had read before might remove the
 * lock of one that was faster. A guard whose own holder died is not removed but taken over the same way, by a guard
 * that is named after both.
 *
 * @param dead text of the lock
 */
async function replaceDead(path: string, dead: string, content: string, staleMs: number): Promise<boolean> {
  const guards: string[] = [];
  for (let about = dead; ; ) {
    const guard = guardOf(path, about);
    guards.push(guard);
    if (await createAtomic(guard, content)) break;
    const holder = await readLock(guard);
    // One that is gone belonged to somebody who is done.
    if (holder === null || (await isAlive(holder, guard, STALE_MS))) return false;
    about = `${about}\n${holder}`;
  }
  try {
    if ((await readLock(path)) !== dead || (await isAlive(dead, path, staleMs))) return false;
    await remove(path);
    return await createAtomic(path, content);
  } finally {
    for (const guard of guards) await remove(guard);
  }
}

const GUARD_SUFFIX = '.takeover';

const guardOf = (path: string, about: string): string => `${path}.${sha256(about).slice(0, 16)}${GUARD_SUFFIX}`;

/** Removes the guards of a lock that is held, whose own holders died. */
async function removeDeadGuards(path: string): Promise<void> {
  for (const { name } of await entriesIn(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(GUARD_SUFFIX)) continue;
    const guard = join(dirname(path), name);
    if (!(await isAlive(await readLock(guard), guard, STALE_MS))) await remove(guard);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, as somebody else.
    return errorCode(error) === 'EPERM';
  }
}

/** Removes a file, if it is there. */
async function remove(path: string): Promise<void> {
  await whenFreeToChange(path, () => unlink(path)).catch(ignoreAbsence);
}

function ignoreAbsence(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
