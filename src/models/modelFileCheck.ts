/** Whether a file on disk is the one that a model's entry names. */
import { open, stat } from 'node:fs/promises';
import { UserError } from '../core/userError';
import { sha256File } from '../disk/hashing';
import { isAbsence } from '../disk/storageError';
import type { KnownFile, ModelFile } from './manifest';

/** Checks existence, size and SHA-256, and reads no file twice. */
export class ModelFileCheck {
  /** Files found right by this process; reading a hundred megabytes again for every session would be felt. */
  private readonly right = new Set<string>();

  /** From now on every file is read anew. */
  forget(): void {
    this.right.clear();
  }

  /** Throws UserError naming the file, what was expected and what was found. */
  async check(path: string, file: ModelFile): Promise<KnownFile> {
    const { bytes, sha256 } = file;
    const stats = await stat(path).catch(() => undefined);
    if (!stats) throw new UserError(`The model file ${path} is missing.`);
    if (bytes !== undefined && stats.size !== bytes) {
      const what = stats.size < bytes ? 'truncated' : 'another file';
      throw new UserError(`The model file ${path} is ${what}: expected ${bytes} bytes, found ${stats.size}.`);
    }
    if (sha256 === undefined) {
      throw new UserError(`The content of the model file ${path} was never confirmed: download or import it again.`);
    }
    const state = [path, stats.size, stats.mtimeMs, sha256].join('|');
    const known = { ...file, sha256, bytes: stats.size };
    if (this.right.has(state)) return known;
    const found = await sha256File(path);
    if (found !== sha256) {
      throw new UserError(`The model file ${path} has the wrong content: expected SHA-256 ${sha256}, found ${found}.`);
    }
    this.right.add(state);
    return known;
  }
}

/** An ONNX file is a protobuf whose first field is `ir_version`: tells it from a web page or a Git LFS pointer. */
export const looksLikeOnnx = (head: Uint8Array): boolean => head[0] === 0x08;

export const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );

/** Size and SHA-256 of a file that is to be imported. Throws UserError where it cannot be read. */
export async function describeFile(path: string): Promise<{ bytes: number; sha256: string }> {
  try {
    return { bytes: (await stat(path)).size, sha256: await sha256File(path) };
  } catch (cause) {
    throw unreadableModel(path, cause);
  }
}

/** Catches a web page or a Git LFS pointer saved as a model. */
export async function assertOnnx(path: string): Promise<void> {
  const first = Buffer.alloc(1);
  try {
    const handle = await open(path);
    await handle.read(first, 0, 1, 0).finally(() => handle.close());
  } catch (cause) {
    throw unreadableModel(path, cause);
  }
  if (!looksLikeOnnx(first)) throw new UserError(`${path} is not an ONNX model.`);
}

function unreadableModel(path: string, cause: unknown): UserError {
  const why = isAbsence(cause) ? 'does not exist' : `cannot be read: ${(cause as Error).message}`;
  return new UserError(`The model file ${path} ${why}.`, { cause });
}
