/**
 * Names with accents that look the same may differ in their code points: macOS and its archives write "e" and an accent
 * (Unicode NFD), most others one letter (NFC). To a person, and to some file systems, they are the same name.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { entriesIn } from './listing';
import { isAbsence } from './storageError';

/** One form for all spellings of a name or path, to compare by; the disk keeps its own. */
export const nameForm = (name: string): string => name.normalize('NFC');

/** Whether a name or path can be spelled in one way only. */
export const isPlain = (name: string): boolean => !NOT_ASCII.test(name);

const NOT_ASCII = /[^\x20-\x7e]/;

/** Names and paths with the same key are the same to a disk that ignores case and spelling. */
export const pathKey = (name: string): string => nameForm(name).toLowerCase();

/** The path by which the disk knows what `path` names in any spelling; `path` itself where there is nothing. */
export async function spelledPath(path: string): Promise<string> {
  if (await exists(path)) return path;
  const parent = dirname(path);
  // Up to the first folder that exists as it is written, and down again by what is listed there.
  if (parent === path) return path;
  const folder = await spelledPath(parent);
  const wanted = nameForm(basename(path));
  const found = (await entriesIn(folder).catch(() => [])).find(({ name }) => nameForm(name) === wanted);
  return join(folder, found?.name ?? basename(path));
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    // What cannot be looked at is for its reader to explain.
    return !isAbsence(error);
  }
}
