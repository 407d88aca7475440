/** `.apmedsam/project.json`: all that changes results or paths. */
import { isAbsolute, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { oneLine, UserError } from '../../core/userError';
import { createAtomic, replaceAtomic } from '../../disk/atomicFile';
import { FILE_KINDS, readGuarded, textOf } from '../../disk/guardedFile';
import { sha256, sortKeys } from '../../disk/hashing';
import { absolutePath, PROJECT_FOLDER, relativePath } from '../files/folder';
import { leaves } from '../files/maskFolder';
import { Turns } from './turns';

/** Raised when an older program would misread the file. */
const VERSION = 1;

/** Ours has four. */
const MOST_LEVELS = 100;

/** Other writers of the file that an update puts up with before it gives up. */
const UPDATE_ATTEMPTS = 10;

/** Longest pause before the next try; its length is left to chance, so that two writers do not meet again. */
const RETRY_MS = 50;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256');

const classSchema = z.looseObject({
  /** 1 to 254: the pixel value in masks. */
  id: z.int().min(1).max(254),
  name: z.string().min(1),
  /** #rrggbb; black is the background. */
  colour: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, 'expected a colour as #rrggbb')
    .refine((colour) => colour !== '#000000', 'expected another colour than black, which is the background'),
});

const MANNER = /^(?:one value|classes|soft|dark|instances|value \d+)$/;

const referenceSchema = z.looseObject({
  /** Id of the class. */
  class: z.int(),
  /** Paths as `storedPath` makes them. */
  image: z.string().min(1),
  mask: z.string().min(1),
  imageHash: hash,
  maskHash: hash,
  /** How the mask is read where it is not plain, see `MaskManner` of core, and whether it is turned upright by EXIF. */
  manner: z.stringFormat('manner of reading', MANNER).exactOptional(),
  turned: z.literal(true).exactOptional(),
});

const windowSchema = z
  .looseObject({ low: z.number(), high: z.number() })
  .refine(({ low, high }) => low < high, 'expected low < high');

const band = z.int().min(1, 'expected bands counted from 1');

const bandsSchema = z.tuple([band, band, band]);

const projectSchema = z
  .looseObject({
    version: z.literal(VERSION, `expected version ${VERSION}, as this version of AP-MedSAM writes it`),
    classes: z.array(classSchema),
    references: z.array(referenceSchema),
    strategy: z.string().min(1),
    /** Parameters of the strategy, which checks them itself. */
    parameters: z.record(z.string(), z.unknown()),
    encoder: z.string().min(1),
    segmenter: z.string().min(1),
    /** Relative to the root, or absolute. */
    maskFolder: z.string().min(1),
    /** For images of more than 8 bits. */
    window: windowSchema.exactOptional(),
    /** Bands shown as red, green and blue, counted from 1, for images that have more or others. */
    bands: bandsSchema.exactOptional(),
  })
  .superRefine(({ classes, references }, context) => {
    const report = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (new Set(classes.map(({ id }) => id)).size < classes.length) report('classes', 'two classes have the same id');
    if (new Set(classes.map(({ name }) => name)).size < classes.length) report('classes', 'two classes share a name');
    const stray = references.find((reference) => !classes.some(({ id }) => id === reference.class));
    if (stray !== undefined)
      report('references', `${stray.image} refers to class ${stray.class}, which does not exist`);
  });

export type ProjectClass = Readonly<z.infer<typeof classSchema>>;
export type ProjectReference = Readonly<z.infer<typeof referenceSchema>>;
export type Project = Readonly<z.infer<typeof projectSchema>>;

export const projectFile = (root: string): string => join(root, PROJECT_FOLDER, 'project.json');

/**
 * The project of a root, null if there is none yet. Throws UserError naming file and problem; the file is left alone.
 */
export async function loadProject(root: string): Promise<Project | null> {
  const bytes = await readGuarded(projectFile(root), root, FILE_KINDS.project);
  return bytes === null ? null : parseProject(textOf(bytes), projectFile(root));
}

/** Updates by this process, by project file. */
const updates = new Turns();

/**
 * Changes the project on disk, or `initial` where there is none, and returns the outcome. `change` may be called again
 * if another process writes in between; updates of one process take turns.
 *
 * @throws UserError if the file on disk is broken
 */
export function updateProject(root: string, initial: Project, change: (project: Project) => Project): Promise<Project> {
  const path = projectFile(root);
  return updates.take(path, () => updateFile(root, initial, change));
}

async function updateFile(root: string, initial: Project, change: (project: Project) => Project): Promise<Project> {
  const path = projectFile(root);
  for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
    const bytes = await readGuarded(path, root, FILE_KINDS.project);
    const project = change(bytes === null ? initial : parseProject(textOf(bytes), path));
    const text = projectText(project);
    // All shards of a job store the same at the same time: only the first has to write.
    if (bytes?.toString('utf8') === text) return project;
    const options = { within: root };
    const written =
      bytes === null
        ? await createAtomic(path, text, options)
        : await replaceAtomic(path, text, sha256(bytes), options);
    if (written) return project;
    await sleep(Math.random() * RETRY_MS);
  }
  throw new UserError(`${path} is being changed by another process all the time; try again.`);
}

/** Stable text: known keys in the schema's order, others after them by name, two spaces, a newline at the end. */
export function projectText(project: Project): string {
  const ordered = {
    ...inOrder(project, projectSchema),
    classes: project.classes.map((one) => inOrder(one, classSchema)),
    references: project.references.map((one) => inOrder(one, referenceSchema)),
    ...(project.window && { window: inOrder(project.window, windowSchema) }),
  };
  return `${JSON.stringify(ordered, null, 2)}\n`;
}

/** How a path is stored: posix and relative to the root when inside it, else absolute. */
export function storedPath(root: string, path: string): string {
  return leaves(relative(root, path)) ? path : relativePath(root, path);
}

/** Absolute path of a stored one. */
export function resolveStored(root: string, stored: string): string {
  return isAbsolute(stored) ? stored : absolutePath(root, stored);
}

function parseProject(text: string, path: string): Project {
  let value: unknown;
  if (nesting(text) > MOST_LEVELS) {
    throw new UserError(`${path} is nested more than ${MOST_LEVELS} levels deep; repair or remove it.`);
  }
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${path} is not valid JSON (${oneLine(reason)}); repair or remove it.`, { cause: error });
  }
  const result = projectSchema.safeParse(value);
  if (result.success) return result.data;
  const { path: at, message } = result.error.issues[0];
  const where = at.length > 0 ? ` at "${oneLine(at.join('.'))}"` : '';
  throw new UserError(`${path} is not a valid project${where}: ${oneLine(message)}.`, { cause: result.error });
}

/** Levels of a JSON text, found without recursion, which a stranger's file could drive too deep. */
function nesting(text: string): number {
  let level = 0;
  let deepest = 0;
  // Strings are passed over whole, with the brackets in them.
  for (const [found] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (found === '[' || found === '{') deepest = Math.max(deepest, ++level);
    else if (found === ']' || found === '}') level--;
  }
  return deepest;
}

function inOrder(value: Readonly<Record<string, unknown>>, schema: { shape: object }): Record<string, unknown> {
  const known = Object.keys(schema.shape).filter((key) => key in value);
  const others = Object.keys(value).filter((key) => !known.includes(key));
  return Object.fromEntries([...known, ...others.sort()].map((key) => [key, sortKeys(value[key])]));
}
