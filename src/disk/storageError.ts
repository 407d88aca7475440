/** What to say when a disk refuses, and how to tell that it did. */
import { UserError } from '../core/userError';

const SENTENCES: Readonly<Record<string, (path: string) => string>> = {
  ENOSPC: (path) => `The disk is full: cannot write ${path}.`,
  EDQUOT: (path) => `The disk quota is used up: cannot write ${path}.`,
  EROFS: (path) => `The disk is read-only: cannot write ${path}.`,
  EACCES: (path) => `Permission denied: cannot write ${path}.`,
  EPERM: (path) => `Permission denied: cannot write ${path}.`,
  EBUSY: (path) => `Cannot write ${path}: another program holds it open.`,
  ENOTDIR: (path) => `Cannot write ${path}: a file stands where one of its folders should be.`,
  EEXIST: (path) => `Cannot write ${path}: a file stands where a folder should be.`,
  EISDIR: (path) => `Cannot write ${path}: a folder stands where the file should be.`,
  ENAMETOOLONG: (path) => `Cannot write ${path}: the name is too long.`,
};

const READ_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EBUSY: 'another program holds it open',
};

/** Failures that the next file would meet as well, so that going on is pointless. */
const DISK_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/** The code of a Node error, such as `ENOENT`; undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** A failure to write `path` as a UserError where there is something to tell; other errors come back as they are. */
export function explainWriteError(error: unknown, path: string): unknown {
  const sentence = SENTENCES[errorCode(error) ?? ''];
  return sentence === undefined ? error : new UserError(sentence(path), { cause: error });
}

/** A failure to read `path` as a UserError; errors that are not the file system's come back as they are. */
export function explainReadError(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (code === undefined) return error;
  return new UserError(`Cannot read ${path}: ${READ_REASONS[code] ?? code}.`, { cause: error });
}

/** Whether `error` came from writing and concerns the disk, not the one file. */
export function isDiskFailure(error: unknown): boolean {
  return error instanceof UserError && DISK_CODES.has(errorCode(error.cause) ?? '');
}

/**
 * Whether the system has denied something, as itself said so or as the cause of a UserError: of one file, or of a whole
 * folder.
 */
export function isDenial(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(errorCode(error instanceof UserError ? error.cause : error) ?? '');
}

/** Whether reading failed because there is no such file, not even a folder it could be in. */
export function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '');
}
