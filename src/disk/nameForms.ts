/**
 * Names with accents that look the same may differ in their code points: macOS and its archives write "e" and an accent
 * (Unicode NFD), most others one letter (NFC). To a person, and to some file systems, they are the same name. So are
 * names with other capitals to Windows and macOS.
 */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { entriesIn } from './listing';
import { errorCode, isAbsence } from './storageError';

/** One form for all spellings of a name or path, to compare by; the disk keeps its own. */
export const nameForm = (name: string): string => name.normalize('NFC');

/** Whether a name or path can be spelled in one way only. */
export const isPlain = (name: string): boolean => !NOT_ASCII.test(name);

const NOT_ASCII = /[^\x20-\x7e]/;

/** Names and paths with the same key are the same to a disk that ignores case and spelling. */
export const pathKey = (name: string): string => nameForm(name).toLowerCase();

/**
 * The path by which the disk knows what `path` names in any spelling; `path` itself where there is nothing. Links stay
 * what they are.
 */
export async function spelledPath(path: string): Promise<string> {
  // What cannot be looked at is as it is written, for its reader to explain.
  const real = await realPath(path).catch((error: unknown) => (isAbsence(error) ? null : path));
  const parent = dirname(path);
  if (real === path || parent === path) return path;
  const folder = await spelledPath(parent);
  // What is there under a name that is not listed is there because the disk itself does not tell such names apart.
  const form = real === null ? nameForm : pathKey;
  const name = basename(path);
  const names = (await entriesIn(folder).catch(() => [])).map((entry) => entry.name);
  const spelled = names.includes(name) ? name : names.find((one) => form(one) === form(name));
  return join(folder, spelled ?? name);
}

/**
 * The path without links. Where the system cannot tell it, as of paths of more than 260 characters on some versions of
 * Windows, the path as it is written. Otherwise rejects as looking does (ENOENT and so on).
 */
export async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) !== 'UNKNOWN') throw error;
    return path;
  }
}
