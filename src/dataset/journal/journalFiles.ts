/** The files of a journal: reads what was appended since, a line at a time, and single lines anew. */
import { type FileHandle, lstat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { openGuarded, refuseIrregular, refuseLinks, textOf } from '../../disk/guardedFile';
import { entriesIn } from '../../disk/listing';
import { explainReadError } from '../../disk/storageError';
import {
  type AnyLine,
  BATCH_WRITER_PREFIX,
  type JournalLine,
  journalFolder,
  journalLineSchema,
  type LinePosition,
  MOST_LINE_BYTES,
  placeLineSchema,
  teachingLineSchema,
} from './journal';

/** Whose files: those of persons are few however many shards there are. */
export type Writers = 'all' | 'persons';

/** Whoever wants to know what the files say. */
interface LineReader {
  /** Called with each line, in the order of its file; the last one may come again. */
  take(line: AnyLine, at: LinePosition): void;
  /** All that was taken counts no more: it is read again, from the beginning. */
  startOver(): void;
}

/** How far a file is read. */
interface Progress {
  /** Bytes that are read, always up to the end of a line but for a line that is too long. */
  readonly offset: number;
  /** What follows is more of a line that is too long. */
  readonly isSkipping: boolean;
}

const NEWLINE = 0x0a;
const READ_BYTES = 1 << 16;

export class JournalFiles {
  /** By path. */
  private readonly progress = new Map<string, Progress>();
  private broken = 0;

  constructor(
    private readonly root: string,
    private readonly reader: LineReader,
  ) {}

  /** Lines that are no journal lines and were skipped; the torn end of a file is none of them. */
  get brokenLines(): number {
    return this.broken;
  }

  /** A journal line by its place. Throws UserError if its file cannot be read. */
  line(at: LinePosition): Promise<JournalLine | undefined> {
    const path = join(journalFolder(this.root), at.file);
    return explained(path, async () => {
      const file = await openGuarded(path, this.root);
      try {
        return journalLineSchema.safeParse(JSON.parse(textOf(await readLine(file, at.offset)))).data;
      } finally {
        await file.close();
      }
    });
  }

  /** Reads what was appended since. Throws UserError if a file cannot be read or is a link. */
  async readNew(writers: Writers): Promise<void> {
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
    this.progress.clear();
    this.broken = 0;
    this.reader.startOver();
    return this.readNew('all');
  }

  /** Reads the lines after what is read; `readline` would also split at U+2028, which JSON leaves in names. */
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
          if (line.length > 0 && !isSkipping && !this.takeText(line, { file: name, offset })) this.broken++;
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
      if (pieces.length > 0) this.takeText(Buffer.concat(pieces), { file: name, offset });
      this.progress.set(path, { offset, isSkipping });
    } finally {
      await file.close();
    }
  }

  /** Says whether the text was a journal line. */
  private takeText(text: Buffer, at: LinePosition): boolean {
    let value: unknown;
    try {
      value = JSON.parse(textOf(text));
    } catch {
      // Not JSON: the caller counts it.
      return false;
    }
    const line: AnyLine | undefined =
      journalLineSchema.safeParse(value).data ??
      placeLineSchema.safeParse(value).data ??
      teachingLineSchema.safeParse(value).data;
    if (line !== undefined) this.reader.take(line, at);
    return line !== undefined;
  }
}

async function explained<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw explainReadError(error, path);
  }
}

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
