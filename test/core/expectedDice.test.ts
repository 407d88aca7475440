/** The mask with the highest expected Dice, against every mask that a threshold can make. */
import { describe, expect, it } from 'vitest';
import { forBestDice } from '../../src/core/pixels/expectedDice';
import type { FloatMap } from '../../src/core/pixels/raster';
import { seededRandom } from '../seeded';

const row = (...values: number[]): FloatMap => ({
  size: { width: values.length, height: 1 },
  data: Float32Array.from(values),
});

const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));

/** By definition: twice what is drawn and meant over what is drawn and what is meant, all on average. */
function expectedDice(logits: readonly number[], drawn: readonly boolean[]): number {
  const meant = logits.reduce((sum, logit) => sum + sigmoid(logit), 0);
  const common = logits.reduce((sum, logit, k) => sum + (drawn[k] ? sigmoid(logit) : 0), 0);
  return (2 * common) / (drawn.filter(Boolean).length + meant);
}

describe('the line for the best Dice', () => {
  it('is where no other threshold has a higher expected Dice, and never above even odds', () => {
    const random = seededRandom(3);
    for (let trial = 0; trial < 50; trial++) {
      const spread = 1 + 6 * random();
      const logits = Array.from({ length: 40 }, () => Math.fround(spread * (random() - 0.3)));
      const moved = forBestDice(row(...logits)).data;
      const drawn = logits.map((_, k) => moved[k] > 0);
      const best = Math.max(
        ...logits.map((least) =>
          expectedDice(
            logits,
            logits.map((logit) => logit >= least),
          ),
        ),
      );
      expect(expectedDice(logits, drawn)).toBeCloseTo(best, 5);
      logits.forEach((logit, k) => {
        if (logit > 0) expect(drawn[k]).toBe(true);
      });
    }
  });

  it('moves all logits alike: hardly where the answer is sure, far where it is anybody’s guess', () => {
    const sure = row(-9, -9, 9, 9, 9);
    for (const [k, logit] of forBestDice(sure).data.entries()) expect(logit).toBeCloseTo(sure.data[k], 2);
    const guess = row(4, -0.7, -0.7, -0.7, -9);
    const moved = forBestDice(guess).data;
    expect([...moved].map((logit) => logit > 0)).toEqual([true, true, true, true, false]);
    const steps = [...moved].map((logit, k) => logit - guess.data[k]);
    for (const step of steps) expect(step).toBeCloseTo(steps[0], 5);
  });

  it('does not draw what is hardly possible, even where nothing else is there', () => {
    expect([...forBestDice(row(-5, -5, -5)).data]).toEqual([-3, -3, -3]);
  });
});
