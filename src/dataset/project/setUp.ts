/** What stands before a batch: the project of a root, and the reference that is to be used. */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { MaskManner } from '../../core/maskFiles/maskReading';
import { MOST_PARTS } from '../../core/prompting/tiles';
import { judging, type StrategyId, strategies, strategyIds } from '../../core/strategies';
import {
  type Ablation,
  CLUSTER_DEFAULTS,
  type ClusterPreset,
  DEFAULT_PARAMETERS,
  DEFAULT_SCALE,
  DEFAULT_VIEWS,
  MATCHER_DEFAULTS,
  type MatcherPreset,
  NO_ABLATION,
  type ScaleChoice,
  type StrategyParameters,
} from '../../core/strategies/strategy';
import { oneLine, UserError } from '../../core/userError';
import { hashIfPresent } from '../../disk/atomicFile';
import { nameForm } from '../../disk/nameForms';
import type { BandChoice } from '../../protocol/engineApi';
import { relativePath } from '../files/folder';
import { leaves, resolveMaskFolder } from '../files/maskFolder';
import { MaskLocator } from '../files/maskLocator';
import { masksBeside } from '../files/maskNames';
import { JournalView } from '../journal/journalView';
import { findClass, withClass } from './classes';
import { loadProject, type Project, type ProjectReference, projectFile, storedPath, updateProject } from './project';
import {
  type CheckedReference,
  checkReference,
  isSameReference,
  makeReference,
  type ReferenceEngine,
  withReading,
} from './reference';

/** What a person has chosen for a project; undefined where the project, or else a default, decides. */
export interface ProjectSettings {
  readonly strategy?: StrategyId | undefined;
  /** Those that are named; the others stay. */
  readonly parameters?: Partial<StrategyParameters> | undefined;
  readonly encoder?: string | undefined;
  readonly segmenter?: string | undefined;
  /** Relative to the working directory. */
  readonly maskFolder?: string | undefined;
  readonly bands?: BandChoice | undefined;
}

/** What a new project starts with. */
export type ProjectDefaults = Pick<Project, 'strategy' | 'encoder' | 'segmenter'> & {
  readonly parameters: StrategyParameters;
  /** Relative to the root, or absolute. */
  readonly maskFolder: string;
};

export const PROJECT_DEFAULTS = {
  strategy: 'ap-medsam',
  parameters: DEFAULT_PARAMETERS,
  encoder: 'embedded',
  segmenter: 'embedded',
  maskFolder: 'masks',
} as const satisfies ProjectDefaults;

/**
 * The project of a root with these settings, a new one where there is none; nothing is written (see `storeSetUp`).
 *
 * @param defaults what a new one starts with where the settings say nothing
 */
export async function openProject(
  root: string,
  settings: ProjectSettings,
  defaults: ProjectDefaults = PROJECT_DEFAULTS,
): Promise<Project> {
  const known = await loadProject(root);
  const { strategy, parameters, encoder, segmenter, maskFolder, bands } = settings;
  const chosen: Partial<Project> = {
    ...(strategy && { strategy }),
    ...(encoder && { encoder }),
    ...(segmenter && { segmenter }),
    ...(maskFolder !== undefined && { maskFolder: storedPath(root, path.resolve(maskFolder)) }),
    ...(bands && { bands: [...bands] }),
  };
  const initial = { ...defaults, parameters: { ...defaults.parameters } };
  const base = known ?? { version: 1 as const, classes: [], references: [], ...initial };
  const project = { ...base, ...chosen, parameters: { ...base.parameters, ...parameters } };
  resolveMaskFolder(root, project.maskFolder);
  return project;
}

/**
 * The project's strategy with its parameters. Throws UserError for a strategy or parameters that this version lacks.
 */
export function projectStrategy(
  root: string,
  { strategy, parameters }: Project,
): { strategy: StrategyId; parameters: StrategyParameters } {
  if (!strategyIds.includes(strategy as StrategyId)) {
    throw new UserError(
      `${projectFile(root)} asks for the strategy "${oneLine(strategy)}"; expected one of ${strategyIds.join(', ')}.`,
    );
  }
  const parsed = parametersSchema.safeParse(parameters);
  if (!parsed.success) {
    const [{ path: where, message }] = parsed.error.issues;
    throw new UserError(
      `${projectFile(root)} has odd parameters: ${oneLine(where.join('.')) || 'parameters'}: ${oneLine(message)}.`,
    );
  }
  const { ablation, minTrust, tiles, scale, matcher, cluster } = parsed.data;
  const views = parsed.data.views ?? (typeof tiles === 'number' && tiles > 1 ? tiles : undefined);
  return {
    strategy: strategy as StrategyId,
    parameters: {
      ablation: { ...NO_ABLATION, ...ablation },
      // What changes nothing must not change the run key, such as settings of another strategy.
      ...(minTrust !== undefined && judging.includes(strategy as StrategyId) && { minTrust }),
      ...(views !== undefined && views !== DEFAULT_VIEWS && strategies[strategy as StrategyId].views && { views }),
      ...(scale !== undefined && scale !== DEFAULT_SCALE && strategies[strategy as StrategyId].views && { scale }),
      ...(strategy === 'matcher' && { matcher: { ...MATCHER_DEFAULTS, ...matcher } }),
      ...(strategy === 'cluster' && { cluster: { ...CLUSTER_DEFAULTS, ...cluster } }),
    },
  };
}

/** Stages that a file does not mention are on. */
const parametersSchema = z.object({
  ablation: z.partialRecord(z.enum(Object.keys(NO_ABLATION) as (keyof Ablation)[]), z.boolean()).optional(),
  minTrust: z.number().min(0).max(1).optional(),
  views: z.union([z.enum(['fast', 'thorough', 'whole']), z.int().min(2).max(MOST_PARTS)]).optional(),
  /** As version 0.1.0 called them. */
  tiles: z.union([z.enum(['auto', 'off']), z.int().min(1).max(MOST_PARTS)]).optional(),
  scale: z.enum(['auto', 'same', 'fit'] satisfies ScaleChoice[]).optional(),
  matcher: z
    .object({
      preset: z.enum(['semantic', 'object', 'part'] satisfies MatcherPreset[]).exactOptional(),
      seed: z.int32().exactOptional(),
    })
    .optional(),
  cluster: z.object({ preset: z.enum(['regions', 'prompt'] satisfies ClusterPreset[]).exactOptional() }).optional(),
});

export interface ReferenceChoice {
  /** Paths as a person gave them, relative to the working directory. */
  readonly image: string | undefined;
  readonly mask: string | undefined;
  /** Which values of the mask are the object, where a person says so. */
  readonly manner?: MaskManner | undefined;
  /** Names of the classes to segment; none: all that have references. With an image: of its class, at most one. */
  readonly classNames: readonly string[];
  /** Whether the references that the class has stay and vote with the one given, instead of giving way to it. */
  readonly keepOthers?: boolean;
}

/** What a run is to use. */
export interface SetUp {
  readonly project: Project;
  /** One per class, at least one. */
  readonly references: readonly ProjectReference[];
  /** As chosen, for a reference that is yet to be stored. */
  readonly keepOthers?: boolean;
}

/** How a person gives what is missing: the end of a sentence. */
export interface Advice {
  readonly giveReference: string;
}

const COMMAND_LINE_ADVICE: Advice = {
  giveReference: 'give one with --reference (and --mask)',
};

/**
 * The references to use: the one given, which is to become its class's only one or its first, or the first stored one
 * of each class.
 *
 * @throws UserError when nothing is given and nothing stored, also for one class of several that are named
 */
export async function chooseReference(
  root: string,
  project: Project,
  { image, mask, manner, classNames, keepOthers = false }: ReferenceChoice,
  advice: Advice = COMMAND_LINE_ADVICE,
): Promise<SetUp> {
  if (image === undefined) {
    if (mask !== undefined) throw new UserError('A mask was given without its reference image: add --reference.');
    return { project, references: storedReferences(root, project, classNames, advice) };
  }
  const imagePath = path.resolve(image);
  const [className, ...others] = classNames;
  if (others.length > 0) throw new UserError('A reference is the example of one class: name one class with it.');
  const maskPath = mask === undefined ? await ownMask(root, project, imagePath) : path.resolve(mask);
  const extended = withItsClass(project, className);
  const { id } = findClass(extended, className)!;
  const reference = { ...(await makeReference(root, id, imagePath, maskPath)), ...(manner && { manner }) };
  return { project: extended, references: [reference], keepOthers };
}

/**
 * Stores a set-up whose models could be opened, if its references can be used too. So a start that fails leaves no
 * project behind (which would cut a folder off from those above it) and spoils none that works.
 *
 * @returns the set-up as it is on disk, where another process may have added classes
 * @throws UserError for a reference that cannot be used
 */
export async function storeSetUp(
  root: string,
  { project, references, keepOthers = false }: SetUp,
  engine: ReferenceEngine,
): Promise<SetUp & { readonly checked: readonly CheckedReference[] }> {
  const checked: CheckedReference[] = [];
  for (const reference of references) checked.push(await checkReference(root, reference, engine, project.classes));
  const { strategy, parameters, encoder, segmenter, maskFolder, bands } = project;
  let used: readonly ProjectReference[] = references;
  const stored = await updateProject(root, project, (now) => {
    let extended: Project = withBands({ ...now, strategy, parameters, encoder, segmenter, maskFolder }, bands);
    used = references.map((made, index) => {
      const reference = withReading(made, checked[index]);
      const { name } = project.classes.find(({ id }) => id === reference.class)!;
      extended = withItsClass(extended, name);
      const one = { ...reference, class: findClass(extended, name)!.id };
      extended = { ...extended, references: withReference(extended.references, one, keepOthers) };
      return one;
    });
    return extended;
  });
  return { project: stored, references: used, checked };
}

/** With other bands than before the window of the project goes: it was measured on those. */
function withBands(project: Project, bands: Project['bands']): Project {
  if (bands === undefined || isDeepStrictEqual(bands, project.bands)) return project;
  const { window, ...others } = project;
  return { ...others, bands };
}

/** References with one more, unless it is there already: before the others of its class, or in their place. */
function withReference(
  references: readonly ProjectReference[],
  used: ProjectReference,
  keepOthers: boolean,
): ProjectReference[] {
  if (references.some((one) => isSameReference(one, used))) {
    return references.map((one) => (isSameReference(one, used) ? used : one));
  }
  const ofClass = references.filter((one) => one.class === used.class && nameForm(one.image) !== nameForm(used.image));
  const others = references.filter((one) => one.class !== used.class);
  return [...others, used, ...(keepOthers ? ofClass : [])];
}

/** The first reference of each of the named classes, or of all classes that have one; by class id. */
function storedReferences(
  root: string,
  { classes, references }: Project,
  classNames: readonly string[],
  { giveReference }: Advice,
): ProjectReference[] {
  const firstOf = (classId: number | undefined) => references.find((one) => one.class === classId);
  const wanted = classNames.map((name) => {
    const reference = firstOf(classes.find((one) => one.name === name)?.id);
    if (reference !== undefined) return reference;
    throw new UserError(`${root} has no reference for class "${name}" yet: ${giveReference}.`);
  });
  const chosen = new Set(classNames.length > 0 ? wanted : classes.flatMap(({ id }) => firstOf(id) ?? []));
  if (chosen.size === 0) throw new UserError(`${root} has no reference yet: ${giveReference}.`);
  return [...chosen].sort((a, b) => a.class - b.class);
}

/** The mask of an image of the project, where no other was named. */
async function ownMask(root: string, project: Project, image: string): Promise<string> {
  if (leaves(path.relative(root, image))) {
    throw new UserError(`The reference ${image} is not in ${root}, so its mask must be named: add --mask.`);
  }
  const locator = new MaskLocator(root, resolveMaskFolder(root, project.maskFolder), await JournalView.read(root));
  const mask = await locator.locate(relativePath(root, image));
  const [beside] = (await hashIfPresent(mask)) === null ? await masksBeside(image) : [];
  if (beside === undefined) return mask;
  throw new UserError(
    `The reference ${image} has no mask ${mask}, but ${beside} looks like its mask: add --mask ${beside} if it is.`,
  );
}

const withItsClass = (project: Project, name: string | undefined): Project =>
  findClass(project, name) === undefined ? withClass(project, name) : project;
