/** The table of the strategies, from which everything that lists or asks about strategies is made. */
import { expect, it } from 'vitest';
import { judging, mostReferences, presetNames, presets, strategies, strategyIds } from '../../src/core/strategies';

it('has each preset under a name of its own, the default of its strategy first', () => {
  const all = strategyIds.flatMap((id) => Object.keys(strategies[id].presets ?? {}));
  expect(presetNames).toEqual(all);
  expect(new Set(all).size).toBe(all.length);
  expect(presets.object).toEqual({ strategy: 'matcher', parameters: { matcher: { preset: 'object', seed: 0 } } });
  expect(presets.regions).toEqual({ strategy: 'cluster', parameters: { cluster: { preset: 'regions' } } });
});

it('says which strategies judge, and how many references teach', () => {
  expect(judging).toEqual(['ap-medsam']);
  expect(['ap-medsam', 'gbmseg', 'no strategy', 'toString'].map(mostReferences)).toEqual([200, 1, 1, 1]);
});
