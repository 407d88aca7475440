/** What bench:accuracy has measured: one row per target, kept in a file as it comes, so that no stop loses it. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import type { ImageScore } from '../../src/dataset/evaluate';

/** One answer, as a JSON line has it. */
export interface Row {
  readonly variant: string;
  readonly group: string;
  readonly set: string;
  readonly seed: number;
  readonly reference: string;
  readonly target: string;
  readonly dice: number;
  readonly iou: number;
  readonly boundaryF: number;
  readonly outcome: 'mask' | 'absent';
  readonly iouPrediction: number | null;
  readonly trust: number | null;
  /** Of all stages but reading and encoding, which variants share. */
  readonly ms: number;
  readonly notes: readonly string[];
  readonly referenceNotes: readonly string[];
  readonly times: Readonly<Record<string, number>>;
}

/** What a row is of. With one vote the seed does not matter: it draws references, and the answer is the same. */
export type RowPlace = Pick<Row, 'variant' | 'group' | 'set' | 'seed' | 'reference' | 'target'>;

export const keyOf = ({ variant, group, set, seed, reference, target }: RowPlace, votes: number): string =>
  JSON.stringify([variant, group, set, ...(votes > 1 ? [seed] : []), reference, target]);

/** Shared by the variants, or no work on this image. */
const NOT_ITS_OWN = ['total', 'read', 'encode', 'keep'];

export function rowOf(
  place: Pick<Row, 'variant' | 'group' | 'set' | 'seed' | 'referenceNotes'>,
  { reference, target, dice, iou, boundaryF, result }: ImageScore,
): Row {
  const { outcome, iouPrediction, trust, notes, times } = result;
  const own = Object.entries(times).filter(([stage]) => !NOT_ITS_OWN.includes(stage));
  const { referenceNotes, ...where } = place;
  return {
    ...where,
    reference: reference.name,
    target: target.name,
    dice,
    iou,
    boundaryF,
    outcome,
    iouPrediction: iouPrediction ?? null,
    trust: trust ?? null,
    ms: own.reduce((sum, [, ms]) => sum + ms, 0),
    notes,
    referenceNotes,
    times,
  };
}

/** The rows of a file, none where there is no file; a last line that a stop has cut short is cut off. */
export function readRows(file: string): Row[] {
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) truncateSync(file, end);
  return bytes
    .toString('utf8', 0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Row => JSON.parse(line));
}

export const appendRow = (file: string, row: Row): void => appendFileSync(file, `${JSON.stringify(row)}\n`);
