/**
 * What the values of a mask file mean. A file says nothing of it: 0 and 255 may be background and object, background
 * and "ignore", or black lines on white paper; 1, 2, 3 may be classes or objects. What decides is how the values are
 * spread over the image, and what is asked: the pixels of one class, or the labels of all.
 */
import { area } from '../geometry';
import { IGNORE, LARGEST_CLASS_ID, type LabelMap } from '../pixels/labelMap';
import type { Mask } from '../pixels/mask';
import { UserError } from '../userError';
import { fieldOf, type MaskField } from './maskField';
import type { MaskSamples } from './maskSamples';

/**
 * How values were taken. `one value`: whatever is marked. `classes`: ids, of which one is the class. `soft`: the upper
 * half of the values, at the rim the lower one is background. `dark`: the lower half, on white. `instances`: an id per
 * object. `value 7`: the pixels of 7, as a person said.
 */
export type MaskManner = 'one value' | 'classes' | 'soft' | 'dark' | 'instances' | `value ${number}`;

export interface MaskQuestion {
  readonly classId: number;
  /** The classes that are known: values that are all among them are ids. */
  readonly classIds?: readonly number[];
  /** Said by a person, or found when the mask was read before; else it is decided. */
  readonly manner?: MaskManner | undefined;
  /** False where it is known that the object is not dark on white: others of the same set are not. */
  readonly onWhite?: boolean;
}

interface ObjectReading {
  readonly mask: Mask;
  readonly manner: MaskManner;
  /** What a person should know of how the mask was read. */
  readonly notes: readonly string[];
}

interface LabelReading {
  readonly labels: LabelMap;
  /** How values that are no ids were taken; null where the labels are as they stand in the file. */
  readonly manner: MaskManner | null;
  readonly notes: readonly string[];
}

/** What foreground without an id of its own becomes in labels. */
const FOREIGN_FOREGROUND = 255;

/** More values than this are not worth listing in a message. */
const LISTED_VALUES = 8;

/** Of the pixels that are marked at all, those that reach the upper eighth: a soft rim has a full inside. */
const FULL_INSIDE = 0.3;

/** Of the pixels between, those that have both higher and lower ones beside them. */
const BETWEEN = 0.5;

/** Pixels between that are so few beside the full ones are strays, where no two of a value lie together. */
const STRAYS = 0.005;

/** Of black on white, the largest share of the image and of its border that is dark. */
const DARK_AREA = 0.5;
const DARK_BORDER = 0.02;

/** From as many values on, nearly each of them in one piece, they are objects; of fewer it cannot be told. */
const INSTANCES = 4;
const ONE_PIECE = 0.9;

/** So many values that they are no classes; where 8 bits are too few for all objects, numbers are used again. */
const MANY_VALUES = 32;
const PIECES_OF_MANY = 4;

/** More values than this, and hardly two neighbours alike: a picture, not a mask. */
const PICTURE_VALUES = 20;
const PICTURE_CONSTANCY = 0.6;

/** A smaller share of the image than this is worth a word. */
const FEW_PIXELS = 1e-4;

/**
 * The pixels of one class. An empty mask is one, and a full one too.
 *
 * @param name the file's name for messages
 * @throws UserError where it cannot be told which pixels are meant: the sentence says the choices
 */
export function readObject(samples: MaskSamples, question: MaskQuestion, name: string): ObjectReading {
  const field = fieldOf(samples, name, false);
  const values = marksOf(field);
  const manner = question.manner ?? mannerOf(field, question, name);
  const mask = drawn(field, (value) => isObject(value, manner, field, question.classId));
  const notes = [...field.notes, ...noteOf(field, manner, question)];
  if (manner === 'classes' && values.length > 0 && !values.includes(question.classId)) {
    throw new UserError(`${name} has no pixels of class ${question.classId}: it holds the values ${list(values)}.`);
  }
  const count = mask.data.reduce((sum, value) => sum + value, 0);
  if (count > 0 && count < FEW_PIXELS * area(field.size))
    notes.push(`only ${countOf(count, 'pixel')} ${count === 1 ? 'is' : 'are'} marked`);
  return { mask, manner, notes };
}

/**
 * The labels of all classes. Ids of 0 to 255 come back exactly, unless they are no ids: soft edges and objects that are
 * numbered become one value, 255, as the foreground of a foreign mask without an id has.
 *
 * @param isForeign a file that a person brought from elsewhere: black on white is turned round as well
 * @param name the file's name for messages
 */
export function readLabelMap(
  samples: MaskSamples,
  { classIds = [], isForeign = false }: { readonly classIds?: readonly number[]; readonly isForeign?: boolean },
  name: string,
): LabelReading {
  const field = fieldOf(samples, name, !isForeign);
  const manner = labelManner(field, classIds, isForeign);
  if (manner === null) return { labels: exactLabels(field, name), manner, notes: field.notes };
  const mask = drawn(field, (value) => isObject(value, manner, field, FOREIGN_FOREGROUND));
  const data = mask.data.map((value) => (value === 1 ? FOREIGN_FOREGROUND : 0));
  const notes = [...field.notes, ...noteOf(field, manner, { classId: FOREIGN_FOREGROUND })];
  return { labels: { size: field.size, data }, manner, notes };
}

/** Labels as they stand in the file. Throws UserError for values above 255, unless there is a single one besides 0. */
export function exactLabelMap(samples: MaskSamples, name: string): LabelMap {
  return exactLabels(fieldOf(samples, name, true), name);
}

function exactLabels({ size, values, counts }: MaskField, name: string): LabelMap {
  if (values instanceof Uint8Array) return { size, data: values };
  const marks = [...counts.keys()].filter((value) => value !== 0);
  const largest = marks.at(-1) ?? 0;
  if (largest <= IGNORE) return { size, data: Uint8Array.from(values) };
  if (marks.length === 1) return { size, data: Uint8Array.from(values, (value) => (value ? FOREIGN_FOREGROUND : 0)) };
  throw new UserError(
    `${name} holds ${marks.length} values up to ${largest}: expected class ids of 0 to 255, or a single value.`,
  );
}

/** Values other than 0, ascending. */
const marksOf = ({ counts }: MaskField): number[] => [...counts.keys()].filter((value) => value !== 0);

/** 255 beside other values is no id, in a file of 8 bits. */
const idsOf = (field: MaskField): number[] => {
  const marks = marksOf(field);
  return marks.length > 1 && field.white <= IGNORE ? marks.filter((value) => value !== IGNORE) : marks;
};

const hasIgnored = (field: MaskField): boolean => idsOf(field).length < marksOf(field).length;

function mannerOf(field: MaskField, question: MaskQuestion, name: string): MaskManner {
  const { classId, classIds = [], onWhite = true } = question;
  const marks = marksOf(field);
  const ids = idsOf(field);
  if (marks.length <= 1) return marks[0] === field.white && onWhite && isDark(field) ? 'dark' : 'one value';
  if (field.isIndex) return ids.length === 1 ? 'one value' : 'classes';
  const areKnown = ids.every((id) => classIds.includes(id));
  if (areKnown && ids.length > 1) return 'classes';
  if (isSoft(field)) return onWhite && isDark(field) ? 'dark' : 'soft';
  const hasBackground = field.counts.has(0);
  if (ids.length === 1 && hasBackground) return 'one value';
  if (areKnown) return 'classes';
  if (!hasIgnored(field) && hasBackground) {
    if (areObjects(field, ids, INSTANCES)) return 'instances';
    // Two or three organs, or two or three cells.
    if (classId === 1 && ids.length < INSTANCES && areObjects(field, ids, 1)) throw undecided(name, ids);
  }
  if (ids.length > PICTURE_VALUES && constancy(field) < PICTURE_CONSTANCY) {
    throw new UserError(
      `${name} holds ${ids.length.toLocaleString('en')} values and hardly two neighbours alike, as a picture does: expected a mask.`,
    );
  }
  if (!ids.includes(classId) || ids.length >= MANY_VALUES) throw undecided(name, ids);
  return 'classes';
}

/** Null where labels are as they stand. */
function labelManner(field: MaskField, classIds: readonly number[], isForeign: boolean): MaskManner | null {
  const marks = marksOf(field);
  const ids = idsOf(field);
  if (marks.length <= 1) return isForeign && marks[0] === field.white && isDark(field) ? 'dark' : null;
  if (field.isIndex || ids.every((id) => classIds.includes(id))) return null;
  if (isSoft(field)) return isForeign && isDark(field) ? 'dark' : 'soft';
  const fits = ids[ids.length - 1] <= LARGEST_CLASS_ID;
  return areObjects(field, ids, isForeign || !fits ? INSTANCES : MANY_VALUES) ? 'instances' : null;
}

function isObject(value: number, manner: MaskManner, field: MaskField, classId: number): boolean {
  switch (manner) {
    case 'one value':
    case 'instances':
      return value !== 0 && !(value === IGNORE && hasIgnored(field));
    case 'classes':
      return value === classId;
    case 'soft':
      return value >= thresholdOf(field);
    case 'dark':
      return value < thresholdOf(field);
    default:
      return value === Number(manner.slice('value '.length));
  }
}

/** Half of the largest value, rounded up: 128 of 255. */
const thresholdOf = (field: MaskField): number => Math.ceil((topOf(field) + 1) / 2);

const topOf = ({ counts }: MaskField): number => [...counts.keys()][counts.size - 1];

/** The pixels of the values that are the object's. */
function drawn({ size, values, counts }: MaskField, isOne: (value: number) => boolean): Mask {
  const chosen = [...counts.keys()].filter(isOne);
  const data = new Uint8Array(area(size));
  if (values instanceof Uint32Array) {
    const set = new Set(chosen);
    for (let i = 0; i < data.length; i++) data[i] = set.has(values[i]) ? 1 : 0;
    return { size, data };
  }
  const table = new Uint8Array(values instanceof Uint8Array ? 256 : 65536);
  for (const value of chosen) table[value] = 1;
  for (let i = 0; i < data.length; i++) data[i] = table[values[i]];
  return { size, data };
}

/** Whether values lie between background and object at the rim of what is full inside, or are strays. */
function isSoft(field: MaskField): boolean {
  const { counts, white, values } = field;
  const top = topOf(field);
  if (2 * top <= white) return false;
  const isFull = (value: number) => 8 * value > 7 * top;
  let full = 0;
  let between = 0;
  for (const [value, count] of counts) {
    if (isFull(value)) full += count;
    else if (value !== 0) between += count;
  }
  if (between === 0) return true;
  const { flanked, joined } = neighboursOf(field, (value) => value !== 0 && !isFull(value), values);
  if (between <= STRAYS * full && joined === 0) return true;
  return full >= FULL_INSIDE * (full + between) && flanked >= BETWEEN * between;
}

/**
 * Of the pixels with certain values: how many have both a lower and a higher one among the eight beside them, and how
 * many one of their own value among the four.
 */
function neighboursOf(
  { size: { width, height } }: MaskField,
  isMeant: (value: number) => boolean,
  values: MaskField['values'],
) {
  let flanked = 0;
  let joined = 0;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const value = values[i];
      if (!isMeant(value)) continue;
      let [isAbove, isBelow, isJoined] = [false, false, false];
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); v++) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); u++) {
          const other = values[v * width + u];
          if (other > value) isAbove = true;
          else if (other < value) isBelow = true;
          else if ((u === x) !== (v === y)) isJoined = true;
        }
      }
      if (isAbove && isBelow) flanked++;
      if (isJoined) joined++;
    }
  }
  return { flanked, joined };
}

/** Whether the dark part lies on white: little of it at the border, which white has to itself. */
function isDark(field: MaskField): boolean {
  const { size, values } = field;
  if (2 * topOf(field) <= field.white) return false;
  const threshold = thresholdOf(field);
  const { width, height } = size;
  let dark = 0;
  let atBorder = 0;
  for (let y = 0, i = 0; y < height; y++) {
    const isRow = y === 0 || y === height - 1;
    for (let x = 0; x < width; x++, i++) {
      if (values[i] >= threshold) continue;
      dark++;
      if (isRow || x === 0 || x === width - 1) atBorder++;
    }
  }
  return dark > 0 && dark <= DARK_AREA * area(size) && atBorder <= DARK_BORDER * 2 * (width + height);
}

/** Whether at least `least` values number objects: each is one piece, or so many have few pieces each. */
function areObjects({ size: { width }, values }: MaskField, ids: readonly number[], least: number): boolean {
  if (ids.length < least) return false;
  const pieces = new Map<number, number>();
  for (const value of piecesOf(values, width)) pieces.set(value, (pieces.get(value) ?? 0) + 1);
  const mostly = (most: number) => ids.filter((id) => pieces.get(id)! <= most).length >= ONE_PIECE * ids.length;
  return mostly(1) || (ids.length >= MANY_VALUES && mostly(PIECES_OF_MANY));
}

/** The value of each 8-connected piece of equal values, but for those of 0: runs of rows, joined where they touch. */
function piecesOf(values: MaskField['values'], width: number): number[] {
  const parents: number[] = [];
  const runValues: number[] = [];
  const rootOf = (run: number): number => {
    let at = run;
    while (parents[at] !== at) at = parents[at] = parents[parents[at]];
    return at;
  };
  let above: (readonly [start: number, end: number, run: number])[] = [];
  for (let start = 0; start < values.length; start += width) {
    const runs: (readonly [number, number, number])[] = [];
    let first = 0;
    for (let x = 0; x < width; ) {
      const value = values[start + x];
      let end = x + 1;
      while (end < width && values[start + end] === value) end++;
      if (value !== 0) {
        const run = parents.push(parents.length) - 1;
        runValues.push(value);
        while (first < above.length && above[first][1] < x) first++;
        for (let k = first; k < above.length && above[k][0] <= end; k++) {
          if (runValues[above[k][2]] === value) parents[rootOf(above[k][2])] = rootOf(run);
        }
        runs.push([x, end, run]);
      }
      x = end;
    }
    above = runs;
  }
  return parents.flatMap((parent, run) => (parent === run ? [runValues[run]] : []));
}

/** Of the neighbours in a row that are both marked, the share that is equal. */
function constancy({ size: { width }, values }: MaskField): number {
  let pairs = 0;
  let equal = 0;
  for (let i = 0; i + 1 < values.length; i++) {
    if (values[i] === 0 || values[i + 1] === 0 || (i + 1) % width === 0) continue;
    pairs++;
    if (values[i] === values[i + 1]) equal++;
  }
  return pairs === 0 ? 0 : equal / pairs;
}

function noteOf(field: MaskField, manner: MaskManner, { classId, classIds = [] }: MaskQuestion): string[] {
  const marks = marksOf(field);
  const ids = idsOf(field);
  const ignored = hasIgnored(field)
    ? [`255 means "ignore" (${countOf(field.counts.get(IGNORE)!, 'pixel')}): it is taken as background`]
    : [];
  switch (manner) {
    case 'soft': {
      const top = topOf(field);
      const between = marks.filter((value) => 8 * value <= 7 * top);
      const few =
        between.length > 0 && between.length < 4
          ? between.length === 1
            ? `a stray value (${between[0]})`
            : `stray values (${between.join(', ')})`
          : null;
      const what = few ?? `soft edges (values ${marks[0]} to ${marks[marks.length - 2]} at the rim)`;
      return marks.length > 1 ? [`${what}: ${thresholdOf(field)} and more are the object`] : [];
    }
    case 'dark':
      return [
        'black on white: the dark part is taken as the object; if it is the white part, save it as 1 and the rest as 0',
      ];
    case 'instances':
      return ids.length > 1
        ? [`${ids.length.toLocaleString('en')} instances are taken as one class`, ...ignored]
        : ignored;
    case 'classes':
      if (ids.length < 2 || ids.every((id) => classIds.includes(id))) return ignored;
      return [`the values ${list(ids)} are taken as class ids: ${classId} is the object`, ...ignored];
    default:
      return ignored;
  }
}

function undecided(name: string, ids: readonly number[]): UserError {
  const [first] = ids;
  return new UserError(
    `${name} holds the values ${list(ids)}, which may be classes or objects of one class: say which value is the object, or that all are (--mask-value ${first}, --mask-value all).`,
  );
}

const countOf = (count: number, what: string): string =>
  `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;

function list(values: readonly number[]): string {
  const shown = values.slice(0, LISTED_VALUES).join(', ');
  return values.length > LISTED_VALUES ? `${shown} and ${values.length - LISTED_VALUES} more` : shown;
}
