/** The journal: one append-only file of JSON lines per writer. This file writes; journalView.ts reads and merges. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { makeFolder } from '../disk/atomicFile';
import { whenFree } from '../disk/patience';
import { explainWriteError } from '../disk/storageError';
import { PROJECT_FOLDER } from './folder';

const fileStamp = z.object({ sha256: z.string(), bytes: z.number(), mtimeMs: z.number() });

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
  image: z.string(),
  /** Id of the class. */
  class: z.number(),
  /** `accepted` and `edited` are a person's, the others a run's. */
  status: z.enum(['auto', 'accepted', 'edited', 'absent', 'failed']),
  /** The image when it was read; null if it never was. */
  file: fileStamp.nullable(),
  /** SHA-256 of the mask file, null if none was written. */
  mask: z.string().nullable(),
  /**
   * Posix path of the mask file relative to the mask folder, where there is one. It stays the image's whatever images of
   * the same name come. Lines of versions up to 0.1 lack it; `MaskLocator` then goes by hashes and names.
   */
  place: z.string().exactOptional(),
  /** Key of the run, null for a person's line. */
  run: z.string().nullable(),
  /** 0 to 1, how far to believe the mask; null if nobody judged. */
  trust: z.number().nullable(),
  /** What trust was made of; null for a part that could not be had. */
  trustParts: z.object({ iouPrediction: z.number().nullable() }).catchall(z.number().nullable()),
  /** Prompts that the segmenter got. */
  prompts: z.array(prompt),
  /** Wall time in the engine, null if it was not asked. */
  milliseconds: z.number().nullable(),
  /** One sentence, null unless failed. */
  error: z.string().nullable(),
  /** ISO 8601 in UTC with milliseconds, so that text order is time order. */
  time: z.iso.datetime({ precision: 3 }),
});

/** Says of a mask that no run or editor of ours has written, and that was there, whose it is. */
export const placeLineSchema = z.object({
  kind: z.literal('place'),
  /** As in a journal line. */
  image: z.string(),
  place: z.string(),
  time: z.iso.datetime({ precision: 3 }),
});

export type PlaceLine = Readonly<z.infer<typeof placeLineSchema>>;
export type JournalLine = Readonly<z.infer<typeof journalLineSchema>>;
export type JournalStatus = JournalLine['status'];

/** Batches write `batch-...`; every other writer is a person. */
export const BATCH_WRITER_PREFIX = 'batch-';

export const journalFolder = (root: string): string => join(root, PROJECT_FOLDER, 'journal');

export const isPersons = (status: JournalStatus): boolean => status === 'accepted' || status === 'edited';

/** Appends to the file of one writer; nobody else may have that file open for writing. */
export class JournalWriter {
  /** Lines that came while others were being flushed; they share the next flush, which is what takes the time. */
  private waiting: string[] = [];
  private next: Promise<void> | undefined;
  private last: Promise<void> = Promise.resolve();

  private constructor(
    private readonly file: FileHandle,
    private readonly path: string,
    /** The file ends in the middle of a line. */
    private torn: boolean,
  ) {}

  /** Opens `<writer>.jsonl`, made if missing. Throws UserError if that cannot be. */
  static async open(root: string, writer: string): Promise<JournalWriter> {
    if (!/^[\w.-]+$/.test(writer)) throw new RangeError(`a writer's name is letters, digits, . _ -, got "${writer}"`);
    await makeFolder(journalFolder(root));
    const path = join(journalFolder(root), `${writer}.jsonl`);
    try {
      const file = await whenFree(() => open(path, 'a+'));
      return new JournalWriter(file, path, await endsTorn(file));
    } catch (error) {
      throw explainWriteError(error, path);
    }
  }

  /** Resolves when the line is on the disk. After a failure or a crash the next line starts afresh. */
  append(line: JournalLine | PlaceLine): Promise<void> {
    this.waiting.push(`${JSON.stringify(line)}\n`);
    if (this.next === undefined) {
      // Those who waited for the flush before see its failure; the lines after it are tried all the same.
      this.next = this.last.catch(() => undefined).then(() => this.flush());
      this.last = this.next;
    }
    return this.next;
  }

  async close(): Promise<void> {
    await this.last.catch(() => undefined);
    await this.file.close();
  }

  private async flush(): Promise<void> {
    const text = this.waiting.join('');
    this.waiting = [];
    this.next = undefined;
    try {
      await whenFree(() => this.write(text));
    } catch (error) {
      throw explainWriteError(error, this.path);
    }
  }

  /** After a failure it is not known how much of the text was written: it can be written again, on a line of its own. */
  private async write(text: string): Promise<void> {
    const start = this.torn ? '\n' : '';
    this.torn = true;
    await this.file.appendFile(start + text);
    await this.file.datasync();
    this.torn = false;
  }
}

async function endsTorn(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(new Uint8Array(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}
