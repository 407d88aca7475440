/**
 * Files that are there whole or not at all, after a crash too: a temporary file in the same folder is written, flushed
 * and then renamed or linked into place. Failures that a person can act on are UserErrors (storageError.ts).
 */
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, link, mkdir, open, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256, sha256File } from './hashing';
import { entriesIn } from './listing';
import { errorCode, explainReadError, explainWriteError, isAbsence } from './storageError';

/** The dot keeps temporary files out of every scan, ours and other tools'. */
const TEMPORARY_PREFIX = '.apmedsam-tmp-';

/** Writing one file takes seconds; a temporary file this old was left by a crash. */
const TEMPORARY_STALE_MS = 3_600_000;

/** File systems without hard links (FAT, some network shares) answer link() with one of these. */
const LINK_UNSUPPORTED: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK']);

/** Hash of the empty file. One may stand where a mask was about to be created when the process died. */
export const EMPTY_HASH = sha256('');

/** Hash of a file, null if there is none. Throws UserError if it cannot be read. */
export async function hashIfPresent(path: string): Promise<string | null> {
  try {
    return await sha256File(path);
  } catch (error) {
    if (isAbsence(error)) return null;
    throw explainReadError(error, path);
  }
}

/** Bytes of a file, null if there is none. Throws UserError if it cannot be read. */
export async function readIfPresent(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isAbsence(error)) return null;
    throw explainReadError(error, path);
  }
}

/** Puts `content` at `path`, replacing what is there. Missing folders are made. */
export async function writeAtomic(path: string, content: Uint8Array | string): Promise<void> {
  await viaTemporary(path, writing(content), (temporary) => rename(temporary, path));
}

/** Puts a copy of the file `source` at `path`, replacing what is there, without holding it in memory. */
export async function copyAtomic(source: string, path: string): Promise<void> {
  const copy = async (temporary: string) => {
    await copyFile(source, temporary);
    // The copy inherits the original's mode, and a read-only file could not be flushed.
    await chmod(temporary, 0o644);
  };
  await viaTemporary(path, copy, (temporary) => rename(temporary, path));
}

/** Moves a file that was written beside `path` to it, flushed, replacing what is there. */
export async function moveAtomic(written: string, path: string): Promise<void> {
  try {
    await flush(written);
    await rename(written, path);
    await flushFolder(dirname(path));
  } catch (error) {
    throw explainWriteError(error, path);
  }
}

/** Puts `content` at `path` unless something is there, which wins even if it comes at the last moment; says whether. */
export async function createAtomic(path: string, content: Uint8Array | string): Promise<boolean> {
  let created = false;
  await viaTemporary(path, writing(content), async (temporary) => {
    created = await linkNew(temporary, path);
  });
  return created;
}

/**
 * Replaces the file at `path` if its SHA-256 is still `expectedHash`; says whether. No file system offers this as one
 * step: a change between the comparison and the rename that follows it at once would be lost.
 */
export async function replaceAtomic(
  path: string,
  content: Uint8Array | string,
  expectedHash: string,
): Promise<boolean> {
  let replaced = false;
  await viaTemporary(path, writing(content), async (temporary) => {
    if ((await hashIfPresent(path)) !== expectedHash) return;
    await rename(temporary, path);
    replaced = true;
  });
  return replaced;
}

/** Removes temporary files that crashes left in `folder`; a folder that does not exist has none. */
export async function removeStaleTemporaries(folder: string): Promise<void> {
  for (const { name } of await entriesIn(folder)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const path = join(folder, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > TEMPORARY_STALE_MS) await unlink(path);
    } catch (error) {
      // Another process may have cleaned up first.
      if (errorCode(error) !== 'ENOENT') throw explainWriteError(error, path);
    }
  }
}

/** Makes a folder and its parents. Throws UserError if that cannot be. */
export async function makeFolder(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true });
    if (first !== undefined) await flushFolder(dirname(first));
  } catch (error) {
    throw explainWriteError(errorCode(error) === 'ENOENT' ? await refusalOf(path, error) : error, path);
  }
}

/** Why a folder cannot be made: with `recursive`, Node says ENOENT on a read-only disk. */
async function refusalOf(path: string, error: unknown): Promise<unknown> {
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    const refusal = await mkdir(at).then(
      () => error,
      (reason: unknown) => reason,
    );
    if (errorCode(refusal) !== 'ENOENT') return errorCode(refusal) === 'EEXIST' ? error : refusal;
  }
  return error;
}

/** `fill` makes the temporary file, which is flushed for `place` to rename, and removed if it has not. */
async function viaTemporary(
  path: string,
  fill: (temporary: string) => Promise<void>,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder);
  const temporary = join(folder, `${TEMPORARY_PREFIX}${process.pid}-${randomBytes(6).toString('hex')}`);
  try {
    await fill(temporary);
    await flush(temporary);
    await place(temporary);
    await flushFolder(folder);
  } catch (error) {
    throw explainWriteError(error, path);
  } finally {
    // It is gone if it was renamed; one that cannot be removed now is removed by a later start.
    await unlink(temporary).catch(() => undefined);
  }
}

const writing = (content: Uint8Array | string) => (temporary: string) => writeFile(temporary, content, { flag: 'wx' });

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a flushed temporary file its real name if that is free. */
async function linkNew(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'EEXIST') return false;
    if (!LINK_UNSUPPORTED.has(code)) throw error;
  }
  return claimNew(temporary, path);
}

/** Without links: an empty file claims the name, and the rename replaces this claim. */
async function claimNew(temporary: string, path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  await rename(temporary, path);
  return true;
}

/** Makes a rename last through a power cut. */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // Windows and some network shares cannot flush a folder; the file itself is flushed in any case.
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'EBADF'].includes(errorCode(error) ?? '')) throw error;
  }
}
