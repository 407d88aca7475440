/**
 * The folder of unsaved work of all windows: a file for each document and session that has some. What a session leaves
 * that ended otherwise than by saving is found by the next one that opens the image, whatever VS Code remembers of it.
 */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { removeIfPresent, removeStaleTemporaries } from '../../disk/atomicFile';
import { entriesIn } from '../../disk/listing';
import { LockFile, readLiveHolder } from '../../disk/lockFile';
import type { Work } from '../document/labelDocument';
import { type Replaced, readBackup } from './backup';
import { UnsavedWork, type WorkSource } from './unsavedWork';

/** Work that nobody has come back for in this time is not kept any longer. */
const ORPHAN_MS = 30 * 24 * 3_600_000;

const FILE = /^([0-9a-f]{32})\.([0-9a-f]+)\.unsaved$/;
const LOCK = /^([0-9a-f]+)\.lock$/;

/** Unsaved work that was left behind. */
export interface Found {
  readonly work: Work;
  /** Files that the next writer of the document takes the place of. */
  readonly replaces: readonly Replaced[];
}

export class UnsavedFolder {
  private lock: Promise<LockFile | undefined> | undefined;

  /**
   * @param folder absolute path
   * @param session hexadecimal, of this window
   * @param log told of what could not be read or removed
   */
  constructor(
    private readonly folder: string,
    private readonly session: string,
    private readonly log: (line: string) => void,
  ) {}

  /**
   * The newest work on a document that can be read: of sessions that have ended, and of the backup that VS Code names,
   * which may be that of one that nobody has ended yet.
   *
   * @param named absolute path
   */
  async find(document: string, named?: string): Promise<Found | undefined> {
    await this.begin();
    const newestFirst = (files: Replaced[]) => files.sort((a, b) => b.mtimeMs - a.mtimeMs);
    try {
      for (const { path, mtimeMs } of newestFirst(await this.filesOf(document, named))) {
        const read = await readBackup(path).catch((error: unknown) => this.complain(error));
        if (read) return { work: read.work, replaces: [{ path, mtimeMs }, ...read.replaces] };
      }
    } catch (error) {
      this.complain(error);
    }
    return undefined;
  }

  /** The writer of a document's file, which takes the place of what was found. */
  async keep(document: string, source: () => WorkSource, found?: Found): Promise<UnsavedWork> {
    await this.begin();
    const work = new UnsavedWork(this.pathOf(document), source, found?.replaces);
    if (!found) return work;
    try {
      await work.kept();
      // The file of a session that still runs stays: it may not be as forsaken as VS Code has it.
      for (const { path } of found.replaces) {
        if (path !== work.path && !(await this.isAlive(path))) await removeIfPresent(path);
      }
    } catch (error) {
      // The next edit tries again, and until then the work is where it was.
      this.complain(error);
    }
    return work;
  }

  /** Removes what nobody has come back for; `others`: folders of version 0.1.0, whose backups VS Code itself named. */
  async sweep(others: readonly string[]): Promise<void> {
    await removeStaleTemporaries(this.folder);
    for (const folder of [this.folder, ...others]) {
      for (const { name } of await entriesIn(folder)) {
        const isOurs = folder === this.folder ? FILE.test(name) || LOCK.test(name) : /^-?\d+$/.test(name);
        const path = join(folder, name);
        const info = isOurs ? await stat(path).catch(() => undefined) : undefined;
        if (!info?.isFile() || Date.now() - info.mtimeMs < ORPHAN_MS || (await this.isAlive(path))) continue;
        await removeIfPresent(path);
      }
    }
  }

  /** The session ends in order, and of these documents a person has dropped what was not saved. */
  end(dropped: readonly string[]): void {
    for (const document of dropped) rmSync(this.pathOf(document), { force: true });
    void this.lock?.then((lock) => lock?.release()).catch(() => undefined);
  }

  /** From now on others know that this session lives. Without the lock they take its work for left behind, not more. */
  private begin(): Promise<unknown> {
    this.lock ??= LockFile.take(join(this.folder, `${this.session}.lock`)).catch((error: unknown) =>
      this.complain(error),
    );
    return this.lock;
  }

  /** For the log: work that cannot be kept or brought back must not keep the image from opening. */
  private complain(error: unknown): undefined {
    const { message, cause } = error as Error;
    this.log(cause instanceof Error ? `${message} ${cause.message}` : message);
  }

  private pathOf(document: string): string {
    return join(this.folder, `${keyOf(document)}.${this.session}.unsaved`);
  }

  private async filesOf(document: string, named: string | undefined): Promise<Replaced[]> {
    const paths = named === undefined ? [] : [named];
    for (const { name } of await entriesIn(this.folder)) {
      const path = join(this.folder, name);
      if (FILE.exec(name)?.[1] !== keyOf(document) || path === named) continue;
      if (!(await this.isAlive(path))) paths.push(path);
    }
    const found = await Promise.all(paths.map(async (path) => ({ path, info: await stat(path).catch(() => null) })));
    return found.flatMap(({ path, info }) => (info ? [{ path, mtimeMs: info.mtimeMs }] : []));
  }

  /** Whether the session that wrote a file still runs, other than this one. */
  private async isAlive(path: string): Promise<boolean> {
    const name = basename(path);
    const session = FILE.exec(name)?.[2] ?? LOCK.exec(name)?.[1];
    if (session === undefined || session === this.session) return false;
    return (await readLiveHolder(join(this.folder, `${session}.lock`))) !== null;
  }
}

const keyOf = (document: string): string => createHash('sha256').update(document).digest('hex').slice(0, 32);
