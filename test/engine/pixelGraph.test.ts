/** The pixel graph against its specification, the plain loops of core/pixelPrior. */
import { expect, it } from 'vitest';
import { area } from '../../src/core/geometry';
import { HIDDEN, scoreRows, standardOf, termsOf } from '../../src/core/pixelPrior/pixelClassifier';
import { PIXEL_CHANNELS } from '../../src/core/pixelPrior/pixelFeatures';
import { PixelGraph } from '../../src/engine/matching/pixelGraph';
import { seededRandom } from '../seeded';

const random = seededRandom(17);
const noise = (length: number) => Float32Array.from({ length }, () => random() - 0.5);

it('gives what the plain loops give, in several chunks', async () => {
  const size = { width: 170, height: 101 };
  const features = { size, data: noise(area(size) * PIXEL_CHANNELS) };
  const classifier = noise(PIXEL_CHANNELS + HIDDEN + 1);
  const standard = standardOf(features);
  const graph = await PixelGraph.open(classifier, 1);
  const found = await graph.scores(features, standard);
  const expected = scoreRows(classifier, termsOf(features, standard, Int32Array.from(Array(area(size)).keys())));
  expect(found.size).toEqual(size);
  expect(found.data).toHaveLength(expected.length);
  for (const [at, value] of found.data.entries()) expect(Math.abs(value - expected[at])).toBeLessThan(1e-4);
  await graph.dispose();
});
