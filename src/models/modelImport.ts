/**
 * Local files become a model of ours. Reads them whole, to hash them: belongs into a process that may be busy, never
 * into the extension host.
 */
import { basename, join } from 'node:path';
import { UserError } from '../core/userError';
import { copyAtomic, removeIfPresent } from '../disk/atomicFile';
import type { ImportRequest, ModelName } from '../protocol/modelApi';
import { familyTraits } from './families';
import { type Confirm, unconfirmed } from './installRecord';
import { entrySchema, explain, type KnownFile, type ModelEntry, type ModelFile } from './manifest';
import { label } from './modelDescription';
import { assertOnnx, describeFile, isFile } from './modelFileCheck';
import { folderOf, type ModelStore } from './modelStore';
import { tracesOf } from './partFile';

/**
 * Copies a model's files into the home and adds it to the user's manifest; the originals are not needed afterwards.
 * Throws UserError when the id is taken, a file cannot be read, the graph is not ONNX, or the home cannot be written.
 */
export async function importModel(store: ModelStore, request: ImportRequest): Promise<ModelEntry> {
  const { id, kind, family, inputSide } = request;
  const graphs = familyTraits(kind, family)?.graphs ?? ['model'];
  const paths = inOrder(request.paths, graphs);
  const taken = (await store.locateAll()).find(({ entry }) => entry.kind === kind && entry.id === id);
  if (taken) {
    const official = taken.entry.files.some(({ url }) => url !== undefined);
    const otherwise = official ? ', or import the files as that model (--as)' : '';
    throw new UserError(`There already is a ${taken.source} ${kind} called "${id}"; choose another name${otherwise}.`);
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
      const target = join(store.userDir, file.file);
      await copyAtomic(paths[i], target, { isPrivate: true });
      await store.fileCheck.check(target, file);
    }
    await store.changeManifest((models) => [...models, entry]);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw new UserError(`The model "${id}" cannot be copied to ${store.userDir}: ${(cause as Error).message}.`, {
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
export async function importFiles(
  store: ModelStore,
  name: ModelName,
  paths: readonly string[],
  confirm: Confirm,
): Promise<string[]> {
  const located = await store.locate(name);
  const { entry } = located;
  const wanted = entry.files.filter(({ url }) => url !== undefined);
  if (wanted.length === 0) {
    throw new UserError(`The ${label(name)} is ${located.source === 'shipped' ? 'shipped' : 'imported'} already.`);
  }
  return store.locked(name, async () => {
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
      await copyAtomic(path, located.pathOf(file), { isPrivate: true });
      await store.fileCheck.check(located.pathOf(file), file);
      for (const trace of tracesOf(located.pathOf(file))) await removeIfPresent(trace);
    }
    const files = found.map(({ file }) => file);
    await store.writeRecord(name, 'imported', files);
    const after = await store.locate(name);
    const missing: string[] = [];
    for (const file of after.entry.files) {
      if (file.sha256 === undefined || !(await isFile(after.pathOf(file)))) missing.push(basename(file.file));
    }
    return missing;
  });
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
