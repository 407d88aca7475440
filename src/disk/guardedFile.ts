/**
 * The one way in which files are opened that a stranger may have put there: regular files only, never more bytes than
 * such a file can need, and below the folder that a person chose nothing through a link. A folder from elsewhere could
 * otherwise make us write to any file of the user's, or wait for ever on a pipe.
 *
 * `within` is that folder: it may be a link itself, or lie behind one; what is below it may not. The check is of what
 * the folder holds when a file is opened: against somebody who changes it in between only the system's permissions
 * help.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { UserError } from '../core/userError';
import { type Patience, whenFree } from './patience';
import { errorCode, explainReadError, isAbsence } from './storageError';

/** What is read whole, and how long it may be. */
export interface FileKind {
  /** As in "this may have at most 16 MB for ...". */
  readonly name: string;
  readonly mostBytes: number;
}

const KB = 1e3;
const MB = 1e6;

/** Each limit is far above what an honest file has; SECURITY.md lists them. */
export const FILE_KINDS = {
  /** A reference takes 400 bytes: room for 40,000. */
  project: { name: 'a project file', mostBytes: 16 * MB },
  /** Runs of hundreds of objects in a large image are a few MB. */
  instances: { name: 'a file of instances', mostBytes: 128 * MB },
  lock: { name: 'a lock', mostBytes: 64 * KB },
  /** A pixel's byte for 512 megapixels, not compressed at all; our own masks are a hundredth of that. */
  mask: { name: 'a mask', mostBytes: 512 * MB },
  /** Manifests, records, answers and pins, which we write ourselves. */
  record: { name: 'a record', mostBytes: 16 * MB },
} as const satisfies Readonly<Record<string, FileKind>>;

/** `append` and `create` make the file, `create` only where none is; `update` changes one that is there. */
export type Access = 'read' | 'append' | 'update' | 'create';

/** Windows has neither flag: its links are found by a look before. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants>;

const FLAGS: Readonly<Record<Access, number>> = {
  read: constants.O_RDONLY,
  append: constants.O_RDWR | constants.O_APPEND | constants.O_CREAT,
  update: constants.O_RDWR,
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
};

/**
 * Opens a regular file below `within`, not through a link.
 *
 * @param mode permissions of a file that is made, less the process's umask
 * @throws UserError for a link on the way and for anything but a regular file; otherwise rejects as opening does
 *   (ENOENT and so on)
 */
export async function openGuarded(
  path: string,
  within: string,
  access: Access = 'read',
  mode = 0o666,
): Promise<FileHandle> {
  await refuseLinks(path, within);
  return openRegular(path, FLAGS[access] | O_NOFOLLOW, { mode });
}

/**
 * Opens a regular file for reading, through links too: one that a person named, an image or a mask.
 *
 * @param patience how a file that another program holds is waited for
 * @param kind a longer file is refused
 * @throws UserError as `openGuarded`; otherwise rejects as opening does
 */
export const openNamed = (path: string, patience?: Patience, kind?: FileKind): Promise<FileHandle> =>
  openRegular(path, FLAGS.read, { patience, kind });

/**
 * Bytes of a file below `within`, null if there is none. Throws UserError if it cannot be read, see `openGuarded`, or
 * is too long.
 */
export async function readGuarded(path: string, within: string, kind: FileKind): Promise<Buffer | null> {
  return readAndClose(() => openGuarded(path, within), path, kind);
}

/** As `readGuarded`, through links too: for a file that a person named, an image or a mask. */
export async function readNamed(path: string, kind: FileKind, patience?: Patience): Promise<Buffer | null> {
  return readAndClose(() => openNamed(path, patience), path, kind);
}

/** The text of bytes in UTF-8. Some editors put a byte order mark before it, which is none of it. */
export function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/**
 * Throws UserError if `path`, or a folder between it and `within`, is a link. What does not exist is none.
 *
 * @throws RangeError for a path that is not below `within`
 */
export async function refuseLinks(path: string, within: string): Promise<void> {
  const inside = relative(within, path);
  if (inside === '') return;
  if (inside === '..' || inside.startsWith(`..${sep}`) || resolve(inside) === inside) {
    throw new RangeError(`${path} is not in ${within}`);
  }
  const names = inside.split(sep);
  const parts = names.map((_, i) => join(within, ...names.slice(0, i + 1)));
  const found = await Promise.all(parts.map((part) => lstat(part).catch(ignoreAbsence)));
  const link = found.findIndex((stats) => stats?.isSymbolicLink());
  if (link >= 0) throw isLink(parts[link]);
}

/** Throws UserError unless what was looked at (`lstat`) is a regular file. */
export function refuseIrregular(path: string, stats: Stats): void {
  if (stats.isSymbolicLink()) throw isLink(path);
  if (!stats.isFile()) throw new UserError(`${path} is ${natureOf(stats)}, not a file: move it away.`);
}

async function openRegular(
  path: string,
  flags: number,
  { mode, patience, kind }: { mode?: number; patience?: Patience | undefined; kind?: FileKind | undefined },
): Promise<FileHandle> {
  // Without O_NONBLOCK, opening a pipe waits for somebody at its other end. Regular files do not know it.
  const opened = whenFree(() => open(path, flags | O_NONBLOCK, mode), patience);
  const file = await opened.catch((error: unknown) => {
    throw explainRefusal(error, path, flags);
  });
  try {
    const stats = await file.stat();
    refuseIrregular(path, stats);
    if (kind && stats.size > kind.mostBytes) throw tooLong(path, stats.size, kind);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What cannot even be opened because it is no regular file, as a UserError. */
function explainRefusal(error: unknown, path: string, flags: number): unknown {
  const code = errorCode(error);
  // A link that came after the look at the way. Where links are followed, it is one that leads to itself.
  if (code === 'ELOOP' && (flags & O_NOFOLLOW) !== 0) return isLink(path, error);
  if (code === 'ENXIO')
    return new UserError(`${path} is a socket or a device, not a file: move it away.`, { cause: error });
  return error;
}

const isLink = (path: string, cause?: unknown): UserError =>
  new UserError(`${path} is a link, and inside a project none is followed: put what it leads to in its place.`, {
    cause,
  });

function natureOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

async function readAndClose(openIt: () => Promise<FileHandle>, path: string, kind: FileKind): Promise<Buffer | null> {
  try {
    const file = await openIt();
    try {
      return await readBounded(file, path, kind);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsence(error)) return null;
    throw explainReadError(error, path);
  }
}

/** All of an open file. Its size is what it was a moment ago: reading ends at the limit however it grows. */
async function readBounded(file: FileHandle, path: string, kind: FileKind): Promise<Buffer> {
  const { size } = await file.stat();
  if (size > kind.mostBytes) throw tooLong(path, size, kind);
  // One byte more shows the end of a file that has not grown.
  let bytes = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
    length += bytesRead;
    if (length > kind.mostBytes) throw tooLong(path, length, kind);
    if (bytesRead === 0) return bytes.subarray(0, length);
    if (length === bytes.length) bytes = Buffer.concat([bytes], Math.min(2 * length, kind.mostBytes + 1));
  }
}

const tooLong = (path: string, bytes: number, { name, mostBytes }: FileKind): UserError =>
  new UserError(
    `${path} is too long for ${name}: it has ${describeBytes(bytes)}, of ${describeBytes(mostBytes)} at most.`,
  );

/** Rounded up, so that what is over a limit never looks like the limit. */
const describeBytes = (bytes: number): string =>
  bytes < MB ? `${Math.ceil(bytes / KB)} KB` : `${Math.ceil((10 * bytes) / MB) / 10} MB`;

function ignoreAbsence(error: unknown): undefined {
  if (!isAbsence(error)) throw error;
}
