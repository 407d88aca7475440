/** From a model's id to files on disk that are known to be the right ones. */
import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../core/userError';
import { copyAtomic } from '../disk/atomicFile';
import { sha256File } from '../disk/hashing';
import { isAbsence } from '../disk/storageError';
import { familyTraits } from './families';
import { homeModelsDir } from './home';
import {
  entrySchema,
  explain,
  identityHash,
  type ModelEntry,
  type ModelFile,
  type ModelKind,
  readManifest,
  writeManifest,
} from './manifest';

/** A model whose files are there and have the right content. */
export interface ResolvedModel {
  readonly entry: ModelEntry;
  /** Absolute path of the file of each role. */
  readonly paths: Readonly<Record<string, string>>;
  /** SHA-256 over the model's files and settings, hexadecimal: part of cache keys and run keys. */
  readonly sha256: string;
}

/** One row of `models list`. */
export interface ListedModel {
  readonly entry: ModelEntry;
  readonly source: 'shipped' | 'user';
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

/** Located entry: its files lie below `dir`. */
interface Located extends ListedModel {
  readonly dir: string;
}

export class ModelStore {
  private readonly userDir: string;
  /** Files found right by this process; reading a hundred megabytes again for every session would be felt. */
  private readonly verified = new Set<string>();

  /** `modelsDir` holds the shipped manifest and its files, `home` the imported ones. */
  constructor(
    private readonly modelsDir: string,
    home: string,
  ) {
    this.userDir = homeModelsDir(home);
  }

  /** Every known model, the user's first. Throws UserError on a broken manifest. */
  async list(): Promise<ListedModel[]> {
    return (await this.locate()).map(({ entry, source }) => ({ entry, source }));
  }

  /**
   * Finds a model and checks existence, size and SHA-256 of its files. Throws UserError naming the known ids, or the file
   * with what was expected and found.
   */
  async resolve(kind: ModelKind, id: string): Promise<ResolvedModel> {
    const known = (await this.locate()).filter(({ entry }) => entry.kind === kind);
    const found = known.find(({ entry }) => entry.id === id);
    if (!found) {
      const ids = [...new Set(known.map(({ entry }) => entry.id))].join(', ');
      throw new UserError(`There is no ${kind} called "${id}"; known: ${ids || 'none'}.`);
    }
    const { entry, dir } = found;
    for (const file of entry.files) await this.check(join(dir, file.file), file);
    const paths = Object.fromEntries(entry.files.map(({ role, file }) => [role, join(dir, file)]));
    return { entry, paths, sha256: identityHash(entry) };
  }

  /** Checks every file of every known model anew. */
  async verify(): Promise<VerifiedModel[]> {
    this.verified.clear();
    const rows: VerifiedModel[] = [];
    for (const { entry, source, dir } of await this.locate()) {
      try {
        for (const file of entry.files) await this.check(join(dir, file.file), file);
        rows.push({ entry, source });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        rows.push({ entry, source, problem: error.message });
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
    const taken = (await this.locate()).find(({ entry }) => entry.kind === kind && entry.id === id);
    if (taken) throw new UserError(`There already is a ${taken.source} ${kind} called "${id}"; choose another name.`);
    if (paths.length < graphs.length) throw new UserError(describeMissing(request, graphs));
    for (const graph of paths.slice(0, graphs.length)) await assertOnnx(graph);
    const names = paths.map((path) => basename(path));
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice) {
      throw new UserError(
        `The model "${id}" cannot be imported: two of its files are called ${twice}, and they must lie in one folder.`,
      );
    }

    const folder = `${kind}-${id}`;
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
          ...(await describe(path)),
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
      await writeManifest(this.userDir, [...(await readManifest(this.userDir)), entry]);
    } catch (cause) {
      if (cause instanceof UserError) throw cause;
      throw new UserError(`The model "${id}" cannot be copied to ${this.userDir}: ${(cause as Error).message}.`, {
        cause,
      });
    }
    return entry;
  }

  private async locate(): Promise<Located[]> {
    const user = (await readManifest(this.userDir)).map(
      (entry): Located => ({ entry, source: 'user', dir: this.userDir }),
    );
    const shipped = (await readManifest(this.modelsDir)).map(
      (entry): Located => ({ entry, source: 'shipped', dir: this.modelsDir }),
    );
    return [...user, ...shipped];
  }

  private async check(path: string, { bytes, sha256, url }: ModelFile): Promise<void> {
    const stats = await stat(path).catch(() => undefined);
    if (!stats) {
      throw new UserError(`The model file ${path} is missing${url ? `; it can be downloaded from ${url}` : ''}.`);
    }
    if (stats.size !== bytes) {
      const what = stats.size < bytes ? 'truncated' : 'another file';
      throw new UserError(`The model file ${path} is ${what}: expected ${bytes} bytes, found ${stats.size}.`);
    }
    const state = [path, stats.size, stats.mtimeMs, sha256].join('|');
    if (this.verified.has(state)) return;
    const found = await sha256File(path);
    if (found !== sha256) {
      throw new UserError(`The model file ${path} has the wrong content: expected SHA-256 ${sha256}, found ${found}.`);
    }
    this.verified.add(state);
  }
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

async function describe(path: string): Promise<{ bytes: number; sha256: string }> {
  try {
    return { bytes: (await stat(path)).size, sha256: await sha256File(path) };
  } catch (cause) {
    throw unreadableModel(path, cause);
  }
}

/** An ONNX file is a protobuf whose first field is `ir_version`: catches a web page or a Git LFS pointer saved as a model. */
async function assertOnnx(path: string): Promise<void> {
  const first = Buffer.alloc(1);
  try {
    const handle = await open(path);
    await handle.read(first, 0, 1, 0).finally(() => handle.close());
  } catch (cause) {
    throw unreadableModel(path, cause);
  }
  if (first[0] !== 0x08) throw new UserError(`${path} is not an ONNX model.`);
}

function unreadableModel(path: string, cause: unknown): UserError {
  const why = isAbsence(cause) ? 'does not exist' : `cannot be read: ${(cause as Error).message}`;
  return new UserError(`The model file ${path} ${why}.`, { cause });
}
