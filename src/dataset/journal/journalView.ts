/** All journal files of a project merged: what is known of each image and class. */
import { isPlain, nameForm, pathKey } from '../../disk/nameForms';
import { usualPlaces } from '../files/maskFolder';
import {
  type AnyLine,
  isPersons,
  type JournalLine,
  type LinePosition,
  type PlaceLine,
  type Taught,
  type TeachingLine,
} from './journal';
import { JournalFiles, type Writers } from './journalFiles';
import { beats, isNewer, isOfPerson, type Stamp, type Stamped, stampOf } from './lineOrder';

/** The state of one class in one image: the line that counts, without its prompts, which would fill the memory. */
export type JournalEntry = Omit<JournalLine, 'prompts' | 'kind' | 'image' | 'class'>;

/** Told of each image that has another entry than before; null: of all images. */
type EntryListener = (image: string | null) => void;

interface ImageRecord {
  /** Where the mask lies; undefined where no line has told. */
  place?: string;
  readonly entries: Map<number, Stamped<JournalEntry>>;
  /** Hashes of all masks that were written or about to be. */
  readonly masks: Set<string>;
  /** Newest intent per class that no `done` has followed. */
  readonly unfinished: Map<number, Stamped<JournalLine>>;
}

/** The last time that a journal line can carry. */
const END_OF_TIME = Date.parse('9999-12-31T23:59:59.999Z');

export class JournalView {
  private readonly files: JournalFiles;
  private readonly images = new Map<string, ImageRecord>();
  /** Of names that can be spelled in several ways, the spellings of images by the form of the name. */
  private readonly spellings = new Map<string, Set<string>>();
  /** Images that are others than those whose names differ in spelling only. */
  private readonly apart = new Set<string>();
  /** Images by the key of their mask's place; made when it is first asked for. */
  private byPlace: Map<string, string[]> | undefined;
  /** One string for each run key instead of one per line. */
  private readonly runs = new Map<string, string>();
  /** One value for each set of masks that taught, by its digest. */
  private readonly taught = new Map<string, Taught>();
  /** Digests of the sets whose masks a line has named. */
  private readonly teachings = new Set<string>();
  private readonly listeners = new Set<EntryListener>();
  private readonly classIds = new Set<number>();
  private refreshing: Promise<void> = Promise.resolve();

  private constructor(root: string) {
    this.files = new JournalFiles(root, {
      take: (line, at) => this.take(line, at),
      startOver: () => this.clear(),
    });
  }

  /** Reads all journal files, a line at a time. Throws UserError if one cannot be read or is a link. */
  static async read(root: string): Promise<JournalView> {
    const view = new JournalView(root);
    await view.refresh();
    return view;
  }

  /** Ids of all classes that have an entry in any image. */
  get classes(): ReadonlySet<number> {
    return this.classIds;
  }

  /** Calls `listener` whenever entries change, until the function that is returned is called. */
  onEntry(listener: EntryListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Lines that are no journal lines and were skipped; the torn end of a file is none of them. */
  get brokenLines(): number {
    return this.files.brokenLines;
  }

  entry(image: string, classId: number): JournalEntry | undefined {
    return this.find(image)?.entries.get(classId)?.value;
  }

  /** The line that counts with all that it says, read anew. Throws UserError if its file cannot be read. */
  async line(image: string, classId: number): Promise<JournalLine | undefined> {
    const at = this.find(image)?.entries.get(classId)?.stamp;
    return at && (await this.files.line(at));
  }

  /** Whether a mask of this hash is ours, or a person's that we were told of. */
  knowsMask(image: string, maskHash: string): boolean {
    return this.find(image)?.masks.has(maskHash) ?? false;
  }

  /** Whether any mask of an image is known. */
  knows(image: string): boolean {
    return (this.find(image)?.masks.size ?? 0) > 0;
  }

  /** Whether a person has accepted or edited any class of an image. */
  isJudged(image: string): boolean {
    return [...(this.find(image)?.entries.values() ?? [])].some(({ value }) => isPersons(value.status));
  }

  /** Whether a line says which masks a set is made of. */
  knowsTeaching(set: string): boolean {
    return this.teachings.has(set);
  }

  /** Where the mask of an image lies, relative to the mask folder; undefined if no line has told. */
  placeOf(image: string): string | undefined {
    return this.find(image)?.place;
  }

  /** Images whose mask lies at a place, or usually does, where lines tell of a mask and not where. */
  imagesAt(place: string): readonly string[] {
    this.byPlace ??= this.indexPlaces();
    return this.byPlace.get(pathKey(place)) ?? [];
  }

  /**
   * From now on takes images whose names differ only in their spelling for others. Before, a line about one spelling is
   * about the image of any: a project may go on where names are written in another way.
   */
  tellApart(images: readonly string[]): void {
    for (const image of images) this.apart.add(image);
  }

  /** Of the entries of an image's classes the one that was written last; only of those with a mask, if asked. */
  newest(image: string, withMask = false): JournalEntry | undefined {
    let newest: Stamped<JournalEntry> | undefined;
    for (const entry of this.find(image)?.entries.values() ?? []) {
      if (withMask && entry.value.mask === null) continue;
      if (newest === undefined || newest.stamp.time < entry.stamp.time) newest = entry;
    }
    return newest?.value;
  }

  /** Time for a line about a class in an image: now, or just after what is known where that is dated later. */
  nextTime(image: string, classId: number): string {
    const record = this.find(image);
    const known = [record?.entries.get(classId), record?.unfinished.get(classId)];
    const times = known.map((one) => (one === undefined ? 0 : Date.parse(one.stamp.time) + 1));
    return new Date(Math.min(Math.max(Date.now(), ...times), END_OF_TIME)).toISOString();
  }

  /** The newest intent for a class in an image that no `done` has followed. */
  intent(image: string, classId: number): JournalLine | undefined {
    return this.find(image)?.unfinished.get(classId)?.value;
  }

  /** Every image and class with its entry, in no particular order. */
  *all(): Generator<{ readonly image: string; readonly class: number; readonly entry: JournalEntry }> {
    for (const [image, { entries }] of this.images) {
      for (const [classId, { value }] of entries) yield { image, class: classId, entry: value };
    }
  }

  /** Intents of all writers or of persons that a crash, or a person who was faster, left without their `done`. */
  *unfinished(writers: Writers = 'all'): Generator<JournalLine> {
    for (const { unfinished, entries } of this.images.values()) {
      for (const [classId, { value, stamp }] of unfinished) {
        const entry = entries.get(classId)?.value;
        const isOwn = isOfPerson(stamp);
        if (isOwn || (writers === 'all' && !(entry !== undefined && isPersons(entry.status)))) yield value;
      }
    }
  }

  /** Merges what was appended since, of all writers or of persons only. */
  refresh(writers: Writers = 'all'): Promise<void> {
    const refreshed = this.refreshing.then(() => this.files.readNew(writers));
    this.refreshing = refreshed.catch(() => undefined);
    return refreshed;
  }

  /** Remembers that a line says which masks a set is made of. */
  mergeTeaching({ set }: Pick<TeachingLine, 'set'>): void {
    this.teachings.add(set);
  }

  /** Merges one line that tells whose a mask is. */
  mergePlace({ image, place }: Pick<PlaceLine, 'image' | 'place'>): void {
    const record = this.record(image);
    if (record.place === undefined && this.byPlace !== undefined) add(this.byPlace, pathKey(place), image);
    else this.byPlace = undefined;
    record.place = place;
  }

  /**
   * Merges one line: what a person says beats a run that nobody asked for, then the newest wins. The same line may be
   * merged again.
   */
  merge(line: JournalLine, at: LinePosition): void {
    const record = this.record(line.image);
    if (line.mask !== null) record.masks.add(line.mask);
    if (line.place !== undefined && line.place !== record.place)
      this.mergePlace({ image: line.image, place: line.place });
    const known = record.entries.get(line.class);
    const intent = record.unfinished.get(line.class);
    const stamp = stampOf(line, at, [known, intent]);
    if (line.kind === 'intent') {
      const isNewest = [known, intent].every((one) => one === undefined || isNewer(stamp, one.stamp));
      if (isNewest) record.unfinished.set(line.class, { value: line, stamp });
      return;
    }
    if (intent !== undefined && !isNewer(intent.stamp, stamp)) record.unfinished.delete(line.class);
    const { status, file, mask, trust, trustParts, milliseconds, error, time } = line;
    const taught = line.taught && { taught: this.sharedTaught(line.taught) };
    const run = this.shared(line.run);
    const entry = { status, file, mask, run, trust, trustParts, ...taught, milliseconds, error, time };
    const stamped = { value: entry, stamp };
    if (known !== undefined && !beats(stamped, known)) return;
    record.entries.set(line.class, stamped);
    this.classIds.add(line.class);
    for (const listener of this.listeners) listener(line.image);
  }

  private take(line: AnyLine, at: LinePosition): void {
    if (line.kind === 'place') this.mergePlace(line);
    else if (line.kind === 'teaching') this.mergeTeaching(line);
    else this.merge(line, at);
  }

  private clear(): void {
    this.images.clear();
    this.teachings.clear();
    this.spellings.clear();
    this.byPlace = undefined;
    this.classIds.clear();
    for (const listener of this.listeners) listener(null);
  }

  /** What is known of an image under any spelling of its name. */
  private find(image: string): ImageRecord | undefined {
    const own = this.images.get(image);
    if (isPlain(image) || this.apart.has(image)) return own;
    const spellings = [...(this.spellings.get(nameForm(image)) ?? [])].filter((one) => !this.apart.has(one));
    if (spellings.length === 0) return own;
    const [first, ...others] = spellings.map((one) => this.images.get(one)!);
    return others.reduce(joined, first);
  }

  private record(image: string): ImageRecord {
    let record = this.images.get(image);
    if (record === undefined) {
      record = { entries: new Map(), masks: new Set(), unfinished: new Map() };
      this.images.set(image, record);
      if (!isPlain(image)) {
        const form = nameForm(image);
        this.spellings.set(form, (this.spellings.get(form) ?? new Set()).add(image));
      }
    }
    return record;
  }

  private indexPlaces(): Map<string, string[]> {
    const index = new Map<string, string[]>();
    for (const [image, { place, masks }] of this.images) {
      if (place === undefined && masks.size === 0) continue;
      add(index, pathKey(place ?? usualPlaces(image)[0]), image);
    }
    return index;
  }

  private shared(run: string | null): string | null {
    if (run === null) return null;
    const known = this.runs.get(run);
    if (known !== undefined) return known;
    this.runs.set(run, run);
    return run;
  }

  private sharedTaught(taught: Taught): Taught {
    const known = this.taught.get(taught.set);
    if (known?.masks === taught.masks) return known;
    this.taught.set(taught.set, taught);
    return taught;
  }
}

/** One view per root for all who look at it: a long journal takes a while to read. */
export class JournalViews {
  private readonly views = new Map<string, Promise<JournalView>>();

  /** Rejects with UserError if the journal cannot be read; the next call tries again. */
  of(root: string): Promise<JournalView> {
    let view = this.views.get(root);
    if (view === undefined) {
      view = JournalView.read(root);
      this.views.set(root, view);
      view.catch(() => this.views.delete(root));
    }
    return view;
  }
}

function add(index: Map<string, string[]>, key: string, image: string): void {
  const images = index.get(key);
  if (images === undefined) index.set(key, [image]);
  else if (!images.includes(image)) images.push(image);
}

/** Lines about one image under two spellings of its name, as if they were about one. */
function joined(a: ImageRecord, b: ImageRecord): ImageRecord {
  const entries = new Map(a.entries);
  for (const [classId, entry] of b.entries) {
    const known = entries.get(classId);
    if (known === undefined || beats(entry, known)) entries.set(classId, entry);
  }
  const isUnfinished = (classId: number, stamp: Stamp) => {
    const known = entries.get(classId);
    return known === undefined || isNewer(stamp, known.stamp);
  };
  const unfinished = new Map([...a.unfinished, ...b.unfinished].filter(([id, { stamp }]) => isUnfinished(id, stamp)));
  const place = b.place ?? a.place;
  return { entries, unfinished, masks: new Set([...a.masks, ...b.masks]), ...(place !== undefined && { place }) };
}
