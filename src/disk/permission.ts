/** Whether files can be made somewhere, asked without making one. */
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode, isAbsence } from './storageError';

/** What a system says of a place that this user, or anybody, can only read. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * The folder that keeps files out of `folder`: it itself, or where it is still to be made the nearest one above it.
 * Null where none is known to; Windows tells of its permissions only when a file is made.
 */
export async function readOnlyFolder(folder: string): Promise<string | null> {
  for (let at = folder; ; at = dirname(at)) {
    const refusal = await access(at, constants.W_OK).then(
      () => null,
      (error: unknown) => error,
    );
    if (REFUSALS.has(errorCode(refusal))) return at;
    if (refusal === null || !isAbsence(refusal) || at === dirname(at)) return null;
  }
}
