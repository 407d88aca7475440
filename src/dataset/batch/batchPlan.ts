/** Which images a batch has to segment. */
import { stat } from 'node:fs/promises';
import { EMPTY_HASH } from '../../disk/atomicFile';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256, sha256File } from '../../disk/hashing';
import type { Patience } from '../../disk/patience';
import { checkMaskFile } from '../../formats/maskFile';
import { isKept } from '../commits/runCommit';
import { isDoubtful } from '../journal/doubtful';
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
  /** Digest of the reviewed masks that teach; undefined where none does. */
  readonly set?: string | undefined;
  /** Makes doubtful masks again, see `isDoubtful`. */
  readonly againBelow?: number | undefined;
  /** Ends the waiting for a file that another program holds. */
  readonly signal?: AbortSignal;
}

/** Whether an image is in a shard: by its own path alone, so that other images coming or going do not move it. */
export function inShard(image: string, { index, count }: Shard): boolean {
  return Number.parseInt(sha256(image).slice(0, 8), 16) % count === index - 1;
}

/** The mask of an image as it is on the disk. */
interface MaskOnDisk {
  /** Absolute. */
  readonly path: string;
  /** Null where there is no file. */
  readonly bytes: Uint8Array | null;
  /** SHA-256 of the bytes. */
  readonly hash: string | null;
}

/** Reads a mask, once for all classes. Throws UserError if it cannot be read. */
export async function readMask(path: string, signal: AbortSignal): Promise<MaskOnDisk> {
  const bytes = await readNamed(path, FILE_KINDS.mask, { signal });
  return { path, bytes, hash: bytes && sha256(bytes) };
}

/**
 * What an image needs; `image` is its name in the journal, the path is absolute. Throws UserError if its mask is kept
 * since nobody knows whose it is, and has been cut or altered since it was written: it is not written over.
 */
export async function needOf(
  { view, classId, run, overwrite, set, againBelow, signal }: PlanContext,
  image: string,
  imagePath: string,
  { path, bytes, hash }: MaskOnDisk,
): Promise<Need> {
  const present = hash !== null && hash !== EMPTY_HASH;
  if (isKept(view, image, classId, hash)) {
    if (present && !view.knowsMask(image, hash)) checkMaskFile(bytes!, path);
    return 'kept';
  }
  if (present && overwrite === 'skip') return 'skipped';
  const entry = view.entry(image, classId);
  if (entry === undefined || entry.run !== run) return 'segment';
  if (againBelow !== undefined && isDoubtful(entry, againBelow, set)) return 'segment';
  const settled = entry.status === 'absent' || (entry.status === 'auto' && present);
  return settled && (await isSameFile(imagePath, entry.file, { signal })) ? 'skipped' : 'segment';
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
