/** The interval of a mean over sets, against every resample that there is. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../seeded';
import { meanOverSets, type Observation } from './bootstrap';

/** One set with every reference on every target. */
const table = (values: readonly (readonly number[])[], set = 'a'): Observation[] =>
  values.flatMap((row, reference) =>
    row.map((value, target) => ({ set, reference: `r${reference}`, target: `t${target}`, value })),
  );

/** All ways to draw `count` things as often with replacement, as counts; each is as likely as the others. */
function allDraws(count: number): number[][] {
  let draws: number[][] = [[]];
  for (let k = 0; k < count; k++) {
    draws = draws.flatMap((draw) => Array.from({ length: count }, (_, one) => [...draw, one]));
  }
  return draws.map((draw) => Array.from({ length: count }, (_, one) => draw.filter((drawn) => drawn === one).length));
}

/** Percentiles of the means of all resamples of references times all resamples of targets, each taken once. */
function exactInterval(values: readonly (readonly number[])[]): [low: number, high: number] {
  const means = allDraws(values.length).flatMap((references) =>
    allDraws(values[0].length).map((targets) => {
      const weighted = values.flatMap((row, r) => row.map((value, t) => references[r] * targets[t] * value));
      return weighted.reduce((sum, value) => sum + value, 0) / (values.length * values[0].length);
    }),
  );
  means.sort((a, b) => a - b);
  const at = (share: number) => means[Math.round(share * (means.length - 1))];
  return [at(0.025), at(0.975)];
}

describe('the mean over sets', () => {
  it('weighs sets alike, however many observations they have', () => {
    const found = meanOverSets([...table([[1, 1, 1, 1]], 'a'), ...table([[0]], 'b')], seededRandom(1));
    expect(found).toMatchObject({ sets: 2, observations: 5, mean: 0.5 });
  });

  it('has the interval that all resamples of references and targets have', () => {
    const values = [
      [0.1, 0.25, 0.9, 0.4],
      [0.3, 0.05, 0.7, 0.45],
      [0.8, 0.6, 0.2, 0.95],
    ];
    const { mean, low, high } = meanOverSets(table(values), seededRandom(1));
    const [exactLow, exactHigh] = exactInterval(values);
    expect(mean).toBeCloseTo(0.475, 10);
    // 2000 of the 6912 resamples, drawn: the ends are a little chance.
    expect(Math.abs(low - exactLow)).toBeLessThan(0.02);
    expect(Math.abs(high - exactHigh)).toBeLessThan(0.02);
  });

  it('does not take many answers of one reference on one target for many numbers', () => {
    // All references agree on each target, so that there are four numbers and not forty.
    const agreeing = table(Array.from({ length: 10 }, () => [0, 0, 1, 1]));
    const independent = table([Array.from({ length: 40 }, (_, target) => target % 2)]);
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    expect(width(meanOverSets(agreeing, seededRandom(1)))).toBe(1);
    expect(width(meanOverSets(independent, seededRandom(1)))).toBeLessThan(0.4);
  });

  it('is as narrow as a difference that is the same everywhere', () => {
    expect(
      meanOverSets(
        table([
          [0.5, 0.5],
          [0.5, 0.5],
        ]),
        seededRandom(1),
      ),
    ).toMatchObject({ low: 0.5, high: 0.5 });
  });

  it('copes with targets that some references do not have', () => {
    const diagonal = table([[1]]).concat([{ set: 'a', reference: 'r1', target: 't1', value: 3 }]);
    expect(meanOverSets(diagonal, seededRandom(1))).toMatchObject({ mean: 2, low: 1, high: 3 });
  });

  it('refuses nothing at all', () => {
    expect(() => meanOverSets([], seededRandom(1))).toThrow(RangeError);
  });
});
