/** A folder through the engine: skip what is done, commit each result, report progress, survive anything. */
import { resolve } from 'node:path';
import { UserError } from '../../core/userError';
import { makeFolder } from '../../disk/atomicFile';
import type { BatchSummary } from '../../protocol/runnerApi';
import { resolveMaskFolder } from '../files/maskFolder';
import { BATCH_WRITER_PREFIX, JournalWriter } from '../journal/journal';
import type { BatchJob, BatchOptions } from './batchJob';
import { BatchRun } from './batchRun';
import { type Shard, ShardLock } from './lock';

export type { BatchEngine, BatchJob, BatchOptions, ClassReport, ImageReport } from './batchJob';

const WHOLE: Shard = { index: 1, count: 1 };

/**
 * Segments the images of a root with one reference and writes their masks and journal lines. Stopped at any point and
 * started again it goes on where it was.
 *
 * An image that fails is counted and named in the summary, and the others go on. Cancelling is no error either.
 *
 * @throws UserError if the batch cannot start (no images, reference changed, shard already running), the disk is full
 *   or read-only, or no engine starts any more
 */
export async function runBatch(job: BatchJob, options: BatchOptions = {}): Promise<BatchSummary> {
  const root = resolve(job.root);
  const maskFolder = resolveMaskFolder(root, job.project.maskFolder);
  const shard = job.shard ?? WHOLE;
  if (
    !(Number.isInteger(shard.count) && Number.isInteger(shard.index) && 1 <= shard.index && shard.index <= shard.count)
  ) {
    throw new RangeError(`a shard is i/n with 1 <= i <= n, got ${shard.index}/${shard.count}`);
  }
  await makeFolder(maskFolder);
  const stop = new AbortController();
  const lock = await ShardLock.acquire(root, shard, {
    onLost: () => stop.abort(new UserError(`${root}: another process took over because this one was suspended.`)),
  });
  try {
    const journal = await JournalWriter.open(root, `${BATCH_WRITER_PREFIX}${shard.index}-of-${shard.count}`);
    try {
      return await new BatchRun({ ...job, root, shard }, options, maskFolder, journal, stop).run();
    } finally {
      await journal.close();
    }
  } finally {
    await lock.release();
  }
}
