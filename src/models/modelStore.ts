/** From a model's id to files on disk that are known to be the right ones. */
import { open, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { UserError } from '../core/userError';
import { copyAtomic, writeAtomic } from '../disk/atomicFile';
import { sha256File } from '../disk/hashing';
import { homeModelsDir } from '../disk/home';
import { describeHolder, LockFile, readLiveHolder } from '../disk/lockFile';
import { isAbsence } from '../disk/storageError';
import type { ModelName, UnknownFile } from '../protocol/modelApi';
import { familyTraits } from './families';
import {
  entrySchema,
  explain,
  identityHash,
  type KnownFile,
  type ModelEntry,
  type ModelFile,
  type ModelKind,
  readManifest,
  writeManifest,
} from './manifest';
import { partBytes, tracesOf } from './partFile';

/** A model whose files are there and have the right content. */
export interface ResolvedModel {
  readonly entry: ModelEntry;
  /** Absolute path of the file of each role. */
  readonly paths: Readonly<Record<string, string>>;
  /** SHA-256 over the model's files and settings, hexadecimal: part of cache keys and run keys. */
  readonly sha256: string;
}

/**
 * `available`: can be downloaded, nothing is there; `partial`: a download has begun; `damaged`: a file is missing or has
 * the wrong size, or was found wrong by `verify`.
 */
export type ModelState = 'shipped' | 'imported' | 'downloaded' | 'available' | 'partial' | 'damaged';

/** One row of `models list`. */
export interface ListedModel {
  /** With the sizes and hashes that the user has accepted, where the manifest has none. */
  readonly entry: ModelEntry;
  readonly source: 'shipped' | 'user';
  readonly state: ModelState;
  /** Bytes of the model that are on disk, parts included. */
  readonly bytesHere: number;
}

/** One row of `models verify`; `problem` is a sentence, absent where all is well. */
export interface VerifiedModel extends ListedModel {
  readonly problem?: string;
}

export interface ImportRequest {
  /**
   * Absolute paths: the family's ONNX graphs, then files of external data that they name, if any. Of an encoder and a
   * decoder the latter may also come first if only its file name says "decoder".
   */
  readonly paths: readonly string[];
  readonly id: string;
  readonly kind: ModelKind;
  readonly family: string;
  readonly title?: string;
  readonly licence?: string;
  readonly inputSide?: number;
}

/** Says whether the user accepts files whose hash nobody has published. */
export type Confirm = (files: readonly UnknownFile[]) => Promise<boolean>;

/** A model that is used although it has not been downloaded: known by its name on both ends of a process. */
export class ModelMissingError extends UserError {
  override readonly name = 'ModelMissingError';
}

/** An entry and where its files are, or will be. */
export interface LocatedModel {
  readonly entry: ModelEntry;
  readonly source: 'shipped' | 'user';
  /** Absolute path of a file of the entry. */
  pathOf(file: ModelFile): string;
  readonly record: InstallRecord | undefined;
}

/** What was put on disk for an entry that names URLs: how, and which content where the manifest knows none. */
const recordSchema = z.object({
  how: z.enum(['downloaded', 'imported']),
  files: z.array(z.object({ role: z.string(), sha256: z.string(), bytes: z.int() })),
});

export type InstallRecord = z.infer<typeof recordSchema>;

/** Adding to or removing from a list takes milliseconds; whoever holds it this long has been suspended. */
const LIST_STALE_MS = 10_000;

export class ModelStore {
  private readonly userDir: string;
  /** Files found right by this process; reading a hundred megabytes again for every session would be felt. */
  private readonly verified = new Set<string>();

  /** `modelsDir` holds the shipped manifest and its files, `home` the imported and downloaded ones. */
  constructor(
    private readonly modelsDir: string,
    home: string,
  ) {
    this.userDir = homeModelsDir(home);
  }

  /** Every known model, the user's first, judged by the sizes of its files. Throws UserError on a broken manifest. */
  async list(): Promise<ListedModel[]> {
    return Promise.all((await this.locateAll()).map(toRow));
  }

  /**
   * Finds a model and checks existence, size and SHA-256 of its files. Throws UserError naming the known ids, or the file
   * with what was expected and found; ModelMissingError where it was not downloaded.
   */
  async resolve(kind: ModelKind, id: string): Promise<ResolvedModel> {
    const located = await this.locate({ kind, id });
    const { entry } = located;
    await refuseMissing(located);
    const files: KnownFile[] = [];
    for (const file of entry.files) files.push(await this.check(located.pathOf(file), file));
    const paths = Object.fromEntries(files.map((file) => [file.role, located.pathOf(file)]));
    return { entry, paths, sha256: identityHash({ ...entry, files }) };
  }

  /** Throws ModelMissingError unless every file of the model is there; reads none of them. */
  async requirePresent(name: ModelName): Promise<void> {
    await refuseMissing(await this.locate(name));
  }

  /** Checks every file of every installed model anew, or of one. */
  async verify(only?: ModelName): Promise<VerifiedModel[]> {
    this.verified.clear();
    const rows: VerifiedModel[] = [];
    for (const located of only ? [await this.locate(only)] : await this.locateAll()) {
      const row = await toRow(located);
      if (!only && (row.state === 'available' || row.state === 'partial')) continue;
      try {
        await refuseMissing(located);
        for (const file of located.entry.files) await this.check(located.pathOf(file), file);
        rows.push(row);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        rows.push({ ...row, state: row.state === 'available' ? row.state : 'damaged', problem: error.message });
      }
    }
    return rows;
  }

  /**
   * Copies a model's files into the home and adds it to the user's manifest; the originals are not needed afterwards.
   * Throws UserError when the id is taken, a file cannot be read, the graph is not ONNX, or the home cannot be written.
   */
  async importModel(request: ImportRequest): Promise<ModelEntry> {
    const { id, kind, family, inputSide } = request;
    const graphs = familyTraits(kind, family)?.graphs ?? ['model'];
    const paths = inOrder(request.paths, graphs);
    const taken = (await this.locateAll()).find(({ entry }) => entry.kind === kind && entry.id === id);
    if (taken) {
      const official = taken.entry.files.some(({ url }) => url !== undefined);
      const otherwise = official ? ', or import the files as that model (--as)' : '';
      throw new UserError(
        `There already is a ${taken.source} ${kind} called "${id}"; choose another name${otherwise}.`,
      );
    }
    if (paths.length < graphs.length) throw new UserError(describeMissing(request, graphs));
    for (const graph of paths.slice(0, graphs.length)) await assertOnnx(graph);
    const names = paths.map((path) => basename(path));
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice) {
      throw new UserError(
        `The model "${id}" cannot be imported: two of its files are called ${twice}, and they must lie in one folder.`,
      );
    }

    const folder = folderOf({ kind, id });
    const draft = entrySchema.safeParse({
      id,
      kind,
      family,
      title: request.title ?? id,
      licence: request.licence ?? 'user',
      origin: `imported from ${names.join(', ')}`,
      ...(inputSide === undefined ? {} : { inputSide }),
      files: await Promise.all(
        paths.map(async (path, i) => ({
          role: graphs[i] ?? `data${i + 1 - graphs.length}`,
          file: `${folder}/${basename(path)}`,
          ...(await describeFile(path)),
        })),
      ),
    });
    if (!draft.success) throw new UserError(`The model "${id}" cannot be imported: ${explain(draft.error)}.`);
    const entry = draft.data;
    try {
      for (const [i, file] of entry.files.entries()) {
        const target = join(this.userDir, file.file);
        await copyAtomic(paths[i], target);
        await this.check(target, file);
      }
      await this.changeManifest((models) => [...models, entry]);
    } catch (cause) {
      if (cause instanceof UserError) throw cause;
      throw new UserError(`The model "${id}" cannot be copied to ${this.userDir}: ${(cause as Error).message}.`, {
        cause,
      });
    }
    return entry;
  }

  /**
   * Takes local files, downloaded by other means, as the files of a known model; each is recognised by its hash, or by
   * its name where no hash is known. Several calls may bring them one by one.
   *
   * @returns names of the files that are still missing
   * @throws UserError where a file is none of the model's, with both hashes, or `confirm` declines
   */
  async importFiles(name: ModelName, paths: readonly string[], confirm: Confirm): Promise<string[]> {
    const located = await this.locate(name);
    const { entry } = located;
    const wanted = entry.files.filter(({ url }) => url !== undefined);
    if (wanted.length === 0) {
      throw new UserError(`The ${label(name)} is ${located.source === 'shipped' ? 'shipped' : 'imported'} already.`);
    }
    return this.locked(name, async () => {
      const found: { file: KnownFile; path: string }[] = [];
      for (const path of paths) {
        const { sha256, bytes } = await describeFile(path);
        const file =
          wanted.find((one) => one.sha256 === sha256) ??
          wanted.find((one) => one.sha256 === undefined && basename(one.file) === basename(path));
        if (file === undefined) throw new UserError(noneOf(name, path, sha256, wanted));
        if (file.sha256 === undefined && file.bytes !== undefined && file.bytes !== bytes) {
          throw new UserError(`${path} is another file: expected ${file.bytes} bytes, found ${bytes}.`);
        }
        if (file.file.endsWith('.onnx')) await assertOnnx(path);
        found.push({ file: { ...file, sha256, bytes }, path });
      }
      const unknown = found.filter(({ file }) => wanted.some(({ role, sha256 }) => role === file.role && !sha256));
      const asked = unknown.map(({ file: { file, sha256, bytes }, path }) => ({
        ...{ file: basename(file), from: path, sha256, bytes },
      }));
      if (asked.length > 0 && !(await confirm(asked))) throw new UserError(unconfirmed(name, asked));
      for (const { file, path } of found) {
        await copyAtomic(path, located.pathOf(file));
        await this.check(located.pathOf(file), file);
        for (const trace of tracesOf(located.pathOf(file))) await rm(trace, { force: true });
      }
      const files = found.map(({ file }) => file);
      await this.writeRecord(name, 'imported', files);
      const after = await this.locate(name);
      const missing: string[] = [];
      for (const file of after.entry.files) {
        if (file.sha256 === undefined || !(await isFile(after.pathOf(file)))) missing.push(basename(file.file));
      }
      return missing;
    });
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
      for (const path of [...paths, this.recordPath(name)]) await rm(path, { force: true });
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
    const before = (await this.readRecord(name))?.files ?? [];
    const now = files.map(({ role, sha256, bytes }) => ({ role, sha256, bytes }));
    const kept = before.filter(({ role }) => !now.some((file) => file.role === role));
    await writeAtomic(this.recordPath(name), `${JSON.stringify({ how, files: [...kept, ...now] }, null, 2)}\n`);
  }

  /** Path of the lock that changes to a model's files are made under. */
  lockPath(name: ModelName): string {
    return join(this.userDir, 'locks', `${folderOf(name)}.lock`);
  }

  private async locked<T>(name: ModelName, work: () => Promise<T>): Promise<T> {
    const path = this.lockPath(name);
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

  private async changeManifest(change: (models: readonly ModelEntry[]) => readonly ModelEntry[]): Promise<void> {
    const path = join(this.userDir, 'locks', 'manifest.lock');
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

  private async locateAll(): Promise<LocatedModel[]> {
    const [user, shipped] = await Promise.all([readManifest(this.userDir), readManifest(this.modelsDir)]);
    return Promise.all([
      ...user.map((entry) => this.located(entry, 'user', this.userDir)),
      ...shipped.map((entry) => this.located(entry, 'shipped', this.modelsDir)),
    ]);
  }

  /** What can be downloaded lies in the home, whoever lists it: the extension's own folder is gone with the next version. */
  private async located(listed: ModelEntry, source: 'shipped' | 'user', dir: string): Promise<LocatedModel> {
    const record = listed.files.some(({ url }) => url !== undefined) ? await this.readRecord(listed) : undefined;
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

  /** Undefined where nothing was installed, or the note is damaged: then the manifest alone decides. */
  private async readRecord(name: ModelName): Promise<InstallRecord | undefined> {
    try {
      return recordSchema.parse(JSON.parse(await readFile(this.recordPath(name), 'utf8')));
    } catch {
      return undefined;
    }
  }

  private async check(path: string, file: ModelFile): Promise<KnownFile> {
    const { bytes, sha256 } = file;
    const stats = await stat(path).catch(() => undefined);
    if (!stats) throw new UserError(`The model file ${path} is missing.`);
    if (bytes !== undefined && stats.size !== bytes) {
      const what = stats.size < bytes ? 'truncated' : 'another file';
      throw new UserError(`The model file ${path} is ${what}: expected ${bytes} bytes, found ${stats.size}.`);
    }
    if (sha256 === undefined) {
      throw new UserError(`The content of the model file ${path} was never confirmed: download or import it again.`);
    }
    const state = [path, stats.size, stats.mtimeMs, sha256].join('|');
    const known = { ...file, sha256, bytes: stats.size };
    if (this.verified.has(state)) return known;
    const found = await sha256File(path);
    if (found !== sha256) {
      throw new UserError(`The model file ${path} has the wrong content: expected SHA-256 ${sha256}, found ${found}.`);
    }
    this.verified.add(state);
    return known;
  }
}

/** `encoder "dinov2-small"`. */
export const label = ({ kind, id }: ModelName): string => `${kind} "${id}"`;

/** Bytes of the whole model, undefined where a size is not known. */
export function modelBytes({ files }: ModelEntry): number | undefined {
  const sizes = files.map(({ bytes }) => bytes);
  return sizes.every((bytes) => bytes !== undefined) ? sizes.reduce((sum, bytes) => sum + bytes, 0) : undefined;
}

/** "88.5 MB", "12.0 kB", "1.3 GB", or "unknown size". */
export function sizeText(bytes: number | undefined): string {
  if (bytes === undefined) return 'unknown size';
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes < 1e5 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Why a model with files that nobody has published a hash for is not used yet. */
export function unconfirmed(name: ModelName, files: readonly UnknownFile[]): string {
  const list = files.map(({ file, sha256 }) => `${file} ${sha256}`).join(', ');
  return `No SHA-256 is published for the ${label(name)}, and what was found was not accepted: ${list}.`;
}

/** An ONNX file is a protobuf whose first field is `ir_version`: tells it from a web page or a Git LFS pointer. */
export const looksLikeOnnx = (head: Uint8Array): boolean => head[0] === 0x08;

const folderOf = ({ kind, id }: ModelName): string => `${kind}-${id}`;

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );

async function toRow(located: LocatedModel): Promise<ListedModel> {
  const { entry, source, pathOf, record } = located;
  const sizes = await Promise.all(entry.files.map((file) => stat(pathOf(file)).catch(() => undefined)));
  const parts = await Promise.all(entry.files.map((file) => partBytes(pathOf(file))));
  const bytesHere = [...sizes.map((stats) => stats?.size), ...parts].reduce<number>(
    (sum, size) => sum + (size ?? 0),
    0,
  );
  const row = { entry, source, bytesHere };
  const isDamaged = (file: ModelFile, i: number) => {
    const size = sizes[i]?.size;
    return size === undefined ? file.url === undefined : file.bytes !== undefined && size !== file.bytes;
  };
  if (entry.files.some(isDamaged)) return { ...row, state: 'damaged' };
  if (entry.files.every(({ url }) => url === undefined)) {
    return { ...row, state: source === 'shipped' ? 'shipped' : 'imported' };
  }
  const complete = entry.files.every(({ sha256 }, i) => sizes[i] !== undefined && sha256 !== undefined);
  if (complete) return { ...row, state: record?.how ?? 'downloaded' };
  return { ...row, state: bytesHere > 0 ? 'partial' : 'available' };
}

async function refuseMissing(located: LocatedModel): Promise<void> {
  const { state, bytesHere, entry } = await toRow(located);
  if (state !== 'available' && state !== 'partial') return;
  const size = sizeText(modelBytes(entry));
  const what =
    state === 'available'
      ? `is not downloaded yet (${size}, ${entry.licence})`
      : `is downloaded only in part (${sizeText(bytesHere)} of ${size})`;
  throw new ModelMissingError(
    `The ${label(entry)} ${what}: run "ap-medsam models download ${entry.id}", or choose "AP-MedSAM: Download Model..." in VS Code.`,
  );
}

function noneOf(name: ModelName, path: string, found: string, wanted: readonly ModelFile[]): string {
  const expected = wanted.map(({ file, sha256 }) => `${sha256 ?? 'any'} (${basename(file)})`).join(' or ');
  return `${path} is none of the files of the ${label(name)}: expected SHA-256 ${expected}, found ${found}.`;
}

/** The encoder before the decoder, where their names tell which is which; otherwise as they came. */
function inOrder(paths: readonly string[], graphs: readonly string[]): readonly string[] {
  const [first, second, ...data] = paths;
  if (graphs.length !== 2 || first === undefined || second === undefined) return paths;
  const isDecoder = (path: string) => /decoder/i.test(basename(path));
  return isDecoder(first) && !isDecoder(second) ? [second, first, ...data] : paths;
}

function describeMissing({ id, family, paths }: ImportRequest, graphs: readonly string[]): string {
  const needed = graphs.length === 1 ? 'one ONNX file' : `${graphs.length} ONNX files (${graphs.join(' and ')})`;
  return `The model "${id}" cannot be imported: family "${family}" needs ${needed}, found ${paths.length}.`;
}

async function describeFile(path: string): Promise<{ bytes: number; sha256: string }> {
  try {
    return { bytes: (await stat(path)).size, sha256: await sha256File(path) };
  } catch (cause) {
    throw unreadableModel(path, cause);
  }
}

/** Catches a web page or a Git LFS pointer saved as a model. */
async function assertOnnx(path: string): Promise<void> {
  const first = Buffer.alloc(1);
  try {
    const handle = await open(path);
    await handle.read(first, 0, 1, 0).finally(() => handle.close());
  } catch (cause) {
    throw unreadableModel(path, cause);
  }
  if (!looksLikeOnnx(first)) throw new UserError(`${path} is not an ONNX model.`);
}

function unreadableModel(path: string, cause: unknown): UserError {
  const why = isAbsence(cause) ? 'does not exist' : `cannot be read: ${(cause as Error).message}`;
  return new UserError(`The model file ${path} ${why}.`, { cause });
}
