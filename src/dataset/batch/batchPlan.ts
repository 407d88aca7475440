/** Which images a batch has to segment. */
import { stat } from 'node:fs/promises';
import { EMPTY_HASH, hashIfPresent } from '../../disk/atomicFile';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256, sha256File } from '../../disk/hashing';
import type { Patience } from '../../disk/patience';
import { checkMaskFile } from '../../formats/maskFile';
import { isKept } from '../commits/runCommit';
import type { JournalEntry, JournalView } from '../journal/journalView';
import type { Shard } from './lock';

/** `replace-auto`: a run's masks of another run key are made anew. `skip`: any mask that is there is left. */
export type OverwritePolicy = 'replace-auto' | 'skip';

/** What an image needs, or why it needs nothing. */
export type Need = 'segment' | 'skipped' | 'kept';

export interface PlanContext {
  readonly view: JournalView;
  readonly classId: number;
  /** Run key. */
  readonly run: string;
  readonly overwrite: OverwritePolicy;
  /** Ends the waiting for a file that another program holds. */
  readonly signal?: AbortSignal;
}

/** Whether an image is in a shard: by its own path alone, so that other images coming or going do not move it. */
export function inShard(image: string, { index, count }: Shard): boolean {
  return Number.parseInt(sha256(image).slice(0, 8), 16) % count === index - 1;
}

/**
 * What an image needs. Both paths are absolute, `image` is its name in the journal. Throws UserError if a mask is there
 * that cannot be read, also for one that is kept since nobody knows whose it is: a mask that has rotted is not written
 * over.
 */
export async function needOf(context: PlanContext, image: string, imagePath: string, maskPath: string): Promise<Need> {
  const { view, classId, run, overwrite } = context;
  const patience = { signal: context.signal };
  const maskHash = await hashIfPresent(maskPath, patience);
  const present = maskHash !== null && maskHash !== EMPTY_HASH;
  if (isKept(view, image, classId, maskHash)) {
    if (present && !view.knowsMask(image, maskHash)) await checkMask(maskPath, patience);
    return 'kept';
  }
  if (present && overwrite === 'skip') return 'skipped';
  const entry = view.entry(image, classId);
  if (entry === undefined || entry.run !== run) return 'segment';
  const settled = entry.status === 'absent' || (entry.status === 'auto' && present);
  return settled && (await isSameFile(imagePath, entry.file, patience)) ? 'skipped' : 'segment';
}

/**
 * Throws UserError for a mask that has been cut or altered since it was written. It was read just now, to be hashed.
 */
async function checkMask(path: string, patience: Patience): Promise<void> {
  const bytes = await readNamed(path, FILE_KINDS.mask, patience);
  if (bytes !== null) checkMaskFile(bytes, path);
}

/** Whether a file is still the one that was read; its bytes are hashed only if size or time differ. */
async function isSameFile(path: string, known: JournalEntry['file'], patience: Patience): Promise<boolean> {
  if (known === null) return false;
  try {
    const { size, mtimeMs } = await stat(path);
    if (size === known.bytes && mtimeMs === known.mtimeMs) return true;
    return (await sha256File(path, patience)) === known.sha256;
  } catch {
    patience.signal?.throwIfAborted();
    // Removed or unreadable: the engine will say so.
    return false;
  }
}
