/** How tables write numbers, and means over sets with their intervals. */
import { seededRandom } from '../seeded';
import { meanOverSets, type Observation } from './bootstrap';

export const three = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(3));

export const signed = (value: number, digits: number): string =>
  Number.isNaN(value) ? '-' : `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`;

/** "0.123 (0.101 to 0.140)", a dash for no observations. */
export function meanOf(observations: readonly Observation[], format: (value: number) => string): string {
  if (observations.length === 0) return '-';
  const { mean, low, high } = meanOverSets(observations, seededRandom(1));
  return `${format(mean)} (${format(low)} to ${format(high)})`;
}
