/** One process per shard of a folder, across machines that share the disk. */
import { join } from 'node:path';
import * as z from 'zod';
import { Outcome } from '../../core/userError';
import { refuseLinks } from '../../disk/guardedFile';
import { entriesIn } from '../../disk/listing';
import {
  describeHolder,
  LockFile,
  type LockHolder,
  type LockOptions,
  readHolder,
  readLiveHolder,
  STALE_MS,
} from '../../disk/lockFile';
import { PROJECT_FOLDER } from '../files/folder';

/** Part `index` (from 1) of `count` of a folder. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

type ShardLockOptions = LockOptions;

const shardSchema = z.object({ index: z.int(), count: z.int() });

export const lockFolder = (root: string): string => join(root, PROJECT_FOLDER, 'locks');

export class ShardLock {
  private constructor(private readonly lock: LockFile) {}

  /**
   * Takes the lock of a shard, also from a dead holder (see `LockFile`).
   *
   * @throws Outcome if the shard is being processed, or if another split of the same folder is, since the two would
   * overlap
   * @throws UserError for locks that are links or no files
   */
  static async acquire(root: string, shard: Shard, options: ShardLockOptions = {}): Promise<ShardLock> {
    const folder = lockFolder(root);
    const path = join(folder, `shard-${shard.index}-of-${shard.count}.lock`);
    const staleMs = options.staleMs ?? STALE_MS;
    await refuseLinks(folder, root);
    // Before taking our own, which the next shard of the other split would find and be refused for.
    await refuseOtherSplit(root, folder, shard, staleMs);
    const lock = await LockFile.take(path, shard, options);
    if (lock === undefined) throw busy(root, shard, await readHolder(path));
    try {
      // And after it, so that of two different splits that start together none goes unseen.
      await refuseOtherSplit(root, folder, shard, staleMs);
    } catch (error) {
      await lock.release();
      throw error;
    }
    return new ShardLock(lock);
  }

  /** Gives the lock back; does nothing to a lock that another process has taken over. */
  release(): Promise<void> {
    return this.lock.release();
  }
}

async function refuseOtherSplit(root: string, folder: string, shard: Shard, staleMs: number): Promise<void> {
  for (const { name } of await entriesIn(folder)) {
    if (!name.endsWith('.lock')) continue;
    const path = join(folder, name);
    const other = shardSchema.safeParse(await readHolder(path)).data;
    if (other === undefined || other.count === shard.count) continue;
    const holder = await readLiveHolder(path, staleMs);
    if (holder === null) continue;
    const split = other.count === 1 ? 'without shards' : `in ${other.count} shards`;
    throw new Outcome(
      `${root} is being processed ${split} by ${describeHolder(holder)}: wait for it, or split it the same way.`,
    );
  }
}

function busy(root: string, { index, count }: Shard, holder: LockHolder | null): Outcome {
  const what = count === 1 ? root : `Shard ${index}/${count} of ${root}`;
  return new Outcome(`${what} is already being processed by ${holder ? describeHolder(holder) : 'another process'}.`);
}
