/** SHA-256 of bytes, files and values, always as 64 lower-case hexadecimal digits. */
import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { type FileKind, openNamed } from './guardedFile';
import { byCodeUnits } from './listing';
import type { Patience } from './patience';

export function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * Hash of a file, read in pieces, through links too. Rejects as opening does (UserError, ENOENT and so on).
 *
 * @param patience how a file that another program holds is waited for
 * @param kind a longer file is refused, with a UserError, before it is read
 */
export async function sha256File(path: string, patience?: Patience, kind?: FileKind): Promise<string> {
  const hash = createHash('sha256');
  // The stream closes the file.
  await pipeline((await openNamed(path, patience, kind)).createReadStream(), hash);
  return hash.digest('hex');
}

/** A JSON value with the keys of all its objects in code-unit order: equal values give equal text. */
export function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => byCodeUnits(a, b))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}
