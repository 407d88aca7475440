/** The journal: one append-only file of JSON lines per writer. This file writes; journalView.ts reads and merges. */
import type { FileHandle } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import * as z from 'zod';
import { makeFolder } from '../../disk/atomicFile';
import { openGuarded } from '../../disk/guardedFile';
import { whenFree } from '../../disk/patience';
import { explainWriteError } from '../../disk/storageError';
import { PROJECT_FOLDER } from '../files/folder';
import { leaves } from '../files/maskFolder';

/** A longer line is none of ours and is skipped unread: this is room for 200,000 prompts. */
export const MOST_LINE_BYTES = 16e6;

/**
 * What is kept in memory of every image is not to be filled by a stranger's journal: no path, hash or key is longer.
 */
const shortText = z.string().max(32_767);

/** A path that stays below the folder that it is relative to, on this system. */
const innerPath = shortText.refine((path) => {
  const inner = relative(sep, join(sep, ...path.split('/')));
  return !path.split('/').includes('..') && !leaves(inner);
}, 'expected a path that leads nowhere else');

const fileStamp = z.object({ sha256: shortText, bytes: z.number(), mtimeMs: z.number() });

const prompt = z.object({
  /** In targetPx. */
  x: z.number(),
  y: z.number(),
  label: z.union([z.literal(0), z.literal(1)]),
  instance: z.number(),
});

export const journalLineSchema = z.object({
  /** `intent`: the mask is about to be put in place. Only `done` lines say what is. */
  kind: z.enum(['intent', 'done']),
  /** Posix path relative to the root. */
  image: innerPath,
  /** Id of the class. */
  class: z.number(),
  /** `accepted` and `edited` are a person's, the others a run's. */
  status: z.enum(['auto', 'accepted', 'edited', 'absent', 'failed']),
  /** The image when it was read; null if it never was. */
  file: fileStamp.nullable(),
  /** SHA-256 of the mask file, null if none was written. */
  mask: shortText.nullable(),
  /**
   * Posix path of the mask file relative to the mask folder, where there is one. It stays the image's whatever images
   * of the same name come. Lines of versions up to 0.1 lack it; `MaskLocator` then goes by hashes and names.
   */
  place: innerPath.exactOptional(),
  /** Key of the run, null for a person's line. */
  run: shortText.nullable(),
  /** 0 to 1, how far to believe the mask; null if nobody judged. */
  trust: z.number().nullable(),
  /** What trust was made of; null for a part that could not be had. */
  trustParts: z.object({ iouPrediction: z.number().nullable() }).catchall(z.number().nullable()),
  /** Prompts that the segmenter got. */
  prompts: z.array(prompt),
  /** What taught the run's result beside the references; missing where nothing did, and in lines of old versions. */
  taught: z.object({ masks: z.int().min(1), set: shortText }).exactOptional(),
  /** Wall time in the engine, null if it was not asked. */
  milliseconds: z.number().nullable(),
  /** One sentence, null unless failed. */
  error: shortText.nullable(),
  /** ISO 8601 in UTC with milliseconds, so that text order is time order. */
  time: z.iso.datetime({ precision: 3 }),
});

/** Says of a mask that no run or editor of ours has written, and that was there, whose it is. */
export const placeLineSchema = z.object({
  kind: z.literal('place'),
  /** As in a journal line. */
  image: innerPath,
  place: innerPath,
  time: z.iso.datetime({ precision: 3 }),
});

/** Says once which masks a set is made of that the `taught` of other lines names. */
export const teachingLineSchema = z.object({
  kind: z.literal('teaching'),
  /** Id of the class. */
  class: z.number(),
  /** Digest of what the masks teach, see `teachingOf`. */
  set: shortText,
  masks: z.array(
    z.object({
      /** As in a journal line. */
      image: innerPath,
      status: z.enum(['accepted', 'edited']),
      /** SHA-256 of the image and of the mask file when they were read. */
      file: shortText,
      mask: shortText,
    }),
  ),
  time: z.iso.datetime({ precision: 3 }),
});

export type PlaceLine = Readonly<z.infer<typeof placeLineSchema>>;
export type TeachingLine = Readonly<z.infer<typeof teachingLineSchema>>;
export type JournalLine = Readonly<z.infer<typeof journalLineSchema>>;
/** The name of a set of masks in the lines of what it taught: how many there are, and a digest. */
export type Taught = NonNullable<JournalLine['taught']>;
/** Any line of a journal. */
export type AnyLine = JournalLine | PlaceLine | TeachingLine;
export type JournalStatus = JournalLine['status'];

/** Where a line stands: in one file order decides what is newer, whatever the clock said. */
export interface LinePosition {
  /** Name of the file in the journal's folder. */
  readonly file: string;
  /** Bytes before the line. */
  readonly offset: number;
}

/** Batches write `batch-...`; every other writer is a person. */
export const BATCH_WRITER_PREFIX = 'batch-';

export const journalFolder = (root: string): string => join(root, PROJECT_FOLDER, 'journal');

export const isPersons = (status: JournalStatus): boolean => status === 'accepted' || status === 'edited';

/** Appends to the file of one writer; nobody else may have that file open for writing. */
export class JournalWriter {
  /** Lines that came while others were being flushed; they share the next flush, which is what takes the time. */
  private waiting: string[] = [];
  private waitingBytes = 0;
  private next: Promise<number> | undefined;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    private bytes: number,
    /** The file ends in the middle of a line. */
    private torn: boolean,
  ) {}

  /** Opens `<writer>.jsonl`, made if missing. Throws UserError if that cannot be, and for one that is a link. */
  static async open(root: string, writer: string): Promise<JournalWriter> {
    if (!/^[\w.-]+$/.test(writer)) throw new RangeError(`a writer's name is letters, digits, . _ -, got "${writer}"`);
    await makeFolder(journalFolder(root), { within: root });
    const path = join(journalFolder(root), `${writer}.jsonl`);
    try {
      const file = await openGuarded(path, root, 'append');
      const { size } = await file.stat();
      return new JournalWriter(file, path, size, await endsTorn(file, size));
    } catch (error) {
      throw explainWriteError(error, path);
    }
  }

  /**
   * Resolves when the line is on the disk, with its position there. After a failure or a crash the next line starts
   * afresh.
   */
  async append(line: AnyLine): Promise<LinePosition> {
    const text = `${JSON.stringify(line)}\n`;
    const before = this.waitingBytes;
    this.waiting.push(text);
    this.waitingBytes += Buffer.byteLength(text);
    if (this.next === undefined) {
      // Those who waited for the flush before see its failure; the lines after it are tried all the same.
      this.next = this.last.catch(() => undefined).then(() => this.flush());
      this.last = this.next;
    }
    return { file: basename(this.path), offset: (await this.next) + before };
  }

  async close(): Promise<void> {
    await this.last.catch(() => undefined);
    await this.file.close();
  }

  /** Gives the offset of the first line. */
  private async flush(): Promise<number> {
    const lines = Buffer.from(this.waiting.join(''));
    this.waiting = [];
    this.waitingBytes = 0;
    this.next = undefined;
    try {
      return await whenFree(() => this.write(lines));
    } catch (error) {
      throw explainWriteError(error, this.path);
    }
  }

  /**
   * Gives the offset of the first line. After a failure it is not known how much of the lines was written: they can be
   * written again, the first on a line of its own.
   */
  private async write(lines: Buffer): Promise<number> {
    const isTorn = this.torn;
    this.torn = true;
    if (isTorn) {
      await this.file.appendFile('\n');
      this.bytes = (await this.file.stat()).size;
    }
    await this.file.appendFile(lines);
    await this.file.datasync();
    this.torn = false;
    const start = this.bytes;
    this.bytes += lines.length;
    return start;
  }
}

async function endsTorn(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { buffer } = await file.read(new Uint8Array(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}
