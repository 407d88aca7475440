/** The graph against the plain loops it stands for. */
import { describe, expect, it } from 'vitest';
import { principalDirections } from '../../src/core/tokens/subspace';
import { ProjectionGraph } from '../../src/engine/matching/projectionGraph';
import { projectOut } from '../oracles';
import { seededRandom } from '../seeded';

const random = seededRandom(4);
const rows = (count: number, dim: number) => ({
  dim,
  data: Float32Array.from({ length: count * dim }, () => random() - 0.5),
});

describe('the projection graph', () => {
  it.each([
    [30, 7, 3],
    [5, 24, 24],
    [1, 1, 1],
  ])('of %i rows of %i values takes out what the loops do', async (count, dim, most) => {
    const directions = principalDirections(rows(40, dim), most);
    const graph = await ProjectionGraph.open(directions, 1);
    for (const tokens of [rows(count, dim), rows(count + 3, dim)]) {
      const { data } = await graph.projectOut(tokens);
      const expected = projectOut(tokens, directions).data;
      expect(data).toHaveLength(expected.length);
      for (const [i, value] of data.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
    }
    await graph.dispose();
  });

  it('without directions changes nothing, and refuses tokens of another dimension', async () => {
    const graph = await ProjectionGraph.open({ dim: 3, data: new Float32Array(0) }, 1);
    const tokens = rows(4, 3);
    expect((await graph.projectOut(tokens)).data).toEqual(tokens.data);
    await expect(graph.projectOut(rows(4, 2))).rejects.toThrow('directions of 3 channels for tokens of 2');
    await graph.dispose();
  });
});
