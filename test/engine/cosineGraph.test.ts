/** The cosine graph against its specification, the plain loops of core/tokens/tokenRows.ts. */
import { describe, expect, it } from 'vitest';
import { cosines, type TokenRows } from '../../src/core/tokens/tokenRows';
import { CosineGraph } from '../../src/engine/matching/cosineGraph';
import { seededRandom } from '../seeded';

const random = seededRandom(13);
const rows = (count: number, dim = 40): TokenRows => ({
  dim,
  data: Float32Array.from({ length: count * dim }, () => random() - 0.5),
});

describe('cosine graph', () => {
  it('gives what the plain loops give, for any number of rows', async () => {
    const graph = await CosineGraph.open(1);
    for (const [n, m] of [
      [1, 1],
      [7, 30],
      [64, 5],
    ]) {
      const [a, b] = [rows(n), rows(m)];
      const found = await graph.cosines(a, b);
      const expected = cosines(a, b);
      expect(found).toHaveLength(n * m);
      for (const [at, value] of found.entries()) expect(Math.abs(value - expected[at])).toBeLessThan(1e-5);
    }
    await expect(graph.cosines(rows(2), rows(2, 8))).rejects.toThrow('40 and 8 channels');
    await graph.dispose();
  });
});
