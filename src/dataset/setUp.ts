/** What stands before a batch: the project of a root, and the reference that is to be used. */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
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
import type { WindowEngine } from './folderWindow';
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
import { checkReferenceSize, loadReference, makeReference } from './reference';

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

/** Pixels of masks are bytes, and 255 means ignore. */
const LARGEST_CLASS_ID = 254;

/** Distinct for common colour blindness, after Okabe and Ito 2008 (Color Universal Design). */
const CLASS_COLOURS = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/** The project of a root with these settings, a new one where there is none; nothing is written (see `storeSetUp`). */
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
  const defaults = { ...PROJECT_DEFAULTS, parameters: { ...PROJECT_DEFAULTS.parameters } };
  return { ...(known ?? { version: 1, classes: [], references: [], ...defaults }), ...chosen };
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

/** What a run is to use. */
export interface SetUp {
  readonly project: Project;
  readonly reference: ProjectReference;
}

/**
 * The reference to use: the one given, which is to become its class's only one, or the stored one.
 *
 * @throws UserError when nothing is given and nothing stored, or several classes make the choice unclear
 */
export async function chooseReference(
  root: string,
  project: Project,
  { image, mask, className }: ReferenceChoice,
): Promise<SetUp> {
  if (image === undefined) {
    if (mask !== undefined) throw new UserError('A mask was given without its reference image: add --reference.');
    return { project, reference: storedReference(root, project, className) };
  }
  const imagePath = path.resolve(image);
  const maskPath = mask === undefined ? await ownMask(root, project, imagePath) : path.resolve(mask);
  const withClass = addClass(project, className);
  const { id } = findClass(withClass, className)!;
  return { project: withClass, reference: await makeReference(root, id, imagePath, maskPath) };
}

/**
 * Stores a set-up whose models could be opened, if its reference can be used too. So a start that fails leaves no
 * project behind (which would cut a folder off from those above it) and spoils none that works.
 *
 * @returns the set-up as it is on disk, where another process may have added classes
 * @throws UserError for a reference that cannot be used
 */
export async function storeSetUp(
  root: string,
  { project, reference }: SetUp,
  engine: Pick<WindowEngine, 'inspectImage'>,
): Promise<SetUp> {
  const loaded = await loadReference(root, reference);
  checkReferenceSize(loaded, (await engine.inspectImage({ image: loaded.image })).size);
  const { strategy, parameters, encoder, segmenter, maskFolder } = project;
  const { name } = project.classes.find(({ id }) => id === reference.class)!;
  let used = reference;
  const stored = await updateProject(root, project, (now) => {
    const withClass = addClass(now, name);
    used = { ...reference, class: findClass(withClass, name)!.id };
    const isKnown = withClass.references.some((one) => isDeepStrictEqual(one, used));
    const others = withClass.references.filter((one) => one.class !== used.class);
    const references = isKnown ? withClass.references : [...others, used];
    return { ...withClass, strategy, parameters, encoder, segmenter, maskFolder, references };
  });
  return { project: stored, reference: used };
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
  if (name === '') throw new UserError('A class needs a name, got an empty one.');
  const { classes } = project;
  const id = 1 + Math.max(0, ...classes.map((one) => one.id));
  if (id > LARGEST_CLASS_ID) {
    throw new UserError(
      `No class can be added after the one with id ${LARGEST_CLASS_ID}: choose a class with --class.`,
    );
  }
  const colour = CLASS_COLOURS[(id - 1) % CLASS_COLOURS.length];
  return { ...project, classes: [...classes, { id, name: name ?? DEFAULT_CLASS, colour }] };
}
