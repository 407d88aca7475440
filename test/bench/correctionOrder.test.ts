/** What a person corrects next, in each of the orders that the bench compares. */
import { expect, it } from 'vitest';
import { seededRandom } from '../seeded';
import { nextToCorrect, type Untouched } from './correctionOrder';

const at = (degrees: number): Float32Array =>
  Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));

const image = (name: string, trust: number | null, degrees = 0): Untouched => ({
  name,
  trust,
  descriptor: at(degrees),
});

const images = [image('a', 0.9), image('b', null, 80), image('c', 0.2, 10), image('d', 0.5, 78), image('e', 0.5, 82)];

it('takes the least trusted first, and what was not judged last', () => {
  expect(nextToCorrect('trust', images, [at(0)], 3, seededRandom(1))).toEqual(['c', 'd', 'e']);
  expect(nextToCorrect('trust', images, [at(0)], 9, seededRandom(1))).toEqual(['c', 'd', 'e', 'a', 'b']);
});

it('takes what stands for others that nothing labelled is like', () => {
  expect(nextToCorrect('suggest', images, [at(0)], 1, seededRandom(1))).toEqual(['b']);
});

it('goes on by trust where a suggestion would gain nothing', () => {
  const alike = [image('a', 0.9), image('b', 0.1)];
  expect(nextToCorrect('suggest', alike, [at(0)], 2, seededRandom(1))).toEqual(['b', 'a']);
});

it('draws by the seed alone', () => {
  const drawn = nextToCorrect('random', images, [at(0)], 2, seededRandom(4));
  expect(drawn).toHaveLength(2);
  expect(nextToCorrect('random', images, [], 2, seededRandom(4))).toEqual(drawn);
});
