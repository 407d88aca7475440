/**
 * Edits of project.json that the editor offers: classes and references. Each is one atomic step, whoever else writes.
 */
import { mostReferences } from '../../core/strategies';
import { UserError } from '../../core/userError';
import { removeIfPresent, writeAtomic } from '../../disk/atomicFile';
import { FileHashes } from '../../disk/fileHashes';
import { FILE_KINDS, readNamed } from '../../disk/guardedFile';
import { sha256 } from '../../disk/hashing';
import { nameForm, spelledPath } from '../../disk/nameForms';
import { withClass } from './classes';
import {
  loadProject,
  type Project,
  type ProjectClass,
  type ProjectReference,
  projectFile,
  resolveStored,
  updateProject,
} from './project';
import {
  checkReference,
  isSameReference,
  makeReference,
  type ReferenceEngine,
  supportMaskCopy,
  withReading,
} from './reference';
import { openProject, type ProjectDefaults } from './setUp';

/** Adds a class to the project, which is made if there is none. Throws UserError as `withClass` does. */
export async function addClass(
  root: string,
  name: string,
  colour?: string,
  defaults?: ProjectDefaults,
): Promise<ProjectClass> {
  const { classes } = await change(root, defaults, (project) => withClass(project, name.trim(), colour));
  return classes[classes.length - 1];
}

export interface NewReference {
  /** Id of a class of the project. */
  readonly classId: number;
  /** Absolute paths. */
  readonly image: string;
  readonly mask: string;
}

/**
 * Makes an image with its mask the first reference of its class, on which runs rely most. An earlier one of the same
 * image and class is replaced; the others stay and vote, as many as the strategy lets. The mask is copied into the
 * project, see `supportMaskCopy`.
 *
 * @param onNote told what a person should know of how the mask was read
 * @throws UserError for a reference that cannot be used: then nothing is stored
 */
export async function setReference(
  root: string,
  { classId, image, mask }: NewReference,
  engine: ReferenceEngine,
  { defaults, onNote }: { defaults?: ProjectDefaults; onNote?: (note: string) => void } = {},
): Promise<ProjectReference> {
  const made = await makeReference(root, classId, image, mask);
  const { classes } = await openProject(root, {}, defaults);
  const checked = await checkReference(root, made, engine, classes);
  const reference = withReading(made, checked);
  const bytes = await readNamed(mask, FILE_KINDS.mask);
  if (bytes === null || sha256(bytes) !== reference.maskHash) {
    throw new UserError(`The reference mask ${mask} is being changed by another program: try again.`);
  }
  await writeAtomic(supportMaskCopy(root, reference), bytes, { within: root });
  let replaced: readonly ProjectReference[] = [];
  const project = await change(root, defaults, (now) => {
    requireClass(root, now, classId);
    const isReplaced = (one: ProjectReference) =>
      one.class === classId && nameForm(one.image) === nameForm(reference.image);
    replaced = now.references.filter(isReplaced);
    return { ...now, references: [reference, ...now.references.filter((one) => !isReplaced(one))] };
  });
  await removeCopies(root, project, replaced);
  for (const note of checked.notes) onNote?.(note);
  return reference;
}

/** Removes a reference with its copy of the mask. Image and mask stay. */
export async function removeReference(root: string, reference: ProjectReference): Promise<void> {
  const project = await change(root, undefined, (now) => ({
    ...now,
    references: now.references.filter((one) => !isSameReference(one, reference)),
  }));
  await removeCopies(root, project, [reference]);
}

type ReferenceCondition = 'ok' | 'image changed' | 'image missing' | 'mask changed' | 'mask missing';

/** A stored reference, and what has become of its files. */
export interface ReferenceState {
  readonly reference: ProjectReference;
  readonly class: ProjectClass;
  /** Absolute paths. */
  readonly image: string;
  readonly mask: string;
  readonly condition: ReferenceCondition;
  /** What is wrong and what to do, in one sentence; null where nothing is. */
  readonly sentence: string | null;
  /** Whether a run can use it: a changed or missing mask does no harm where the project has its copy. */
  readonly usable: boolean;
  /** Among the first usable ones of its class, which vote in a run; `usable` says whether it can. */
  readonly used: boolean;
}

/**
 * The references of a root in stored order, none where there is no project. Throws UserError if the project is broken.
 *
 * @param hashes keeps what need not be read again from one call to the next
 */
export async function listReferences(root: string, hashes = new FileHashes()): Promise<readonly ReferenceState[]> {
  const project = await loadProject(root);
  const states: ReferenceState[] = [];
  for (const reference of project?.references ?? []) {
    const image = await spelledPath(resolveStored(root, reference.image));
    const mask = await spelledPath(resolveStored(root, reference.mask));
    const hasCopy = (await hashOf(hashes, supportMaskCopy(root, reference))) === reference.maskHash;
    const onImage = difference(await hashOf(hashes, image), reference.imageHash);
    const onMask = difference(await hashOf(hashes, mask), reference.maskHash);
    const found = { reference, class: project!.classes.find(({ id }) => id === reference.class)!, image, mask };
    // One that cannot vote leaves its place to the next.
    const before = states.filter((one) => one.usable && one.reference.class === reference.class);
    const used = before.length < mostReferences(project!.strategy);
    if (onImage !== null) {
      const sentence =
        onImage === 'missing'
          ? `The image ${image} is no longer there: bring it back, or remove the reference.`
          : `The image ${image} has changed since the reference was set: set it again.`;
      states.push({ ...found, condition: `image ${onImage}`, sentence, usable: false, used });
    } else if (onMask !== null) {
      const what = onMask === 'missing' ? 'is no longer there' : 'has changed since the reference was set';
      const then = hasCopy
        ? ', and the reference keeps it as it was: set it again to use another one.'
        : ': set the reference again.';
      const sentence = `The mask ${mask} ${what}${then}`;
      states.push({ ...found, condition: `mask ${onMask}`, sentence, usable: hasCopy, used });
    } else {
      states.push({ ...found, condition: 'ok', sentence: null, usable: true, used });
    }
  }
  return states;
}

async function change(
  root: string,
  defaults: ProjectDefaults | undefined,
  edit: (project: Project) => Project,
): Promise<Project> {
  return updateProject(root, await openProject(root, {}, defaults), edit);
}

function requireClass(root: string, { classes }: Project, classId: number): void {
  if (classes.some(({ id }) => id === classId)) return;
  throw new UserError(`${projectFile(root)} has no class with the id ${classId}: add one first.`);
}

/** Removes the copies that no reference of the project needs any more. */
async function removeCopies(root: string, project: Project, removed: readonly ProjectReference[]): Promise<void> {
  for (const { maskHash } of removed) {
    if (project.references.some((one) => one.maskHash === maskHash)) continue;
    await removeIfPresent(supportMaskCopy(root, { maskHash }), { within: root });
  }
}

/** Null for a file that is missing, and for one that cannot be read, which is as good as missing. */
const hashOf = (hashes: FileHashes, path: string): Promise<string | null> => hashes.of(path).catch(() => null);

const difference = (found: string | null, expected: string): 'missing' | 'changed' | null =>
  found === null ? 'missing' : found === expected ? null : 'changed';
