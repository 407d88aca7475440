/** Room left on a disk. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAbsence } from './storageError';

/**
 * Bytes that this user may still write at `path`, which need not exist yet; Infinity where the system does not tell.
 */
export async function freeBytes(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      // Some network shares answer no such question; the write itself will tell.
      if (!isAbsence(error) || at === dirname(at)) return Number.POSITIVE_INFINITY;
    }
  }
}
