/** One process per shard of a folder, across machines that share the disk. */
import { readlinkSync, unlinkSync } from 'node:fs';
import { type FileHandle, link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { UserError } from '../core/userError';
import { createAtomic } from '../disk/atomicFile';
import { entriesIn } from '../disk/listing';
import { errorCode } from '../disk/storageError';
import { PROJECT_FOLDER } from './folder';

/** Part `index` (from 1) of `count` of a folder. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface ShardLockOptions {
  /** Called once if another process took the lock over, as it may after this one was suspended for long. */
  readonly onLost?: () => void;
  readonly heartbeatMs?: number;
  /** Age of the last heartbeat after which the holder counts as dead. */
  readonly staleMs?: number;
}

/** Several missed heartbeats, so that a slow network disk costs nobody the lock. */
const HEARTBEAT_MS = 5_000;
const STALE_MS = 30_000;

const contentSchema = z.object({
  pid: z.int(),
  host: z.string(),
  /** Containers may share a host's name, and each counts its own process ids. */
  pidNamespace: z.string(),
  started: z.string(),
  index: z.int(),
  count: z.int(),
});

type Holder = z.infer<typeof contentSchema>;

export const lockFolder = (root: string): string => join(root, PROJECT_FOLDER, 'locks');

export class ShardLock {
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
   * Takes the lock of a shard, also from a dead holder: one on this host whose process is gone, or one without a
   * heartbeat for `staleMs`.
   *
   * @throws UserError if the shard is being processed, or if another split of the same folder is, since the two would
   * overlap
   */
  static async acquire(root: string, shard: Shard, options: ShardLockOptions = {}): Promise<ShardLock> {
    const { onLost = () => undefined, heartbeatMs = HEARTBEAT_MS, staleMs = STALE_MS } = options;
    const folder = lockFolder(root);
    const path = join(folder, `shard-${shard.index}-of-${shard.count}.lock`);
    const holder: Holder = { pid: process.pid, ...here(), started: new Date().toISOString(), ...shard };
    const content = JSON.stringify(holder);
    if (!(await createAtomic(path, content))) {
      const found = await readLock(path);
      if (await isAlive(found, path, staleMs)) throw busy(root, shard, holderOf(found));
      await moveAway(path, found);
      if (!(await createAtomic(path, content))) throw busy(root, shard, holderOf(await readLock(path)));
    }
    const lock = new ShardLock(path, await open(path, 'r+'), content, onLost);
    try {
      // Looked for after taking our own, so that of two different splits that start together none goes unseen.
      await refuseOtherSplit(root, folder, shard, staleMs);
    } catch (error) {
      await lock.release();
      throw error;
    }
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
    if (ours) await unlink(this.path).catch(ignoreAbsence);
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
    const there = await stat(this.path, { bigint: true }).catch(ignoreAbsence);
    return there !== undefined && there.ino === held.ino && there.dev === held.dev;
  }
}

/** Host and process id namespace: where a process id means something. */
function here(): Pick<Holder, 'host' | 'pidNamespace'> {
  let pidNamespace = '';
  try {
    pidNamespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has them.
  }
  return { host: hostname(), pidNamespace };
}

/** Text of a lock file, empty if it is gone. */
async function readLock(path: string): Promise<string> {
  return (await readFile(path, 'utf8').catch(ignoreAbsence)) ?? '';
}

/** Null for a text that no version of ours wrote whole: nobody to wait for. */
function holderOf(text: string): Holder | null {
  try {
    return contentSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

async function isAlive(text: string, path: string, staleMs: number): Promise<boolean> {
  const holder = holderOf(text);
  if (holder === null) return false;
  const { host, pidNamespace } = here();
  if (holder.host === host && holder.pidNamespace === pidNamespace && !isRunning(holder.pid)) return false;
  const info = await stat(path).catch(ignoreAbsence);
  return info !== undefined && (await diskTime(path)) - info.mtimeMs <= staleMs;
}

/** Now by the clock of the disk that holds `path`, which dates heartbeats of all machines. */
async function diskTime(path: string): Promise<number> {
  const probe = `${path}.${process.pid}.time`;
  const file = await open(probe, 'w');
  try {
    return (await file.stat()).mtimeMs;
  } finally {
    await file.close();
    await unlink(probe).catch(ignoreAbsence);
  }
}

/**
 * Moves a stale lock away in one step, so that of several processes that found it stale only one does. What was moved
 * may be the lock of one that was faster still: it is put back.
 */
async function moveAway(path: string, stale: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    ignoreAbsence(error);
    return;
  }
  if ((await readLock(aside)) !== stale) {
    // If yet another took the free place meanwhile, the owner of this one learns it from its next heartbeat.
    await link(aside, path).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
  }
  await unlink(aside).catch(ignoreAbsence);
}

async function refuseOtherSplit(root: string, folder: string, shard: Shard, staleMs: number): Promise<void> {
  for (const { name } of await entriesIn(folder)) {
    if (!name.endsWith('.lock')) continue;
    const path = join(folder, name);
    const found = await readLock(path);
    const holder = holderOf(found);
    if (holder === null || holder.count === shard.count || !(await isAlive(found, path, staleMs))) continue;
    throw new UserError(
      `${root} is being processed in ${holder.count} shards by ${describe(holder)}: wait for it, or split it the same way.`,
    );
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

function busy(root: string, { index, count }: Shard, holder: Holder | null): UserError {
  const what = count === 1 ? root : `Shard ${index}/${count} of ${root}`;
  return new UserError(`${what} is already being processed by ${holder ? describe(holder) : 'another process'}.`);
}

const describe = ({ pid, host, started }: Holder): string => `process ${pid} on ${host} since ${started}`;

function ignoreAbsence(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
