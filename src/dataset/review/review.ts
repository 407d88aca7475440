/** What a person has to look at in a root: every image with what is known of its classes, kept up with the journal. */
import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../../core/userError';
import { EMPTY_HASH } from '../../disk/atomicFile';
import { FileHashes } from '../../disk/fileHashes';
import { openNamed } from '../../disk/guardedFile';
import { byCodeUnits } from '../../disk/listing';
import { nameForm } from '../../disk/nameForms';
import { explainReadError } from '../../disk/storageError';
import { FORMAT_BYTES } from '../../formats/imageFormat';
import { checkMaskEnds, END_BYTES } from '../../formats/maskFile';
import { mapBounded } from '../files/bounded';
import { findImages, OPEN_FILES } from '../files/folder';
import { resolveMaskFolder } from '../files/maskFolder';
import { MaskLocator } from '../files/maskLocator';
import { type JournalEntry, type JournalView, JournalViews } from '../journal/journalView';
import type { Project } from '../project/project';
import { openProject, type ProjectDefaults } from '../project/setUp';
import { targetsOf } from '../project/targets';
import { Turns } from '../project/turns';
import { nameKey, type ReviewRow } from './reviewOrder';

export interface ReviewOptions {
  /** Views that others look at as well. */
  readonly journals?: JournalViews;
  /** Hashes that others ask for as well. */
  readonly hashes?: FileHashes;
  /** What a root without a project file is taken to have. */
  readonly defaults?: ProjectDefaults;
}

/** A mask file is written shortly before its line; the clock of a network disk may be ahead by as much. */
const CLOCK_MS = 2000;

/** An image as it was when the disk was looked at. */
interface ImageState {
  readonly image: string;
  /** Its place in the order of names. */
  readonly rank: number;
  /** Why it is none, in one sentence. */
  problem: string | null;
  /** Absolute path of its mask. */
  readonly mask: string;
  found: FoundMask;
}

interface FoundMask {
  readonly hasMask: boolean;
  /** Whether it is of unknown origin: a person's, with another program. */
  readonly isForeign: boolean;
  /** Why it cannot be read, in one sentence, where it is foreign and that can be told at a glance. */
  readonly problem?: string;
}

export class Review {
  private images: readonly ImageState[] = [];
  /** By the form of the image's name, in which lines may spell it otherwise than the disk. */
  private byName = new Map<string, readonly ImageState[]>();
  private byMask: ReadonlyMap<string, string> = new Map();
  private current: readonly ReviewRow[] = [];
  /** What the rows were made for. */
  private classes: readonly number[] = [];
  private references: ReadonlySet<string> = new Set();
  private maskFolder = '';
  /** Images whose entries have changed since their rows were made; null: all of them. */
  private dirty: Set<string> | null = null;
  private readonly unsubscribe: () => void;
  private readonly turns = new Turns();

  private constructor(
    private readonly root: string,
    private readonly view: JournalView,
    private readonly hashes: FileHashes,
    private readonly defaults: ProjectDefaults | undefined,
  ) {
    this.unsubscribe = view.onEntry((image) => {
      if (image === null) this.dirty = null;
      else this.dirty?.add(image);
    });
  }

  /** Looks at a root. Throws UserError if project or journal cannot be read. */
  static async open(root: string, options: ReviewOptions = {}): Promise<Review> {
    const { journals = new JournalViews(), hashes = new FileHashes(), defaults } = options;
    const review = new Review(root, await journals.of(root), hashes, defaults);
    await review.rescan();
    return review;
  }

  /**
   * A row per image and class, by name of the image. Classes are those that have a reference or anything in the
   * journal; all of the project's where none has. The list is a new one when anything in it has changed.
   */
  get rows(): readonly ReviewRow[] {
    return this.current;
  }

  /**
   * Takes up what was written to journal and project since, and says whether a row has changed. Cheap enough for a few
   * times a second while a batch runs. Images that have come or gone, and what other programs did to masks, are seen by
   * `rescan` and `look`.
   */
  refresh(): Promise<boolean> {
    return this.turns.take('', async () => {
      const project = await openProject(this.root, {}, this.defaults);
      await this.view.refresh();
      const isOther = this.dirty === null || project.maskFolder !== this.maskFolder;
      return isOther ? this.scan(project) : this.update(project);
    });
  }

  /** Looks at all images and masks again, and says whether a row has changed. */
  rescan(): Promise<boolean> {
    return this.turns.take('', async () => this.scan(await openProject(this.root, {}, this.defaults)));
  }

  dispose(): void {
    this.unsubscribe();
  }

  /** The image whose mask lies at an absolute path, whether there is one or not. */
  imageOf(mask: string): string | undefined {
    return this.byMask.get(mask);
  }

  /** Looks at some images' masks again (posix paths of the images), and says whether a row has changed. */
  look(images: readonly string[]): Promise<boolean> {
    return this.turns.take('', async () => {
      await this.view.refresh();
      const states = [...this.takeNews(), ...this.statesOf(images)];
      await mapBounded(this.statesOf(images), OPEN_FILES, async (state) => {
        state.found = await this.lookAt(state.image, state.mask);
      });
      return this.update(await openProject(this.root, {}, this.defaults), states);
    });
  }

  private async scan(project: Project): Promise<boolean> {
    const maskFolder = resolveMaskFolder(this.root, project.maskFolder);
    const scan = await findImages(this.root, { maskFolder });
    await this.view.refresh();
    const { images, failures } = targetsOf(this.root, scan, this.view, project.references);
    // What comes while the disk is looked at is news.
    this.dirty = new Set();
    const masks = new MaskLocator(this.root, maskFolder, this.view);
    const named = [
      ...images.map((image) => ({ image, key: nameKey(image), problem: null })),
      ...failures.map(({ image, message }) => ({ image, key: nameKey(image), problem: message })),
    ].sort((a, b) => byCodeUnits(a.key, b.key) || byCodeUnits(a.image, b.image));
    const ranked = named.map(({ image, problem }, rank) => ({ image, problem, rank }));
    this.images = await mapBounded(ranked, OPEN_FILES, async (one) => {
      try {
        const mask = await masks.locate(one.image);
        return { ...one, mask, found: await this.lookAt(one.image, mask) };
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        const found = { hasMask: false, isForeign: false };
        return { ...one, mask: masks.usualPath(one.image), found, problem: one.problem ?? error.message };
      }
    });
    this.byName = new Map();
    for (const state of this.images) {
      const name = nameForm(state.image);
      this.byName.set(name, [...(this.byName.get(name) ?? []), state]);
    }
    this.byMask = new Map(this.images.map(({ image, mask }) => [mask, image]));
    this.maskFolder = project.maskFolder;
    return this.update(project, this.images);
  }

  /** Whether an image has a mask, and whether that is of unknown origin. */
  private async lookAt(image: string, mask: string): Promise<FoundMask> {
    const info = await stat(mask).catch(() => null);
    if (info === null || !info.isFile() || info.size === 0) return { hasMask: false, isForeign: false };
    const written = this.view.newest(image, true)?.time;
    // Reading all masks of a folder takes a while: those that nobody has written to since their line are ours.
    // A line that is dated in the future says nothing of what was written since.
    if (written !== undefined) {
      const dated = Date.parse(written);
      const isPast = dated <= Date.now() + CLOCK_MS;
      if (isPast && info.mtimeMs <= dated + CLOCK_MS) return { hasMask: true, isForeign: false };
    }
    if (written === undefined && !this.view.knows(image)) return foreignMask(mask, info.size);
    const hash = await this.hashes.of(mask).catch(() => EMPTY_HASH);
    const isForeign = hash !== null && !this.view.knowsMask(image, hash);
    return isForeign ? foreignMask(mask, info.size) : { hasMask: hash !== null, isForeign };
  }

  /** Images whose entries have changed since they were asked for last: where a line tells of a mask, it is there. */
  private takeNews(): readonly ImageState[] {
    const news = this.statesOf([...(this.dirty ?? [])]);
    this.dirty &&= new Set();
    for (const state of news) {
      const newest = this.view.newest(state.image);
      if (newest?.mask) state.found = { hasMask: true, isForeign: false };
      // Whoever got a result could read the file: it has been repaired since the disk was looked at.
      if (newest && newest.status !== 'failed') state.problem = null;
    }
    return news;
  }

  private statesOf(images: readonly string[]): readonly ImageState[] {
    return images.flatMap((image) => this.byName.get(nameForm(image)) ?? []);
  }

  /**
   * Makes rows anew, and says whether any is another one: all of them where classes, references or the image list are
   * others than before, else those that are due and those of images with other entries.
   */
  private update(project: Project, due: readonly ImageState[] = []): boolean {
    const classes = this.classesOf(project);
    const references = new Set(project.references.map((one) => placeOf(one.class, one.image)));
    const before = this.current;
    const width = classes.length;
    const isSame =
      isDeepStrictEqual(classes, this.classes) &&
      isDeepStrictEqual(references, this.references) &&
      before.length === this.images.length * width;
    this.classes = classes;
    this.references = references;
    const news = this.takeNews();
    const rows = isSame ? [...before] : new Array<ReviewRow>(this.images.length * width);
    let changed = rows.length !== before.length;
    for (const state of isSame ? [...due, ...news] : this.images) {
      classes.forEach((classId, j) => {
        const at = state.rank * width + j;
        const isReference = references.has(placeOf(classId, state.image));
        rows[at] = rowOf(state, classId, this.view.entry(state.image, classId), isReference);
        changed ||= !isEqual(rows[at], before[at]);
      });
    }
    if (changed) this.current = rows;
    return changed;
  }

  private classesOf({ classes, references }: Project): readonly number[] {
    const ids = classes.map(({ id }) => id);
    const used = ids.filter((id) => this.view.classes.has(id) || references.some((one) => one.class === id));
    return used.length > 0 ? used : ids;
  }
}

/** A mask of unknown origin, looked at by its two ends: reading all masks of a folder takes a while. */
async function foreignMask(path: string, size: number): Promise<FoundMask> {
  const found = { hasMask: true, isForeign: true };
  try {
    const file = await openNamed(path);
    try {
      const length = Math.min(size, FORMAT_BYTES);
      const [head, tail] = [Buffer.alloc(length), Buffer.alloc(Math.min(size, END_BYTES))];
      await file.read(head, 0, length, 0);
      await file.read(tail, 0, tail.length, size - tail.length);
      checkMaskEnds(head, tail, path);
    } finally {
      await file.close();
    }
    return found;
  } catch (error) {
    const reason = explainReadError(error, path);
    if (reason instanceof UserError) return { ...found, problem: reason.message };
    throw error;
  }
}

function rowOf(
  { image, problem, mask, found: { hasMask, isForeign, problem: maskProblem } }: ImageState,
  classId: number,
  entry: JournalEntry | undefined,
  isReference: boolean,
): ReviewRow {
  const about = { image, classId, mask, hasMask };
  const none = { trust: null, iouPrediction: null, error: null };
  if (isReference) return { ...about, ...none, status: 'reference' };
  if (problem !== null) return { ...about, ...none, status: 'failed', error: problem };
  if (maskProblem !== undefined) return { ...about, ...none, status: 'failed', error: maskProblem };
  if (isForeign) return { ...about, ...none, status: 'edited' };
  // A run makes the mask again that somebody has removed.
  if (entry === undefined || (entry.status === 'auto' && !hasMask)) return { ...about, ...none, status: 'none' };
  const { status, error, trust, trustParts } = entry;
  const isModels = status === 'auto' || status === 'accepted';
  return { ...about, ...none, status, error, ...(isModels && { trust, iouPrediction: trustParts.iouPrediction }) };
}

const isEqual = (a: ReviewRow, b: ReviewRow): boolean =>
  a.image === b.image &&
  a.classId === b.classId &&
  a.status === b.status &&
  a.trust === b.trust &&
  a.iouPrediction === b.iouPrediction &&
  a.error === b.error &&
  a.mask === b.mask &&
  a.hasMask === b.hasMask;

const placeOf = (classId: number, image: string): string => `${classId} ${nameForm(image)}`;
