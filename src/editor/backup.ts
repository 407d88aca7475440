/**
 * What a hot exit keeps of unsaved work, in one file: VS Code's own structured clone, so that typed arrays stay what they
 * are. Written whole or not at all; read back only by the version that wrote it.
 */
import { readFile } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { fromLabelRuns, type LabelRuns, toLabelRuns } from '../core/labelMap';
import { UserError } from '../core/userError';
import { writeAtomic } from '../disk/atomicFile';
import type { DocumentState } from './labelDocument';
import type { Restored } from './openImage';

/** Raised with any change of what is kept that this version could not read from an older one. */
const FORMAT = 'ap-medsam backup 1';

interface Content {
  readonly format: typeof FORMAT;
  readonly labels: LabelRuns;
  readonly state: DocumentState;
  readonly classId: number;
  readonly maskHash: string | null;
}

/** Throws UserError where the disk refuses. */
export async function writeBackup(path: string, { labels, state, classId, maskHash }: Restored): Promise<void> {
  const content: Content = { format: FORMAT, labels: toLabelRuns(labels), state, classId, maskHash };
  await writeAtomic(path, serialize(content));
}

/** Throws UserError where the file cannot be read or is no backup of this version. */
export async function readBackup(path: string): Promise<Restored> {
  let content: Partial<Content> | undefined;
  try {
    content = deserialize(await readFile(path)) as Partial<Content>;
  } catch (cause) {
    throw new UserError(`The unsaved edits kept in ${path} cannot be read.`, { cause });
  }
  if (content?.format !== FORMAT) throw new UserError(`${path} is no backup of this version of AP-MedSAM.`);
  const { labels, state, classId, maskHash } = content as Content;
  return { labels: fromLabelRuns(labels), state, classId, maskHash };
}
