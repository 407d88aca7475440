/** What a folder holds. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { explainReadError, isAbsence } from './storageError';

/** Code-unit order of names: the same on every machine, unlike a locale's. */
export const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Entries of a folder by name, none if there is no such folder. Throws UserError if it cannot be read. */
export async function entriesIn(folder: string): Promise<Dirent[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).sort((a, b) => byCodeUnits(a.name, b.name));
  } catch (error) {
    if (isAbsence(error)) return [];
    throw explainReadError(error, folder);
  }
}
