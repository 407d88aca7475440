/**
 * A folder of entries that can be made again and that only their user may look at, shared by several processes and kept
 * within a number of bytes: what was used longest ago goes first. An entry is a file or a folder; it appears by a
 * rename, whole or not at all. Nothing is fsynced: what a power cut loses is made again.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, PRIVATE_FILE, PRIVATE_FOLDER } from './atomicFile';
import { closeToOthers } from './home';
import { errorCode } from './storageError';

export interface FolderInfo {
  readonly dir: string;
  readonly entries: number;
  readonly bytes: number;
  readonly capBytes: number;
}

interface Entry {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/** Everything that an entry depends on: image hash, model hash, parameters. */
export type EntryKey = readonly (string | number)[];

/** No entry takes this long to make; older temporary ones are left from a process that was killed. */
const STALE_TEMPORARY_MS = 10 * 60_000;
/** Eviction goes somewhat below the cap, so that it is not due again at the next entry. */
const EVICT_TO = 0.9;
/** Other processes add entries too, so our own running total is checked against the folder after this many. */
const ADDITIONS_PER_SCAN = 64;

export class BoundedFolder {
  private readonly isEntry: RegExp;
  private readonly isTemporary: RegExp;
  private bytes = 0;
  private additionsUntilScan = 0;

  /** @param kinds suffixes of entries; whatever else lies in the folder is left alone. */
  constructor(
    readonly dir: string,
    readonly capBytes: number,
    kinds: readonly string[],
  ) {
    const name = `[0-9a-f]{64}\\.(?:${kinds.join('|')})`;
    this.isEntry = new RegExp(`^${name}$`);
    this.isTemporary = new RegExp(`^${name}\\.[0-9a-f]+\\.tmp$`);
  }

  /** Where the entry of `key` is, or would be. */
  pathOf(key: EntryKey, kind: string): string {
    return join(this.dir, `${createHash('sha256').update(JSON.stringify(key)).digest('hex')}.${kind}`);
  }

  /**
   * Makes an entry: `fill` makes it, as a file or a folder, at the path that it is given, and says how many bytes it
   * took. Rejects as `fill` does, or as the file system does, and then leaves nothing behind.
   */
  async add(path: string, fill: (temporary: string) => Promise<number>): Promise<void> {
    const temporary = temporaryFor(path);
    try {
      await makeFolder(this.dir, { isPrivate: true });
      const bytes = await fill(temporary);
      await rename(temporary, path).catch(async (error: unknown) => {
        // What another process has put there meanwhile need not be replaced, nor can a folder be, or on Windows a file
        // in use.
        if (!(await exists(path))) throw error;
        await rm(temporary, { force: true, recursive: true });
      });
      this.bytes += bytes;
    } catch (error) {
      await ifPossible(rm(temporary, { force: true, recursive: true }));
      throw error;
    }
  }

  /** Notes that an entry is in use. Only the order of eviction depends on it, so a read-only folder is no failure. */
  async touch(path: string): Promise<void> {
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
  }

  /** Removes an entry, where that is possible. */
  async remove(path: string): Promise<void> {
    await ifPossible(removeEntry(path));
  }

  /**
   * To be called after additions: counts the folder where that is due, and removes the entries used longest ago until
   * it is within the cap. The one used last stays whatever its size.
   */
  async tidy(): Promise<void> {
    if (this.bytes <= this.capBytes && this.additionsUntilScan-- > 0) return;
    const entries = (await this.scan()).sort((a, b) => a.usedMs - b.usedMs);
    this.additionsUntilScan = ADDITIONS_PER_SCAN;
    this.bytes = sum(entries);
    if (this.bytes <= this.capBytes) return;
    for (const { path, bytes } of entries.slice(0, -1)) {
      if (this.bytes <= this.capBytes * EVICT_TO) break;
      await this.remove(path);
      this.bytes -= bytes;
    }
  }

  async info(): Promise<FolderInfo> {
    const entries = await this.scan();
    return { dir: this.dir, entries: entries.length, bytes: sum(entries), capBytes: this.capBytes };
  }

  /** Removes every entry, and nothing else that may lie in the folder. */
  async clear(): Promise<void> {
    for (const { path } of await this.scan()) await removeEntry(path);
    this.bytes = 0;
  }

  private async scan(): Promise<Entry[]> {
    const entries: Entry[] = [];
    for (const name of await readdir(this.dir).catch(() => [])) {
      const path = join(this.dir, name);
      // Another process may have removed it since the listing.
      const stats = await stat(path).catch(() => undefined);
      if (!stats) continue;
      if ((stats.mode & 0o077) !== 0) await closeToOthers(path, stats.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE);
      if (this.isEntry.test(name)) entries.push({ path, bytes: await sizeOf(path, stats), usedMs: stats.mtimeMs });
      else if (this.isTemporary.test(name) && Date.now() - stats.mtimeMs > STALE_TEMPORARY_MS) {
        await ifPossible(rm(path, { force: true, recursive: true }));
      }
    }
    return entries;
  }
}

const sum = (entries: readonly Entry[]): number => entries.reduce((total, { bytes }) => total + bytes, 0);

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Bytes of a file, or of everything in a folder. */
async function sizeOf(path: string, stats: Stats): Promise<number> {
  if (!stats.isDirectory()) return stats.size;
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue;
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}

/**
 * Takes its name from an entry first: a folder that is removed in part, or by a process that dies, must not look whole.
 */
async function removeEntry(path: string): Promise<void> {
  const doomed = temporaryFor(path);
  try {
    await rename(path, doomed);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  await rm(doomed, { force: true, recursive: true });
}

/** A path beside an entry that nobody else uses. */
const temporaryFor = (path: string): string => `${path}.${randomBytes(6).toString('hex')}.tmp`;

/** Windows refuses to remove a file that another process is reading; a later scan will find it again. */
const ifPossible = (removal: Promise<void>): Promise<void> => removal.catch(() => undefined);
