/** A file on its way: what has arrived of it lies in `<name>.part`, and survives the process. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, moveAtomic, PRIVATE_FILE, removeIfPresent, writeAtomic } from '../disk/atomicFile';
import { whenFree } from '../disk/patience';
import { explainWriteError } from '../disk/storageError';

/** What the server said of the content that the part belongs to. */
export interface PartOrigin {
  readonly url: string;
  /** A strong ETag, else the time of change: what If-Range takes. */
  readonly validator?: string;
  readonly total?: number;
}

const partPath = (path: string): string => `${path}.part`;
const originPath = (path: string): string => `${path}.part.json`;
/** Where content goes that is not what it should be. */
const rejectedPath = (path: string): string => `${path}.rejected`;

/** Everything that a download may leave beside the file itself. */
export const tracesOf = (path: string): readonly string[] => [partPath(path), originPath(path), rejectedPath(path)];

/** Bytes in the part of a file, undefined where there is none. */
export async function partBytes(path: string): Promise<number | undefined> {
  return (await stat(partPath(path)).catch(() => undefined))?.size;
}

export class PartFile {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private hash: Hash,
    private bytes: number,
    private from: PartOrigin | undefined,
  ) {}

  /**
   * Opens the part of the file that will be at `path`, and hashes what is in it. Throws UserError where the disk
   * refuses.
   */
  static async open(path: string, signal?: AbortSignal): Promise<PartFile> {
    await makeFolder(dirname(path), { isPrivate: true });
    const part = partPath(path);
    try {
      const file = await whenFree(() => open(part, 'a+', PRIVATE_FILE));
      try {
        const hash = createHash('sha256');
        for await (const chunk of createReadStream(part, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
          hash.update(chunk as Buffer);
        }
        return new PartFile(path, file, hash, (await file.stat()).size, await readOrigin(path));
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (error) {
      throw explainWriteError(error, part);
    }
  }

  /** Bytes that are there. */
  get size(): number {
    return this.bytes;
  }

  /** What is known of the content, undefined for an empty part. */
  get origin(): PartOrigin | undefined {
    return this.bytes > 0 ? this.from : undefined;
  }

  /** Drops what is there and begins with other content. */
  async restart(origin?: PartOrigin): Promise<void> {
    await this.writing(async () => {
      await this.file.truncate(0);
      this.bytes = 0;
      this.hash = createHash('sha256');
      this.from = origin;
      if (origin) await writeAtomic(originPath(this.path), JSON.stringify(origin), { isPrivate: true });
      else await removeIfPresent(originPath(this.path));
    });
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.writing(async () => {
      for (let at = 0; at < chunk.length; ) at += (await this.file.write(chunk, at)).bytesWritten;
    });
    this.hash.update(chunk);
    this.bytes += chunk.length;
  }

  /** SHA-256 of what is there. */
  sha256(): string {
    return this.hash.copy().digest('hex');
  }

  /** First bytes of the content, fewer where it is shorter. */
  async head(length: number): Promise<Buffer> {
    const { buffer, bytesRead } = await this.file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async writing(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw explainWriteError(error, partPath(this.path));
    }
  }
}

/** Puts a complete part in its place. */
export async function placePart(path: string): Promise<void> {
  await moveAtomic(partPath(path), path);
  await Promise.all([originPath(path), rejectedPath(path)].map((trace) => removeIfPresent(trace)));
}

/** Puts a part with wrong content out of the way, replacing what was put there before; gives its path. */
export async function rejectPart(path: string): Promise<string> {
  await moveAtomic(partPath(path), rejectedPath(path));
  await removeIfPresent(originPath(path));
  return rejectedPath(path);
}

/** None where the note is missing or was cut off: the part can then only be judged by its hash. */
async function readOrigin(path: string): Promise<PartOrigin | undefined> {
  try {
    const { url, validator, total } = JSON.parse(await readFile(originPath(path), 'utf8')) as Partial<PartOrigin>;
    if (typeof url !== 'string') return undefined;
    return {
      url,
      ...(typeof validator === 'string' && { validator }),
      ...(typeof total === 'number' && { total }),
    };
  } catch {
    return undefined;
  }
}
