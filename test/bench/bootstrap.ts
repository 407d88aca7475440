/** How far a mean over sets is to be believed: the bootstrap of references and targets. Pure. */

/** One number that one reference gave on one target. */
export interface Observation {
  readonly set: string;
  readonly reference: string;
  readonly target: string;
  readonly value: number;
}

export interface MeanOverSets {
  readonly sets: number;
  readonly observations: number;
  readonly mean: number;
  /** Ends of the 95 % interval. */
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;

/** Of a set: the observations as a table of references and targets, some of whose cells may be empty. */
interface SetTable {
  readonly references: number;
  readonly targets: number;
  readonly cells: readonly { readonly reference: number; readonly target: number; readonly value: number }[];
}

/**
 * The mean over sets of the means of their observations: sets weigh the same, however many observations they have.
 *
 * The interval is a percentile bootstrap (Efron 1979) of both factors (the "pigeonhole" bootstrap, Owen 2007): in each
 * set, and in each resample, as many references are drawn with replacement from its references as it has, and
 * independently as many targets from its targets; an observation counts as often as its reference was drawn times as
 * often as its target was. So all answers on one target stay together, and so do all answers of one reference: nine
 * references on ten targets are not ninety independent numbers. The sets themselves are not resampled: the interval
 * speaks of other images of these kinds, not of other kinds. Of paired differences it is the paired interval.
 *
 * Throws RangeError without observations.
 */
export function meanOverSets(observations: readonly Observation[], random: () => number): MeanOverSets {
  if (observations.length === 0) throw new RangeError('there are no observations to take the mean of');
  const bySet = new Map<string, Observation[]>();
  for (const one of observations) bySet.set(one.set, [...(bySet.get(one.set) ?? []), one]);
  const tables = [...bySet.values()].map(tableOf);
  const mean = meanOf(tables.map(({ cells }) => meanOf(cells.map(({ value }) => value))));
  const means = Array.from({ length: RESAMPLES }, () => meanOf(tables.map((table) => resampledMean(table, random))));
  means.sort((a, b) => a - b);
  const at = (share: number) => means[Math.round(share * (RESAMPLES - 1))];
  return { sets: tables.length, observations: observations.length, mean, low: at(0.025), high: at(0.975) };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function tableOf(observations: readonly Observation[]): SetTable {
  const references = numbered(observations.map(({ reference }) => reference));
  const targets = numbered(observations.map(({ target }) => target));
  const cells = observations.map(({ reference, target, value }) => ({
    reference: references.get(reference)!,
    target: targets.get(target)!,
    value,
  }));
  return { references: references.size, targets: targets.size, cells };
}

const numbered = (names: readonly string[]): Map<string, number> =>
  new Map([...new Set(names)].map((name, index) => [name, index]));

/** Drawn again where no observation is of a drawn reference and a drawn target. */
function resampledMean({ references, targets, cells }: SetTable, random: () => number): number {
  for (;;) {
    const referenceCounts = drawnCounts(references, random);
    const targetCounts = drawnCounts(targets, random);
    let sum = 0;
    let weight = 0;
    for (const { reference, target, value } of cells) {
      const count = referenceCounts[reference] * targetCounts[target];
      sum += count * value;
      weight += count;
    }
    if (weight > 0) return sum / weight;
  }
}

/** How often each of `count` things is drawn in as many draws with replacement. */
function drawnCounts(count: number, random: () => number): Uint32Array {
  const counts = new Uint32Array(count);
  for (let draw = 0; draw < count; draw++) counts[Math.floor(random() * count)]++;
  return counts;
}
