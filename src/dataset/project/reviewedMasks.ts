/** Masks that a person has accepted or edited, as further references of their class. */
import { area, sameSize } from '../../core/geometry';
import { classRuns, fromLabelRuns } from '../../core/pixels/labelMap';
import { type RunMask, runArea } from '../../core/pixels/mask';
import { NoEngineError, UserError } from '../../core/userError';
import { sha256 } from '../../disk/hashing';
import { byCodeUnits } from '../../disk/listing';
import { nameForm, spelledPath } from '../../disk/nameForms';
import type { ImageInfo, ReferenceSpec } from '../../protocol/engineApi';
import { absolutePath } from '../files/folder';
import { imageFailure } from '../files/imageFailure';
import type { LabelReader } from '../files/labelFile';
import type { MaskLocator } from '../files/maskLocator';
import { isPersons, type Taught, type TeachingLine } from '../journal/journal';
import type { JournalEntry, JournalView } from '../journal/journalView';

/**
 * Most reviewed masks that teach. Chosen, not measured: each is encoded once and then kept, and all of them go with
 * every question to an engine, about as many bytes as their outlines have.
 */
export const MOST_REVIEWED = 64;

/** Masks that are opened in search of those. Chosen, not measured: of several classes many are judged to be absent. */
const MOST_OPENED = 4 * MOST_REVIEWED;

/**
 * How much a mask teaches beside a reference (1). Chosen, not measured: what a person has drawn is as good as a
 * reference, what a person has let pass is a guess of ours that looked right at a glance.
 */
const WEIGHTS = { edited: 1, accepted: 0.5 } as const;

/** Masks that are named where several cannot teach. */
const MOST_NAMED = 3;

/** Whose masks teach and where they are looked for. */
export interface ReviewedSource {
  /** Absolute. */
  readonly root: string;
  readonly view: JournalView;
  readonly masks: MaskLocator;
  /** Ids of the project's classes. */
  readonly classIds: readonly number[];
  readonly inspectImage: (params: { image: string }) => Promise<ImageInfo>;
  readonly readLabels: LabelReader;
}

/** What reviewed masks teach of a class. */
export interface Teaching {
  /** By the names of their images. */
  readonly references: readonly ReferenceSpec[];
  /** What the journal is told; undefined where there is nothing to teach. */
  readonly masks: TeachingMasks | undefined;
  /** What a person should know. */
  readonly notes: readonly string[];
}

/** The masks of a teaching, by name. */
export type TeachingMasks = Pick<TeachingLine, 'class' | 'set' | 'masks'>;

/** What the lines of results call the masks that taught them. */
export const taughtBy = ({ set, masks }: TeachingMasks): Taught => ({ masks: masks.length, set });

export const NO_TEACHING: Teaching = { references: [], masks: undefined, notes: [] };

interface Candidate {
  /** As the journal spells it. */
  readonly image: string;
  readonly status: keyof typeof WEIGHTS;
  readonly entry: JournalEntry;
}

/** A mask that can teach. */
interface Taken {
  readonly reference: ReferenceSpec & Required<Pick<ReferenceSpec, 'imageHash'>>;
  readonly about: TeachingLine['masks'][number];
}

/**
 * The masks of a class that a person has accepted or edited, `most` at most: edited ones before accepted ones, and
 * newer ones before older ones. Those whose image or mask is another than the one that was judged are left out, which
 * is told; those that hold nothing of the class teach nothing.
 *
 * Equal masks of equal images give an equal digest, whatever was judged, taken back and judged again in between.
 *
 * @param name of the class, for notes
 * @param except absolute paths of images that teach otherwise, or are to be labelled
 */
export async function reviewedMasks(
  source: ReviewedSource,
  { id, name }: { readonly id: number; readonly name: string },
  { most, except }: { readonly most: number; readonly except: readonly string[] },
): Promise<Teaching> {
  const known = new Set(except.map(nameForm));
  const candidates = candidatesOf(source.view, id).filter(
    ({ image }) => !known.has(nameForm(absolutePath(source.root, image))),
  );
  const taken: Taken[] = [];
  const unfit: string[] = [];
  let opened = 0;
  while (opened < candidates.length && opened < MOST_OPENED && taken.length < Math.min(most, MOST_REVIEWED)) {
    const candidate = candidates[opened++];
    const found = await take(source, id, candidate);
    if (typeof found === 'string') unfit.push(`${candidate.image} (${found})`);
    else if (found !== undefined) taken.push(found);
  }
  taken.sort((a, b) => byCodeUnits(a.about.image, b.about.image));
  const notes =
    most > 0
      ? notesOn(name, taken, unfit, candidates.length - opened)
      : candidates.map(() => `"${name}" is learnt from its references alone: the strategy takes no more.`).slice(0, 1);
  if (taken.length === 0) return { ...NO_TEACHING, notes };
  const masks = taken.map(({ about }) => about);
  return {
    references: taken.map(({ reference }) => reference),
    masks: { class: id, set: digestOf(id, taken), masks },
    notes,
  };
}

/** Most informative first. */
function candidatesOf(view: JournalView, classId: number): Candidate[] {
  const candidates: Candidate[] = [];
  for (const { image, class: of, entry } of view.all()) {
    if (of !== classId || !isPersons(entry.status) || entry.mask === null) continue;
    // Of two spellings of a name the one whose line counts.
    if (view.entry(image, classId) === entry) {
      candidates.push({ image, status: entry.status as Candidate['status'], entry });
    }
  }
  const rank = ({ status }: Candidate) => (status === 'edited' ? 0 : 1);
  return candidates.sort(
    (a, b) => rank(a) - rank(b) || byCodeUnits(b.entry.time, a.entry.time) || byCodeUnits(a.image, b.image),
  );
}

/** Undefined for a mask without the class, and words for one that cannot teach. */
async function take(
  { root, view, masks, classIds, inspectImage, readLabels }: ReviewedSource,
  classId: number,
  { image, status, entry }: Candidate,
): Promise<Taken | string | undefined> {
  try {
    const path = await spelledPath(absolutePath(root, image));
    const { labels, sha256: mask, manner } = await readLabels({ mask: await masks.locate(image), classIds });
    if (!view.knowsMask(image, mask)) return 'another program has changed its mask since: accept it again';
    if (manner !== null) return 'its mask is no map of class ids';
    const runs = classRuns(fromLabelRuns(labels), classId);
    const drawn = runArea(runs);
    if (drawn === 0) return undefined;
    if (drawn === area(runs.size)) return 'its mask covers the whole image';
    const { file, size } = await inspectImage({ image: path }).catch((error: unknown) => {
      throw imageFailure(path, error, 'looked at');
    });
    if (entry.file !== null && entry.file.sha256 !== file.sha256) return 'the image has changed since';
    if (!sameSize(size, runs.size)) return 'its mask has another size';
    return {
      reference: { image: path, mask: runs, imageHash: file.sha256, weight: WEIGHTS[status] },
      about: { image, status, file: file.sha256, mask },
    };
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof NoEngineError) throw error;
    return error.message.replace(/\.$/, '');
  }
}

/** Pixels and not files: another class in a mask changes its file, and nothing of what it teaches of this one. */
function digestOf(classId: number, taken: readonly Taken[]): string {
  const each = taken.map(({ reference: { imageHash, mask }, about }) => [imageHash, hashOf(mask), about.status]);
  const inOrder = each.map((one) => one.join(' ')).sort();
  return sha256(JSON.stringify([classId, inOrder])).slice(0, 16);
}

const hashOf = ({ runs }: RunMask): string => sha256(new Uint8Array(runs.buffer, runs.byteOffset, runs.byteLength));

function notesOn(name: string, taken: readonly Taken[], unfit: readonly string[], unopened: number): string[] {
  const notes: string[] = [];
  const edited = taken.filter(({ about }) => about.status === 'edited').length;
  const kinds = [
    ...(edited > 0 ? [`${edited} edited`] : []),
    ...(edited < taken.length ? [`${taken.length - edited} accepted`] : []),
  ];
  const cut = unopened > 0 ? `, the edited and the newest; ${unopened} more are not used` : '';
  if (taken.length > 0) {
    const what = taken.length === 1 ? 'a reviewed mask' : `${taken.length} reviewed masks`;
    notes.push(`"${name}" is learnt from ${what} as well (${kinds.join(', ')}${cut}).`);
  }
  if (unfit.length > 0) {
    const more = unfit.length > MOST_NAMED ? ` and ${unfit.length - MOST_NAMED} more` : '';
    notes.push(`left out of what "${name}" is learnt from: ${unfit.slice(0, MOST_NAMED).join(', ')}${more}.`);
  }
  return notes;
}
