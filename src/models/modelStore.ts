/** From a model's id to files on disk that are known to be the right ones. */
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../core/userError';
import { makeFolder, removeIfPresent } from '../disk/atomicFile';
import { homeModelsDir, openHome } from '../disk/home';
import { describeHolder, LockFile, readLiveHolder } from '../disk/lockFile';
import type { ModelName } from '../protocol/modelApi';
import { type InstallRecord, readRecord, writeRecord } from './installRecord';
import {
  identityHash,
  type KnownFile,
  type ModelEntry,
  type ModelFile,
  type ModelKind,
  readManifest,
  writeManifest,
} from './manifest';
import { label } from './modelDescription';
import { isFile, ModelFileCheck } from './modelFileCheck';
import { type ListedModel, type LocatedModel, refuseMissing, toRow } from './modelState';
import { tracesOf } from './partFile';

/** A model whose files are there and have the right content. */
export interface ResolvedModel {
  readonly entry: ModelEntry;
  /** Absolute path of the file of each role. */
  readonly paths: Readonly<Record<string, string>>;
  /** SHA-256 over the model's files and settings, hexadecimal: part of cache keys and run keys. */
  readonly sha256: string;
}

/** One row of `models verify`; `problem` is a sentence, absent where all is well. */
interface VerifiedModel extends ListedModel {
  readonly problem?: string;
}

/** Adding to or removing from a list takes milliseconds; whoever holds it this long has been suspended. */
const LIST_STALE_MS = 10_000;

export class ModelStore {
  /** Where imported and downloaded files lie, each entry's below it. */
  readonly userDir: string;
  readonly fileCheck = new ModelFileCheck();

  /** `modelsDir` holds the shipped manifest and its files, `home` the imported and downloaded ones. */
  constructor(
    private readonly modelsDir: string,
    private readonly home: string,
  ) {
    this.userDir = homeModelsDir(home);
  }

  /** Every known model, the user's first, judged by the sizes of its files. Throws UserError on a broken manifest. */
  async list(): Promise<ListedModel[]> {
    return Promise.all((await this.locateAll()).map(toRow));
  }

  /**
   * Finds a model and checks existence, size and SHA-256 of its files. Throws UserError naming the known ids, or the
   * file with what was expected and found; ModelMissingError where it was not downloaded.
   */
  async resolve(kind: ModelKind, id: string): Promise<ResolvedModel> {
    const located = await this.locate({ kind, id });
    const { entry } = located;
    await refuseMissing(located);
    const files: KnownFile[] = [];
    for (const file of entry.files) files.push(await this.fileCheck.check(located.pathOf(file), file));
    const paths = Object.fromEntries(files.map((file) => [file.role, located.pathOf(file)]));
    return { entry, paths, sha256: identityHash({ ...entry, files }) };
  }

  /** Throws ModelMissingError unless every file of the model is there; reads none of them. */
  async requirePresent(name: ModelName): Promise<void> {
    await refuseMissing(await this.locate(name));
  }

  /** Checks every file of every installed model anew, or of one. */
  async verify(only?: ModelName): Promise<VerifiedModel[]> {
    this.fileCheck.forget();
    const rows: VerifiedModel[] = [];
    for (const located of only ? [await this.locate(only)] : await this.locateAll()) {
      const row = await toRow(located);
      if (!only && (row.state === 'available' || row.state === 'partial')) continue;
      try {
        await refuseMissing(located);
        for (const file of located.entry.files) await this.fileCheck.check(located.pathOf(file), file);
        rows.push(row);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        rows.push({ ...row, state: row.state === 'available' ? row.state : 'damaged', problem: error.message });
      }
    }
    return rows;
  }

  /**
   * Removes the files of a downloaded or imported model, and what an unfinished download left. Throws UserError for a
   * shipped model, one that is not there, and one that is being downloaded.
   */
  async remove(name: ModelName): Promise<void> {
    const { entry, source, pathOf } = await this.locate(name);
    const own = entry.files.filter(({ url }) => source === 'user' || url !== undefined);
    if (own.length === 0) throw new UserError(`The ${label(name)} is shipped with AP-MedSAM and cannot be removed.`);
    const paths = own.flatMap((file) => [pathOf(file), ...tracesOf(pathOf(file))]);
    const there = await Promise.all(paths.map(isFile));
    const listed = source === 'user' && !own.some(({ url }) => url !== undefined);
    if (!listed && !there.includes(true)) {
      throw new UserError(`The ${label(name)} is not downloaded: there is nothing to remove.`);
    }
    await this.locked(name, async () => {
      // The list first: files without an entry are only lost space, an entry without files is a fault.
      if (listed) {
        await this.changeManifest((models) => models.filter(({ kind, id }) => kind !== name.kind || id !== name.id));
      }
      for (const path of [...paths, this.recordPath(name)]) await removeIfPresent(path);
      for (const folder of new Set([...paths, this.recordPath(name)].map((path) => dirname(path)))) {
        if (folder !== this.userDir) await rmdir(folder).catch(() => undefined);
      }
    });
  }

  /** A known model. Throws UserError naming the known ids. */
  async locate({ kind, id }: ModelName): Promise<LocatedModel> {
    const known = (await this.locateAll()).filter(({ entry }) => entry.kind === kind);
    const found = known.find(({ entry }) => entry.id === id);
    if (found) return found;
    const ids = [...new Set(known.map(({ entry }) => entry.id))].join(', ');
    throw new UserError(`There is no ${kind} called "${id}"; known: ${ids || 'none'}.`);
  }

  /** Files on disk, of any model, that should have this content. */
  async placesOf(sha256: string): Promise<string[]> {
    return (await this.locateAll()).flatMap(({ entry, pathOf }) =>
      entry.files.filter((file) => file.sha256 === sha256).map((file) => pathOf(file)),
    );
  }

  /** Notes what was put on disk for some files of a model, and how; other files keep their note. */
  async writeRecord(name: ModelName, how: InstallRecord['how'], files: readonly KnownFile[]): Promise<void> {
    await writeRecord(this.recordPath(name), how, files);
  }

  /** Makes the home, for its user alone, before something is written into it. Throws UserError if it cannot be made. */
  async openHome(): Promise<void> {
    await openHome(this.home);
    await makeFolder(join(this.userDir, 'locks'), { isPrivate: true });
  }

  /** Path of the lock that changes to a model's files are made under. */
  lockPath(name: ModelName): string {
    return join(this.userDir, 'locks', `${folderOf(name)}.lock`);
  }

  /** Throws UserError where the model is being downloaded or imported by another process. */
  async locked<T>(name: ModelName, work: () => Promise<T>): Promise<T> {
    const path = this.lockPath(name);
    await this.openHome();
    const lock = await LockFile.take(path);
    if (!lock) {
      const holder = await readLiveHolder(path);
      const who = holder ? describeHolder(holder) : 'another process';
      throw new UserError(`The ${label(name)} is being downloaded or imported by ${who}: stop that first.`);
    }
    try {
      return await work();
    } finally {
      await lock.release();
    }
  }

  /** Changes the user's list, in turn with other processes. */
  async changeManifest(change: (models: readonly ModelEntry[]) => readonly ModelEntry[]): Promise<void> {
    const path = join(this.userDir, 'locks', 'manifest.lock');
    await this.openHome();
    let lock: LockFile | undefined;
    while (!lock) {
      lock = await LockFile.take(path, {}, { staleMs: LIST_STALE_MS });
      if (!lock) await sleep(20);
    }
    try {
      await writeManifest(this.userDir, change(await readManifest(this.userDir)));
    } finally {
      await lock.release();
    }
  }

  /** The user's models first. */
  async locateAll(): Promise<LocatedModel[]> {
    const [user, shipped] = await Promise.all([readManifest(this.userDir), readManifest(this.modelsDir)]);
    return Promise.all([
      ...user.map((entry) => this.located(entry, 'user', this.userDir)),
      ...shipped.map((entry) => this.located(entry, 'shipped', this.modelsDir)),
    ]);
  }

  /**
   * What can be downloaded lies in the home, whoever lists it: the extension's own folder is gone with the next
   * version.
   */
  private async located(listed: ModelEntry, source: 'shipped' | 'user', dir: string): Promise<LocatedModel> {
    const record = listed.files.some(({ url }) => url !== undefined)
      ? await readRecord(this.recordPath(listed))
      : undefined;
    const files = listed.files.map((file): ModelFile => {
      const noted = record?.files.find(({ role }) => role === file.role);
      if (noted === undefined || (file.sha256 !== undefined && file.sha256 !== noted.sha256)) return file;
      return { ...file, sha256: noted.sha256, bytes: noted.bytes };
    });
    const pathOf = ({ file, url }: ModelFile) => join(url === undefined ? dir : this.userDir, file);
    return { entry: { ...listed, files }, source, pathOf, record };
  }

  private recordPath(name: ModelName): string {
    return join(this.userDir, folderOf(name), 'installed.json');
  }
}

/** Below the home's folder of models. */
export const folderOf = ({ kind, id }: ModelName): string => `${kind}-${id}`;
