/** What a person hears of unsaved work where VS Code and the files are not of one mind. */
import { stat } from 'node:fs/promises';
import { describeSize } from '../../core/geometry';
import type { Found } from './unsavedFolder';

/** A backup that VS Code names. */
export interface NamedBackup {
  /** Absolute path. */
  readonly path: string;
  /** Milliseconds since 1970; undefined where its name does not tell. */
  readonly madeAt: number | undefined;
}

interface Restoring {
  /** Name of the image. */
  readonly name: string;
  /** Absolute path of its mask. */
  readonly mask: string;
  /** The document that was opened holds the work that was found. */
  readonly isRestored: boolean;
  readonly found: Found | undefined;
  readonly named: NamedBackup | undefined;
}

/** One or two sentences on what became of unsaved work, or undefined where that is what everybody expects. */
export async function whatBecame({ name, mask, isRestored, found, named }: Restoring): Promise<string | undefined> {
  if (isRestored) return named ? undefined : `Edits of ${name} that had not been saved when VS Code ended are back.`;
  if (found) {
    const { size } = found.work.labels;
    return `Unsaved edits of ${name} were not restored: they are of an image of ${describeSize(size)} pixels.`;
  }
  if (!named) return undefined;
  // They were saved if the mask is newer; then VS Code had just not noted it.
  const saved = await stat(mask).catch(() => undefined);
  if (saved && saved.mtimeMs > (named.madeAt ?? Number.POSITIVE_INFINITY)) return undefined;
  return `Unsaved edits of ${name} are lost: their backup is gone or cannot be read. The mask on the disk is shown.`;
}
