/**
 * Unsaved work of one document in one file: all of it as it was at some time, then each step since, as they happen. A
 * record is its length and CRC (uint32 LE each) and VS Code's own structured clone, so that typed arrays stay what they
 * are; what a crash leaves of the last record is not taken for one. Read back by the version that wrote it, and from
 * its predecessor.
 */
import { readFile } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import { applyChange, fits, type LabelChange } from '../../core/drawing/labelChange';
import { fromLabelRuns, type LabelRuns, toLabelRuns } from '../../core/pixels/labelMap';
import { UserError } from '../../core/userError';
import { whenFree } from '../../disk/patience';
import type { DocumentState, Work } from '../document/labelDocument';

/** Raised with any change of what is kept that this version could not read from an older one. */
const FORMAT = 'ap-medsam backup 2';

/** The whole content of a file of version 0.1.0, without record or steps. */
const BEFORE_STEPS = 'ap-medsam backup 1';

const HEAD_BYTES = 8;

/** A backup whose work another one holds too, as it was when that one began. */
export interface Replaced {
  /** Absolute path. */
  readonly path: string;
  readonly mtimeMs: number;
}

interface Start {
  readonly format: string;
  readonly labels: LabelRuns;
  readonly state: DocumentState;
  readonly classId: number;
  readonly maskHash: string | null;
  readonly replaces?: readonly Replaced[];
}

/** What happened since the record before; of the state only what has changed. */
export interface Step {
  readonly change: LabelChange | null;
  readonly state: Partial<DocumentState>;
  readonly classId: number;
  readonly maskHash: string | null;
}

/** The first record of a backup. */
export function encodeStart({ labels, state, classId, maskHash }: Work, replaces: readonly Replaced[]): Uint8Array {
  const start: Start = { format: FORMAT, labels: toLabelRuns(labels), state, classId, maskHash, replaces };
  return framed(start);
}

export const encodeStep = (step: Step): Uint8Array => framed(step);

/** Throws UserError where the file cannot be read or is no backup that this version knows. */
export async function readBackup(path: string): Promise<{ work: Work; replaces: readonly Replaced[] }> {
  try {
    const content = await whenFree(() => readFile(path));
    const [first, ...steps] = recordsOf(content);
    const { format, labels, state, classId, maskHash, replaces = [] } = (first ?? deserialize(content)) as Start;
    if (format !== (first === undefined ? BEFORE_STEPS : FORMAT)) throw new RangeError(`its format is ${format}`);
    const work = { labels: fromLabelRuns(labels), state, classId, maskHash };
    return { work: (steps as Step[]).reduce(afterStep, work), replaces };
  } catch (cause) {
    throw new UserError(`The unsaved edits kept in ${path} cannot be read.`, { cause });
  }
}

function afterStep({ labels, state }: Work, step: Step): Work {
  if (step.change) {
    if (!fits(labels, step.change)) throw new RangeError('a step does not fit the one before');
    applyChange(labels, step.change);
  }
  return { labels, state: { ...state, ...step.state }, classId: step.classId, maskHash: step.maskHash };
}

function framed(value: Start | Step): Uint8Array {
  const body = serialize(value);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([head, body]);
}

/** All records that are whole. */
function recordsOf(content: Buffer): unknown[] {
  const records: unknown[] = [];
  for (let at = 0; at + HEAD_BYTES <= content.length; ) {
    const end = at + HEAD_BYTES + content.readUInt32LE(at);
    const body = content.subarray(at + HEAD_BYTES, end);
    if (end > content.length || crc32(body) !== content.readUInt32LE(at + 4)) break;
    records.push(deserialize(body));
    at = end;
  }
  return records;
}
