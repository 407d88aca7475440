/** Paired differences: the same reference on the same target, answered in two ways. */
import type { Observation } from './bootstrap';

/** What a pair is made of. */
interface Answer extends Omit<Observation, 'value'> {
  readonly dice: number;
}

/** Dice of each row less that of the one with the same key among `others`; rows without one are left out. */
export function differences<Row extends Answer>(
  rows: readonly Row[],
  others: readonly Row[],
  keyOf: (row: Row) => string,
): Observation[] {
  const known = new Map(others.map((row) => [keyOf(row), row.dice]));
  return rows.flatMap((row) => {
    const other = known.get(keyOf(row));
    const { set, reference, target, dice } = row;
    return other === undefined ? [] : [{ set, reference, target, value: dice - other }];
  });
}
