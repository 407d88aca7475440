/** The labels of a folder in a format that others read: what its masks hold, with what the journal says of it. */
import { setImmediate } from 'node:timers/promises';
import { describeSize, sameSize } from '../core/geometry';
import { type MaskManner, readObject } from '../core/maskFiles/maskReading';
import { blankLabels, type LabelMap, mergeClass, valuesOf } from '../core/pixels/labelMap';
import { toRuns } from '../core/pixels/mask';
import { UserError } from '../core/userError';
import { FILE_KINDS, readNamed } from '../disk/guardedFile';
import { sha256 } from '../disk/hashing';
import { nameForm } from '../disk/nameForms';
import { makeNewFolder } from '../disk/newFolder';
import { isDiskFailure } from '../disk/storageError';
import type { DatasetFormat, LabelledClass, LabelledPicture, LabelState } from '../formats/datasets/datasetFormat';
import { readMaskFile } from '../formats/maskFile';
import { decodeMaskPng } from '../formats/maskPng';
import type { ImageFailure } from '../protocol/runnerApi';
import { absolutePath, scanFolder } from './files/folder';
import { resolveMaskFolder } from './files/maskFolder';
import { MaskLocator } from './files/maskLocator';
import { heldInstances } from './journal/instanceFile';
import type { JournalStatus } from './journal/journal';
import { JournalView } from './journal/journalView';
import { type Project, type ProjectReference, resolveStored } from './project/project';
import { targetsOf } from './project/targets';

export interface ExportRequest {
  /** Absolute path of the root. */
  readonly root: string;
  readonly project: Project;
  /** Absolute paths of folders and images in the root. */
  readonly targets: readonly string[];
  readonly format: DatasetFormat;
  /** Absolute path of the folder that is made. */
  readonly output: string;
  /** What is exported: other classes of an image are left out as if they were not drawn. */
  readonly states: ReadonlySet<LabelState>;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

interface ExportReport {
  /** Images that were exported, and classes drawn in them. */
  readonly images: number;
  readonly classes: number;
  /** Images that have no mask, because nothing was found in them either, or none of the states asked for. */
  readonly unlabelled: number;
  readonly failures: readonly ImageFailure[];
}

/**
 * Writes the labels of the targets: of those that have a mask, which is empty where a person has wiped it. Reads one
 * image at a time, and writes nothing where none is labelled.
 *
 * @throws UserError where nothing is labelled, where `output` is there already, and if the disk refuses
 */
export function exportFolder(request: ExportRequest): Promise<ExportReport> {
  const { root, project, targets, format, output, signal } = request;
  return makeNewFolder(output, async (folder) => {
    const maskFolder = resolveMaskFolder(root, project.maskFolder);
    const scan = await scanFolder(root, { maskFolder, targets });
    const view = await JournalView.read(root);
    const { images, failures: unread } = targetsOf(root, scan, view, project.references);
    const references = new Map<string, ProjectReference[]>();
    for (const one of project.references) {
      const key = nameForm(resolveStored(root, one.image));
      references.set(key, [...(references.get(key) ?? []), one]);
    }
    const source: LabelSource = { root, project, references, view, locator: new MaskLocator(root, maskFolder, view) };
    const writer = await format.open(project.classes, folder);
    const failures: ImageFailure[] = [...unread];
    const count = { images: 0, classes: 0, unlabelled: 0 };
    for (const [done, name] of images.entries()) {
      signal.throwIfAborted();
      request.onProgress?.(done, images.length);
      // Decoding is work of this thread; whoever else lives in it gets a turn.
      await setImmediate();
      const picture = await labelsOf(name, source, request.states).catch((error: unknown) => {
        if (!(error instanceof UserError) || isDiskFailure(error)) throw error;
        failures.push({ image: name, message: error.message });
        return null;
      });
      if (picture === null) continue;
      if (picture === undefined) count.unlabelled++;
      else {
        await writer.add(picture);
        count.images++;
        count.classes += picture.classes.length;
      }
    }
    if (count.images === 0) {
      const why = failures.length > 0 ? `; the first failure: ${failures[0].message}` : '';
      throw new UserError(`Nothing to export: no image of ${root} has a mask of the states asked for${why}`);
    }
    await writer.close();
    return { ...count, failures };
  });
}

interface LabelSource {
  readonly root: string;
  readonly project: Project;
  /** By the form of their image's absolute path. */
  readonly references: ReadonlyMap<string, readonly ProjectReference[]>;
  readonly view: JournalView;
  readonly locator: MaskLocator;
}

/** Labels of one image; undefined where it has none of these states. Throws UserError where its mask cannot be read. */
async function labelsOf(
  name: string,
  source: LabelSource,
  states: ReadonlySet<LabelState>,
): Promise<LabelledPicture | undefined> {
  const { root, project, view } = source;
  const own = source.references.get(nameForm(absolutePath(root, name))) ?? [];
  const path = await source.locator.locate(name);
  const bytes = await readNamed(path, FILE_KINDS.mask);
  if (bytes === null) {
    return states.has('reference') && own.length > 0 ? supportLabels(name, own, source) : undefined;
  }
  const labels = decodeMaskPng(bytes, path);
  const hash = sha256(bytes);
  const isForeign = !view.knowsMask(name, hash);
  const drawn = new Set(valuesOf(labels));
  if (drawn.size > 0 && !project.classes.some(({ id }) => drawn.has(id))) {
    const ids = project.classes.map((one) => one.id).join(', ');
    throw new UserError(
      `${path} holds the values ${[...drawn].join(', ')}: expected ids of the project's classes, ${ids}.`,
    );
  }
  const classes: LabelledClass[] = [];
  let judged = false;
  for (const { id } of project.classes) {
    const entry = view.entry(name, id);
    const status = isForeign ? 'edited' : (entry?.status ?? 'edited');
    const state: LabelState | undefined = own.some((one) => one.class === id) ? 'reference' : stateOf(status);
    if (state === undefined || !states.has(state)) continue;
    judged ||= entry !== undefined || drawn.has(id);
    if (!drawn.has(id)) continue;
    const trust = isForeign || state === 'edited' ? undefined : (entry?.trust ?? undefined);
    const objects = await heldInstances(root, name, id, hash);
    classes.push({ id, state, trust, objects: objects.map(({ counts }) => counts) });
  }
  return judged ? { name, labels: onlyClasses(labels, classes), classes } : undefined;
}

/** What a run found absent was looked at by it; what failed tells nothing. */
const stateOf = (status: JournalStatus): LabelState | undefined =>
  status === 'failed' ? undefined : status === 'absent' ? 'auto' : status;

function onlyClasses({ size, data }: LabelMap, classes: readonly LabelledClass[]): LabelMap {
  const kept = new Set(classes.map(({ id }) => id));
  return { size, data: data.map((value) => (kept.has(value) ? value : 0)) };
}

/** The support masks of a reference that has no mask of its own in the mask folder. */
async function supportLabels(
  name: string,
  references: readonly ProjectReference[],
  { root }: LabelSource,
): Promise<LabelledPicture> {
  let labels: LabelMap | undefined;
  const classes: LabelledClass[] = [];
  for (const { class: id, mask: stored, manner, turned } of references) {
    const path = resolveStored(root, stored);
    const bytes = await readNamed(path, FILE_KINDS.mask);
    const samples = bytes && readMaskFile(bytes, path);
    if (!samples || turned) {
      throw new UserError(
        `The mask ${path} of the reference ${name} ${bytes === null ? 'does not exist' : turned ? 'lies on the turned image' : 'is no PNG'}: open the image in the editor and save it, and it is exported.`,
      );
    }
    const { mask } = readObject(samples, { classId: id, manner: manner as MaskManner | undefined }, path);
    labels ??= blankLabels(mask.size);
    if (!sameSize(labels.size, mask.size)) {
      throw new UserError(
        `${path} is ${describeSize(mask.size)}: expected ${describeSize(labels.size)}, as another mask of the reference ${name} has.`,
      );
    }
    labels = mergeClass(labels, id, toRuns(mask));
    classes.push({ id, state: 'reference', trust: undefined, objects: [] });
  }
  return { name, labels: labels!, classes: classes.sort((a, b) => a.id - b.id) };
}
