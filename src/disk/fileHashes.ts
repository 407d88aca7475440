/** Hashes of files that are asked for again and again. */
import { stat } from 'node:fs/promises';
import { sha256File } from './hashing';
import { isAbsence } from './storageError';

interface Known {
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly hash: string;
}

/** A file that was written this recently may change again without a difference in its time. */
const SETTLED_MS = 2000;

/** Remembers the SHA-256 of files and hashes them again only where size or time of change say that they may differ. */
export class FileHashes {
  private readonly known = new Map<string, Known>();

  /** Null if there is no such file. Rejects as reading does (EACCES and so on). */
  async of(path: string): Promise<string | null> {
    try {
      const { size: bytes, mtimeMs } = await stat(path);
      const known = this.known.get(path);
      if (known !== undefined && known.bytes === bytes && known.mtimeMs === mtimeMs) return known.hash;
      // Views that ask do not wait for a file that another program holds: they ask again.
      const hash = await sha256File(path, { ms: 0 });
      this.known.delete(path);
      if (Date.now() - mtimeMs > SETTLED_MS) this.known.set(path, { bytes, mtimeMs, hash });
      return hash;
    } catch (error) {
      this.known.delete(path);
      if (isAbsence(error)) return null;
      throw error;
    }
  }
}
