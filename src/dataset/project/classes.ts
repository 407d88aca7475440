/** Classes of a project. */
import { LARGEST_CLASS_ID } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import type { Project, ProjectClass } from './project';

/** Distinct for common colour blindness, after Okabe and Ito 2008 (Color Universal Design). */
const CLASS_COLOURS = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'];

/** The first class of a project where nobody has named it. */
export const DEFAULT_CLASS: ProjectClass = { id: 1, name: 'object', colour: CLASS_COLOURS[0] };

/** The class of this name; without a name the only class, or the one that is called "object". */
export function findClass({ classes }: Pick<Project, 'classes'>, name: string | undefined): ProjectClass | undefined {
  if (name !== undefined) return classes.find((one) => one.name === name);
  return classes.length === 1 ? classes[0] : classes.find((one) => one.name === DEFAULT_CLASS.name);
}

/**
 * The project with another class at the end: it gets the id after the largest, and the next colour where none is given.
 * Throws UserError for a name that is empty or taken, a colour that is none, and where the ids are used up.
 */
export function withClass(project: Project, name = DEFAULT_CLASS.name, colour?: string): Project {
  const { classes } = project;
  if (name.trim() === '') throw new UserError('A class needs a name, got an empty one.');
  if (findClass(project, name) !== undefined) throw new UserError(`There is a class "${name}" already.`);
  if (colour !== undefined && (!/^#[0-9a-f]{6}$/i.test(colour) || colour === '#000000')) {
    throw new UserError(`The colour of a class is #rrggbb and not black, which is the background, got "${colour}".`);
  }
  const id = 1 + Math.max(0, ...classes.map((one) => one.id));
  if (id > LARGEST_CLASS_ID) {
    throw new UserError(`No class can be added after the one with id ${LARGEST_CLASS_ID}: use one that is there.`);
  }
  const next = CLASS_COLOURS[(id - 1) % CLASS_COLOURS.length];
  return { ...project, classes: [...classes, { id, name, colour: colour ?? next }] };
}
