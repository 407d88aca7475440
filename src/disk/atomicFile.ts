/**
 * Files that are there whole or not at all, after a crash too: a temporary file in the same folder is written, flushed
 * and then renamed or linked into place. Failures that a person can act on are UserErrors (storageError.ts).
 */
import { constants } from 'node:fs';
import { chmod, copyFile, link, lstat, mkdir, open, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../core/userError';
import { FILE_KINDS, openNamed, refuseLinks } from './guardedFile';
import { sha256, sha256File } from './hashing';
import { entriesIn } from './listing';
import { type Patience, refusalOf, TEMPORARY_PREFIX, temporaryIn, whenFree, whenFreeToChange } from './patience';
import { errorCode, explainReadError, explainWriteError, isAbsence } from './storageError';

/** Writing one file takes seconds; a temporary file this old was left by a crash. */
const TEMPORARY_STALE_MS = 3_600_000;

/** Permissions of what only this user may look at. */
export const PRIVATE_FOLDER = 0o700;
export const PRIVATE_FILE = 0o600;

/**
 * File systems without hard links (FAT, some network shares) answer link() with one of these; FAT on Windows with
 * EISDIR.
 */
const LINK_UNSUPPORTED: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EINVAL',
  'EMLINK',
  'EISDIR',
]);

/** Where and for whom something is written. */
export interface WriteOptions {
  /** Folder below which no folder on the way may be a link, see guardedFile.ts; undefined: they may. */
  readonly within?: string;
  /** Whether only this user may look at what is made, folders on the way included. */
  readonly isPrivate?: boolean;
  /** How files that another program holds are waited for. */
  readonly patience?: Patience | undefined;
}

/** Hash of the empty file. One may stand where a mask was about to be created when the process died. */
export const EMPTY_HASH = sha256('');

/** Hash of a mask or of anything shorter, null if there is none. Throws UserError if it cannot be read. */
export async function hashIfPresent(path: string, patience?: Patience): Promise<string | null> {
  try {
    return await sha256File(path, patience, FILE_KINDS.mask);
  } catch (error) {
    if (isAbsence(error)) return null;
    throw explainReadError(error, path);
  }
}

/**
 * Puts `content` at `path`, replacing what is there: a link itself, not what it leads to. Missing folders are made.
 *
 * @throws UserError for a link on the way that is not to be followed, and if the disk refuses
 */
export async function writeAtomic(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  await viaTemporary(path, options, writing(content, options), (temporary) => replace(temporary, path, options));
}

/** Puts a copy of the file `source` at `path`, as `writeAtomic` does, without holding it in memory. */
export async function copyAtomic(source: string, path: string, options: WriteOptions = {}): Promise<void> {
  const copy = async (temporary: string) => {
    // Copying a pipe would wait for ever.
    await (await openNamed(source, options.patience)).close();
    await whenFree(() => copyFile(source, temporary, constants.COPYFILE_EXCL), options.patience);
    // The copy inherits the original's mode, and a read-only file could not be flushed.
    await chmod(temporary, options.isPrivate ? PRIVATE_FILE : 0o644);
  };
  await viaTemporary(path, options, copy, (temporary) => replace(temporary, path, options));
}

/** Moves a file that was written beside `path` to it, flushed, replacing what is there. */
export async function moveAtomic(written: string, path: string): Promise<void> {
  try {
    await flush(written, {});
    await replace(written, path, {});
    await flushFolder(dirname(path));
  } catch (error) {
    throw explainWriteError(error, path);
  }
}

/** Puts `content` at `path` unless something is there, which wins even if it comes at the last moment; says whether. */
export async function createAtomic(
  path: string,
  content: Uint8Array | string,
  options: WriteOptions = {},
): Promise<boolean> {
  let created = false;
  await viaTemporary(path, options, writing(content, options), async (temporary) => {
    created = await linkNew(temporary, path, options);
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
  options: WriteOptions = {},
): Promise<boolean> {
  const { patience } = options;
  let replaced = false;
  await viaTemporary(path, options, writing(content, options), async (temporary) => {
    const attempt = async () => {
      // Compared each time: whoever holds the file may be about to change it.
      if ((await hashIfPresent(path, patience)) !== expectedHash) return false;
      await rename(temporary, path);
      return true;
    };
    replaced = await whenFreeToChange(path, attempt, patience);
  });
  return replaced;
}

/** Removes a file, if there is one, see `WriteOptions`. Throws UserError if that cannot be. */
export async function removeIfPresent(path: string, { within, patience }: WriteOptions = {}): Promise<void> {
  if (within !== undefined) await refuseLinks(dirname(path), within);
  await whenFreeToChange(path, () => unlink(path), patience).catch((error: unknown) => {
    if (!isAbsence(error)) throw explainWriteError(error, path);
  });
}

/** Removes temporary files that crashes left in `folder`; a folder that does not exist has none. */
export async function removeStaleTemporaries(folder: string, { within }: WriteOptions = {}): Promise<void> {
  if (within !== undefined) await refuseLinks(folder, within);
  for (const entry of await entriesIn(folder)) {
    // Ours are files.
    if (!entry.name.startsWith(TEMPORARY_PREFIX) || !entry.isFile()) continue;
    const path = join(folder, entry.name);
    try {
      if (Date.now() - (await lstat(path)).mtimeMs > TEMPORARY_STALE_MS) await unlink(path);
    } catch {
      // Another process may have cleaned up first; one that cannot be removed now is removed by a later start.
    }
  }
}

/** Makes a folder and its parents, see `WriteOptions`. Throws UserError if that cannot be. */
export async function makeFolder(path: string, { within, isPrivate = false }: WriteOptions = {}): Promise<void> {
  try {
    if (within !== undefined) await refuseLinks(path, within);
    const first = await makeMissing(path, isPrivate ? PRIVATE_FOLDER : 0o777);
    if (first !== undefined) await flushFolder(dirname(first));
  } catch (error) {
    throw explainWriteError(error, path);
  }
}

/** Makes sure that files can be written in `folder`, which is made if missing. Throws UserError where they cannot. */
export async function requireWritable(folder: string): Promise<void> {
  await makeFolder(folder);
  const refusal = await refusalOf(folder);
  if (refusal !== null) throw explainWriteError(refusal, `anything in ${folder}`);
}

/**
 * Makes a folder and its parents where they are missing, and gives the topmost one made. Node's own recursion tries for
 * ever where the system says ENOENT of a folder whose parent is there, as in /proc or behind a link that leads nowhere.
 */
async function makeMissing(path: string, mode: number): Promise<string | undefined> {
  if (await isFolder(path)) return undefined;
  const parent = dirname(path);
  const first = parent === path ? undefined : await makeMissing(parent, mode);
  try {
    await mkdir(path, mode);
  } catch (error) {
    // Another process may have been faster.
    if (errorCode(error) === 'EEXIST' && (await isFolder(path))) return first;
    throw errorCode(error) === 'ENOENT' ? cannotHold(parent, error) : error;
  }
  return first ?? path;
}

const cannotHold = (parent: string, cause: unknown): UserError =>
  new UserError(`Nothing can be made in ${parent}: choose another folder.`, { cause });

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    (error: unknown) => {
      if (!isAbsence(error)) throw error;
      return false;
    },
  );

/** `fill` makes the temporary file, which is flushed for `place` to rename, and removed if it has not. */
async function viaTemporary(
  path: string,
  options: WriteOptions,
  fill: (temporary: string) => Promise<void>,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder, options);
  const temporary = temporaryIn(folder);
  try {
    await fill(temporary);
    await flush(temporary, options);
    await place(temporary);
    await flushFolder(folder);
  } catch (error) {
    throw explainWriteError(error, path);
  } finally {
    await removeSoon(temporary, options);
  }
}

const writing =
  (content: Uint8Array | string, { isPrivate = false }: WriteOptions) =>
  (temporary: string) =>
    writeFile(temporary, content, { flag: 'wx', mode: isPrivate ? PRIVATE_FILE : 0o666 });

const replace = (temporary: string, path: string, { patience }: WriteOptions): Promise<void> =>
  whenFreeToChange(path, () => rename(temporary, path), patience);

/**
 * Removes a temporary file that was not renamed. Nobody waits for one that is held, as a mask that is linked to it may
 * be.
 */
async function removeSoon(temporary: string, { patience }: WriteOptions): Promise<void> {
  const remove = () => unlink(temporary);
  await remove().catch((error: unknown) => {
    // One that cannot be removed in time is removed by a later start.
    if (!isAbsence(error)) void whenFreeToChange(temporary, remove, patience).catch(() => undefined);
  });
}

async function flush(path: string, { patience }: WriteOptions): Promise<void> {
  const file = await whenFree(() => open(path, 'r+'), patience);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a flushed temporary file its real name if that is free. */
async function linkNew(temporary: string, path: string, options: WriteOptions): Promise<boolean> {
  try {
    await whenFree(() => link(temporary, path), options.patience);
    return true;
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (code === 'EEXIST') return false;
    if (!LINK_UNSUPPORTED.has(code)) throw error;
  }
  return claimNew(temporary, path, options);
}

/** Without links: an empty file claims the name, and the rename replaces this claim. */
async function claimNew(temporary: string, path: string, options: WriteOptions): Promise<boolean> {
  try {
    await (await whenFreeToChange(path, () => open(path, 'wx'), options.patience)).close();
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  await replace(temporary, path, options);
  return true;
}

/** Makes a rename last through a power cut. */
export async function flushFolder(folder: string): Promise<void> {
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
