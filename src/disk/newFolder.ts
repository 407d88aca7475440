/** A folder that appears under its name when it is complete, or not at all. */
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../core/userError';
import { flushFolder, makeFolder } from './atomicFile';
import { temporaryIn, whenFreeToChange } from './patience';
import { explainReadError, explainWriteError, isAbsence } from './storageError';

/**
 * Makes a folder with what `fill` writes. A crash leaves a hidden folder beside it, never half a one under its name.
 *
 * @param path absolute; an empty folder may be there
 * @throws UserError where something is at `path`, and if the disk refuses; else as `fill` does
 */
export async function makeNewFolder<T>(path: string, fill: (folder: NewFolder) => Promise<T>): Promise<T> {
  await requireUnused(path);
  await makeFolder(dirname(path));
  const temporary = temporaryIn(dirname(path));
  const folder = new NewFolder(temporary);
  try {
    await mkdir(temporary);
    const made = await fill(folder);
    await folder.finish();
    // Nothing replaces what came meanwhile: only an empty folder gives way, and where it cannot, the rename fails.
    await rmdir(path).catch((error: unknown) => {
      if (!isAbsence(error)) throw error;
    });
    await whenFreeToChange(path, () => rename(temporary, path));
    await flushFolder(dirname(path));
    return made;
  } catch (error) {
    throw explainWriteError(error, path);
  } finally {
    await folder.close();
    await rm(temporary, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function requireUnused(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isDirectory() && (await readdir(path)).length === 0) return;
  } catch (error) {
    if (isAbsence(error)) return;
    throw explainReadError(error, path);
  }
  throw new UserError(`${path} is there already, and nothing is written over: name a new folder.`);
}

/** Files are written in one go each, from their beginning to their end. */
class NewFolder {
  private readonly files = new Map<string, FileHandle>();

  constructor(private readonly path: string) {}

  /** Adds text to the end of a file, which is made if missing; `file` is a posix path inside the folder. */
  async append(file: string, text: string): Promise<void> {
    let handle = this.files.get(file);
    if (handle === undefined) {
      const path = join(this.path, ...file.split('/'));
      await makeFolder(dirname(path), { within: this.path });
      handle = await open(path, 'wx');
      this.files.set(file, handle);
    }
    await handle.appendFile(text);
  }

  /** Puts what was written on the disk, and lets go of it: Windows renames no folder in which a file is open. */
  async finish(): Promise<void> {
    for (const handle of this.files.values()) await handle.sync();
    await this.close();
  }

  async close(): Promise<void> {
    for (const handle of this.files.values()) await handle.close();
    this.files.clear();
  }
}
