/** All journal files of a project merged: what is known of each image and class. */
import { type FileHandle, lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openGuarded, refuseIrregular, refuseLinks, textOf } from '../../disk/guardedFile';
import { entriesIn } from '../../disk/listing';
import { isPlain, nameForm, pathKey } from '../../disk/nameForms';
import { explainReadError } from '../../disk/storageError';
import { usualPlaces } from '../files/maskFolder';
import {
  BATCH_WRITER_PREFIX,
  isPersons,
  type JournalLine,
  journalFolder,
  journalLineSchema,
  type LinePosition,
  MOST_LINE_BYTES,
  type PlaceLine,
  placeLineSchema,
} from './journal';

/** The state of one class in one image: the line that counts, without its prompts, which would fill the memory. */
export type JournalEntry = Omit<JournalLine, 'prompts' | 'kind' | 'image' | 'class'>;

/** Told of each image that has another entry than before; null: of all images. */
export type EntryListener = (image: string | null) => void;

/**
 * How new a line is. In one file the later line is the newer one. Across files the time decides, and a line counts as
 * no older than those before it in its own file: so the clock of a machine that was ahead for a while does no harm.
 */
interface Stamp extends LinePosition {
  readonly time: string;
}

interface Stamped<T> {
  readonly value: T;
  readonly stamp: Stamp;
}

interface ImageRecord {
  /** Where the mask lies; undefined where no line has told. */
  place?: string;
  readonly entries: Map<number, Stamped<JournalEntry>>;
  /** Hashes of all masks that were written or about to be. */
  readonly masks: Set<string>;
  /** Newest intent per class that no `done` has followed. */
  readonly unfinished: Map<number, Stamped<JournalLine>>;
}

/** How far a file is merged. */
interface Progress {
  /** Bytes that are merged, always up to the end of a line but for a line that is too long. */
  readonly offset: number;
  /** What follows is more of a line that is too long. */
  readonly isSkipping: boolean;
}

const NEWLINE = 0x0a;
const READ_BYTES = 1 << 16;

/** The last time that a journal line can carry. */
const END_OF_TIME = Date.parse('9999-12-31T23:59:59.999Z');

export class JournalView {
  private readonly images = new Map<string, ImageRecord>();
  /** Of names that can be spelled in several ways, the spellings of images by the form of the name. */
  private readonly spellings = new Map<string, Set<string>>();
  /** Images that are others than those whose names differ in spelling only. */
  private readonly apart = new Set<string>();
  /** Images by the key of their mask's place; made when it is first asked for. */
  private byPlace: Map<string, string[]> | undefined;
  /** By path. */
  private readonly progress = new Map<string, Progress>();
  /** One string for each run key instead of one per line. */
  private readonly runs = new Map<string, string>();
  private readonly listeners = new Set<EntryListener>();
  private readonly classIds = new Set<number>();
  private refreshing: Promise<void> = Promise.resolve();
  private broken = 0;

  private constructor(private readonly root: string) {}

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
    return this.broken;
  }

  entry(image: string, classId: number): JournalEntry | undefined {
    return this.find(image)?.entries.get(classId)?.value;
  }

  /** The line that counts with all that it says, read anew. Throws UserError if its file cannot be read. */
  async line(image: string, classId: number): Promise<JournalLine | undefined> {
    const at = this.find(image)?.entries.get(classId)?.stamp;
    if (at === undefined) return undefined;
    const path = join(journalFolder(this.root), at.file);
    return explained(path, async () => {
      const file = await openGuarded(path, this.root);
      try {
        const text = textOf(await readLine(file, at.offset));
        return journalLineSchema.safeParse(JSON.parse(text)).data;
      } finally {
        await file.close();
      }
    });
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
  *unfinished(writers: 'all' | 'persons' = 'all'): Generator<JournalLine> {
    for (const { unfinished, entries } of this.images.values()) {
      for (const [classId, { value, stamp }] of unfinished) {
        const entry = entries.get(classId)?.value;
        const isOwn = isOfPerson(stamp);
        if (isOwn || (writers === 'all' && !(entry !== undefined && isPersons(entry.status)))) yield value;
      }
    }
  }

  /** Merges what was appended since, of all writers or of persons only (few files however many shards there are). */
  refresh(writers: 'all' | 'persons' = 'all'): Promise<void> {
    const refreshed = this.refreshing.then(() => this.readNew(writers));
    this.refreshing = refreshed.catch(() => undefined);
    return refreshed;
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
    const entry = { status, file, mask, run: this.shared(line.run), trust, trustParts, milliseconds, error, time };
    const stamped = { value: entry, stamp };
    if (known !== undefined && !beats(stamped, known)) return;
    record.entries.set(line.class, stamped);
    this.classIds.add(line.class);
    for (const listener of this.listeners) listener(line.image);
  }

  private async readNew(writers: 'all' | 'persons'): Promise<void> {
    const folder = journalFolder(this.root);
    await explained(folder, () => refuseLinks(folder, this.root));
    const names = (await entriesIn(folder)).map(({ name }) => name);
    const journals = names.filter((name) => name.endsWith('.jsonl') && !name.startsWith('.'));
    const isBatch = (name: string) => name.startsWith(BATCH_WRITER_PREFIX);
    // Persons first: whether a run counts depends on what a person has said last.
    const inOrder = [...journals.filter((name) => !isBatch(name)), ...journals.filter(isBatch)];
    const paths = inOrder.map((name) => join(folder, name));
    const meant = writers === 'all' ? paths : paths.filter((_, i) => !isBatch(inOrder[i]));
    const sizes = new Map(await Promise.all(meant.map(async (path) => [path, await sizeOf(path)] as const)));
    const known = [...this.progress.keys()];
    const rewritten = known.some((path) => !paths.includes(path) || sizes.get(path)! < this.progress.get(path)!.offset);
    if (rewritten) return this.readAgain();
    for (const [path, size] of sizes) {
      if (size !== this.progress.get(path)?.offset) await explained(path, () => this.readFile(path));
    }
  }

  /** Journals only grow, unless somebody goes to another state of the whole folder, as version control does. */
  private readAgain(): Promise<void> {
    this.images.clear();
    this.spellings.clear();
    this.byPlace = undefined;
    this.classIds.clear();
    this.progress.clear();
    for (const listener of this.listeners) listener(null);
    this.broken = 0;
    return this.readNew('all');
  }

  /** Merges the lines after what is merged; `readline` would also split at U+2028, which JSON leaves in names. */
  private async readFile(path: string): Promise<void> {
    const file = await openGuarded(path, this.root);
    try {
      const name = basename(path);
      const chunk = Buffer.alloc(READ_BYTES);
      let { offset, isSkipping } = this.progress.get(path) ?? { offset: 0, isSkipping: false };
      // Pieces of the line that begins at the offset.
      let pieces: Buffer[] = [];
      for (let position = offset; ; ) {
        const { bytesRead } = await file.read(chunk, 0, READ_BYTES, position);
        if (bytesRead === 0) break;
        let start = 0;
        for (let end = chunk.indexOf(NEWLINE); end >= 0 && end < bytesRead; end = chunk.indexOf(NEWLINE, start)) {
          const line =
            pieces.length > 0 ? Buffer.concat([...pieces, chunk.subarray(0, end)]) : chunk.subarray(start, end);
          if (line.length > 0 && !isSkipping && !this.mergeText(line, { file: name, offset })) this.broken++;
          pieces = [];
          isSkipping = false;
          start = end + 1;
          offset = position + start;
        }
        position += bytesRead;
        if (!isSkipping && position - offset > MOST_LINE_BYTES) {
          this.broken++;
          pieces = [];
          isSkipping = true;
        }
        if (isSkipping) offset = position;
        else if (start < bytesRead) pieces.push(Buffer.from(chunk.subarray(start, bytesRead)));
      }
      // Whole but for its newline, or torn: it is read again when the file has grown, so only its merit counts now.
      if (pieces.length > 0) this.mergeText(Buffer.concat(pieces), { file: name, offset });
      this.progress.set(path, { offset, isSkipping });
    } finally {
      await file.close();
    }
  }

  /** Says whether the text was a journal line. */
  private mergeText(line: Buffer, at: LinePosition): boolean {
    let value: unknown;
    try {
      value = JSON.parse(textOf(line));
    } catch {
      // Not JSON: the caller counts it.
      return false;
    }
    const parsed = journalLineSchema.safeParse(value);
    if (parsed.success) this.merge(parsed.data, at);
    if (parsed.success) return true;
    const place = placeLineSchema.safeParse(value);
    if (place.success) this.mergePlace(place.data);
    return place.success;
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

async function explained<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw explainReadError(error, path);
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

/**
 * Whether one line counts and not the other. A person's judgement gives way to what a person does later, such as asking
 * for a run on that image, and not to a run on the folder.
 */
function beats(one: Stamped<JournalEntry>, other: Stamped<JournalEntry>): boolean {
  const isJudged = isPersons(one.value.status);
  if (isJudged === isPersons(other.value.status)) return !isNewer(other.stamp, one.stamp);
  return isOfPerson((isJudged ? other : one).stamp) ? !isNewer(other.stamp, one.stamp) : isJudged;
}

/** Whether a person has written the line, with the image in view. */
const isOfPerson = ({ file }: LinePosition): boolean => !file.startsWith(BATCH_WRITER_PREFIX);

/** Bytes of the line that begins at an offset, without its end. */
async function readLine(file: FileHandle, offset: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let position = offset; position - offset < MOST_LINE_BYTES; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, position);
    const end = buffer.subarray(0, bytesRead).indexOf(NEWLINE);
    pieces.push(buffer.subarray(0, end >= 0 ? end : bytesRead));
    if (end >= 0 || bytesRead === 0) break;
    position += bytesRead;
  }
  return Buffer.concat(pieces);
}

/** Size of a journal file. Throws UserError for a link and for anything but a file. */
const sizeOf = (path: string): Promise<number> =>
  explained(path, async () => {
    const stats = await lstat(path);
    refuseIrregular(path, stats);
    return stats.size;
  });

/** @param known what is known of the same class in the same image */
function stampOf({ time }: JournalLine, at: LinePosition, known: readonly (Stamped<unknown> | undefined)[]): Stamp {
  const isBefore = (stamp: Stamp) => stamp.file === at.file && stamp.offset < at.offset;
  const before = known.flatMap((one) => (one !== undefined && isBefore(one.stamp) ? [one.stamp.time] : []));
  return { ...at, time: [time, ...before].reduce((a, b) => (a < b ? b : a)) };
}

const isNewer = (one: Stamp, other: Stamp): boolean =>
  one.file === other.file ? one.offset > other.offset : one.time > other.time;
