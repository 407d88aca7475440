/**
 * The note of what was put on disk for an entry that names URLs: how, and which content where the manifest knows none.
 */
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { writeAtomic } from '../disk/atomicFile';
import type { ModelName, UnknownFile } from '../protocol/modelApi';
import type { KnownFile } from './manifest';
import { label } from './modelDescription';

const recordSchema = z.object({
  how: z.enum(['downloaded', 'imported']),
  files: z.array(z.object({ role: z.string(), sha256: z.string(), bytes: z.int() })),
});

export type InstallRecord = z.infer<typeof recordSchema>;

/** Undefined where nothing was installed, or the note is damaged: then the manifest alone decides. */
export async function readRecord(path: string): Promise<InstallRecord | undefined> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Notes some files of a model; others keep their note. */
export async function writeRecord(path: string, how: InstallRecord['how'], files: readonly KnownFile[]): Promise<void> {
  const before = (await readRecord(path))?.files ?? [];
  const now = files.map(({ role, sha256, bytes }) => ({ role, sha256, bytes }));
  const kept = before.filter(({ role }) => !now.some((file) => file.role === role));
  await writeAtomic(path, `${JSON.stringify({ how, files: [...kept, ...now] }, null, 2)}\n`, { isPrivate: true });
}

/** Says whether the user accepts files whose hash nobody has published. */
export type Confirm = (files: readonly UnknownFile[]) => Promise<boolean>;

/** Why a model with files that nobody has published a hash for is not used yet. */
export function unconfirmed(name: ModelName, files: readonly UnknownFile[]): string {
  const list = files.map(({ file, sha256 }) => `${file} ${sha256}`).join(', ');
  return `No SHA-256 is published for the ${label(name)}, and what was found was not accepted: ${list}.`;
}
