/** The model of a person counts what it says. */
import { expect, it } from 'vitest';
import { minutesPer100, workOn } from './personModel';

it('accepts a good mask at once', () => {
  expect(workOn([0.9])).toEqual({ clicks: 0, seconds: 2, dice: 0.9 });
});

it('clicks until the mask is good', () => {
  expect(workOn([0.2, 0.5, 0.95, 0.99])).toEqual({ clicks: 2, seconds: 8, dice: 0.95 });
});

it('accepts what there is after ten clicks, or where nothing is left to click at', () => {
  expect(workOn(Array.from({ length: 12 }, () => 0.5))).toEqual({ clicks: 10, seconds: 32, dice: 0.5 });
  expect(workOn([0.1, 0.8])).toEqual({ clicks: 1, seconds: 5, dice: 0.8 });
});

it('tells 100 images in minutes', () => {
  expect(minutesPer100(3)).toBe(5);
});
