/** What stands before a batch: the project of a root, and the reference that is to be used. */
import path from 'node:path';
import type { StrategyId, StrategyParameters } from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import { relativePath } from './folder';
import { leaves, MaskLocator, resolveMaskFolder } from './maskFolder';
import { loadProject, type Project, type ProjectClass, type ProjectReference, updateProject } from './project';
import { makeReference } from './reference';

export interface ProjectSettings {
  readonly strategy: StrategyId;
  readonly parameters: StrategyParameters;
  readonly encoder: string;
  readonly segmenter: string;
  /** As a person gave it, relative to the working directory; what the project says where undefined. */
  readonly maskFolder: string | undefined;
}

/** Name of the first class of a project where nobody has named it. */
const DEFAULT_CLASS = 'object';
const DEFAULT_MASK_FOLDER = 'masks';

/** Distinct for common colour blindness, after Okabe and Ito 2008 (Color Universal Design). */
const CLASS_COLOURS = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/** The project of a root with these settings stored in it; made where there is none. */
export async function openProject(root: string, settings: ProjectSettings): Promise<Project> {
  const { strategy, parameters, encoder, segmenter } = settings;
  const known = await loadProject(root);
  const given = settings.maskFolder === undefined ? undefined : path.resolve(settings.maskFolder);
  const maskFolder =
    given === undefined
      ? (known?.maskFolder ?? DEFAULT_MASK_FOLDER)
      : leaves(path.relative(root, given))
        ? given
        : relativePath(root, given);
  resolveMaskFolder(root, maskFolder);
  const chosen = { strategy, parameters: { ...parameters }, encoder, segmenter, maskFolder };
  return updateProject(root, { version: 1, classes: [], references: [], ...chosen }, (now) => ({ ...now, ...chosen }));
}

export interface ReferenceChoice {
  /** Paths as a person gave them, relative to the working directory. */
  readonly image: string | undefined;
  readonly mask: string | undefined;
  readonly className: string | undefined;
}

/**
 * The reference to use: the one given, stored in the project as its class's only one, or the stored one.
 *
 * @throws UserError when nothing is given and nothing stored, or several classes make the choice unclear
 */
export async function chooseReference(
  root: string,
  project: Project,
  { image, mask, className }: ReferenceChoice,
): Promise<{ project: Project; reference: ProjectReference }> {
  if (image === undefined) {
    if (mask !== undefined) throw new UserError('A mask was given without its reference image: add --reference.');
    return { project, reference: storedReference(root, project, className) };
  }
  const imagePath = path.resolve(image);
  const maskPath = mask === undefined ? await ownMask(root, project, imagePath) : path.resolve(mask);
  const withClass = await updateProject(root, project, (now) => addClass(now, className));
  const { id } = findClass(withClass, className)!;
  const reference = await makeReference(root, id, imagePath, maskPath);
  const stored = await updateProject(root, withClass, (now) => ({
    ...now,
    references: [...now.references.filter((other) => other.class !== id), reference],
  }));
  return { project: stored, reference };
}

function storedReference(root: string, project: Project, className: string | undefined): ProjectReference {
  const of = findClass(project, className);
  const reference = project.references.find((one) => className === undefined || one.class === of?.id);
  if (reference === undefined) {
    const about = className === undefined ? '' : ` for class "${className}"`;
    throw new UserError(`${root} has no reference${about} yet: give one with --reference (and --mask).`);
  }
  if (className === undefined && project.references.some((one) => one.class !== reference.class)) {
    const names = project.classes.map(({ name }) => name).join(', ');
    throw new UserError(`${root} has references of several classes (${names}): choose one with --class.`);
  }
  return reference;
}

/** The mask of an image of the project, where no other was named. */
async function ownMask(root: string, project: Project, image: string): Promise<string> {
  if (leaves(path.relative(root, image))) {
    throw new UserError(`The reference ${image} is not in ${root}, so its mask must be named: add --mask.`);
  }
  const locator = new MaskLocator(root, resolveMaskFolder(root, project.maskFolder));
  return locator.locate(relativePath(root, image));
}

function findClass({ classes }: Project, name: string | undefined): ProjectClass | undefined {
  if (name !== undefined) return classes.find((one) => one.name === name);
  return classes.length === 1 ? classes[0] : classes.find((one) => one.name === DEFAULT_CLASS);
}

function addClass(project: Project, name: string | undefined): Project {
  if (findClass(project, name) !== undefined) return project;
  const { classes } = project;
  const id = 1 + Math.max(0, ...classes.map((one) => one.id));
  const colour = CLASS_COLOURS[(id - 1) % CLASS_COLOURS.length];
  return { ...project, classes: [...classes, { id, name: name ?? DEFAULT_CLASS, colour }] };
}
