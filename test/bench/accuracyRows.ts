/** What bench:accuracy has measured: one row per target. */
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

/** Of all stages but reading and encoding. */
export const ownMilliseconds = (times: Readonly<Record<string, number>>): number =>
  Object.entries(times).reduce((sum, [stage, ms]) => sum + (NOT_ITS_OWN.includes(stage) ? 0 : ms), 0);

export function rowOf(
  place: Pick<Row, 'variant' | 'group' | 'set' | 'seed' | 'referenceNotes'>,
  { reference, target, dice, iou, boundaryF, result }: ImageScore,
): Row {
  const { outcome, iouPrediction, trust, notes, times } = result;
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
    ms: ownMilliseconds(times),
    notes,
    referenceNotes,
    times,
  };
}
