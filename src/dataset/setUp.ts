/** What stands before a batch: the project of a root, and the reference that is to be used. */
import path from 'node:path';
import { z } from 'zod';
import { strategyIds } from '../core/strategies';
import {
  type Ablation,
  DEFAULT_PARAMETERS,
  NO_ABLATION,
  type StrategyId,
  type StrategyParameters,
} from '../core/strategies/strategy';
import { UserError } from '../core/userError';
import { relativePath } from './folder';
import { leaves, MaskLocator, resolveMaskFolder } from './maskFolder';
import {
  loadProject,
  type Project,
  type ProjectClass,
  type ProjectReference,
  projectFile,
  storedPath,
  updateProject,
} from './project';
import { loadReference, makeReference } from './reference';

/** What a person has chosen for a project; undefined where the project, or else a default, decides. */
export interface ProjectSettings {
  readonly strategy?: StrategyId | undefined;
  readonly parameters?: StrategyParameters | undefined;
  readonly encoder?: string | undefined;
  readonly segmenter?: string | undefined;
  /** Relative to the working directory. */
  readonly maskFolder?: string | undefined;
}

/** What a new project starts with. */
export const PROJECT_DEFAULTS = {
  strategy: 'ap-medsam',
  parameters: DEFAULT_PARAMETERS,
  encoder: 'embedded',
  segmenter: 'embedded',
  maskFolder: 'masks',
} as const;

/** Name of the first class of a project where nobody has named it. */
const DEFAULT_CLASS = 'object';

/** Distinct for common colour blindness, after Okabe and Ito 2008 (Color Universal Design). */
const CLASS_COLOURS = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/**
 * The project of a root with these settings stored in it. Where there is none it is made but not written yet: a start
 * that fails for want of a reference leaves no project behind, which would cut a folder off from those above it.
 */
export async function openProject(root: string, settings: ProjectSettings): Promise<Project> {
  const known = await loadProject(root);
  const { strategy, parameters, encoder, segmenter, maskFolder } = settings;
  const chosen: Partial<Project> = {
    ...(strategy && { strategy }),
    ...(parameters && { parameters: { ...parameters } }),
    ...(encoder && { encoder }),
    ...(segmenter && { segmenter }),
    ...(maskFolder !== undefined && { maskFolder: storedPath(root, path.resolve(maskFolder)) }),
  };
  resolveMaskFolder(root, chosen.maskFolder ?? known?.maskFolder ?? PROJECT_DEFAULTS.maskFolder);
  if (known !== null) return updateProject(root, known, (now) => ({ ...now, ...chosen }));
  const defaults = { ...PROJECT_DEFAULTS, parameters: { ...PROJECT_DEFAULTS.parameters } };
  return { version: 1, classes: [], references: [], ...defaults, ...chosen };
}

/** The project's strategy with its parameters. Throws UserError for a strategy or parameters that this version lacks. */
export function projectStrategy(
  root: string,
  { strategy, parameters }: Project,
): { strategy: StrategyId; parameters: StrategyParameters } {
  if (!strategyIds.includes(strategy as StrategyId)) {
    throw new UserError(
      `${projectFile(root)} asks for the strategy "${strategy}"; expected one of ${strategyIds.join(', ')}.`,
    );
  }
  const parsed = parametersSchema.safeParse(parameters);
  if (!parsed.success) {
    const [{ path: where, message }] = parsed.error.issues;
    throw new UserError(`${projectFile(root)} has odd parameters: ${where.join('.') || 'parameters'}: ${message}.`);
  }
  return { strategy: strategy as StrategyId, parameters: { ablation: { ...NO_ABLATION, ...parsed.data.ablation } } };
}

/** Stages that a file does not mention are on. */
const parametersSchema = z.object({
  ablation: z.partialRecord(z.enum(Object.keys(NO_ABLATION) as (keyof Ablation)[]), z.boolean()).optional(),
});

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
  const { id } = findClass(addClass(project, className), className)!;
  const reference = await makeReference(root, id, imagePath, maskPath);
  // Looked at before it takes the place of one that works.
  await loadReference(root, reference);
  const stored = await updateProject(root, project, (now) => {
    const withClass = addClass(now, className);
    const { id: classId } = findClass(withClass, className)!;
    const others = withClass.references.filter((other) => other.class !== classId);
    return { ...withClass, references: [...others, { ...reference, class: classId }] };
  });
  return { project: stored, reference: storedReference(root, stored, findClass(stored, className)!.name) };
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
