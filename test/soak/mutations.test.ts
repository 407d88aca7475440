import { expect, test } from 'vitest';
import { seededRandom } from '../../src/core/random';
import { mutated } from './mutate';
import { refusedWhole, soak } from './mutationRun';

test('no damaged file ends a process, takes for ever, shows a stack trace or takes all memory', async () => {
  const kinds = ['image', 'mask', 'project', 'journal', 'instances', 'manifest'];
  const limits = { mostMs: 20_000, mostBytes: 2_500_000_000 };
  const report = await soak({ inputs: 300, seed: 7, engines: 1, only: kinds, ...limits });
  expect(report.findings).toEqual([]);
  expect(Object.keys(report.kinds).sort()).toEqual([...kinds].sort());
  // Neither is all damage noticed at the first byte, nor is none.
  const { inputs, read } = report.kinds.image!;
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(inputs);
});

test('whole files are read', async () => {
  expect(await refusedWhole(['mask', 'project', 'journal', 'instances', 'manifest'])).toEqual([]);
});

test('the same seed does the same damage', () => {
  const whole = Buffer.from('{"version":1,"classes":[{"id":1}]}');
  const twice = [0, 1].map(() => mutated(whole, [whole], true, seededRandom(3)));
  expect(twice[0]).toEqual(twice[1]);
  expect(twice[0]).not.toEqual(whole);
});
