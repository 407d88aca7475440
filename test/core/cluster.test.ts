/** Strategy cluster on stand-in tokens. */
import { describe, expect, it } from 'vitest';
import { fromRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import type { PromptSet } from '../../src/core/prompting/segmenter';
import { cluster } from '../../src/core/strategies/cluster/cluster';
import { type ClusterPreset, DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { discs, type FakeImageOptions, fakeImage, plainRunner } from '../fakes';

const size = { width: 96, height: 96 };
const grid = { width: 16, height: 16 };
const one = discs(size, { x: 40, y: 40, radius: 20 });
const two = discs(size, { x: 66, y: 60, radius: 22 }, { x: 20, y: 20, radius: 14 });

async function run(target = two, preset?: ClusterPreset, options: FakeImageOptions = {}) {
  const parameters = { ...DEFAULT_PARAMETERS, ...(preset && { cluster: { preset } }) };
  const prepared = await cluster.prepare(fakeImage(one, grid, options), one, parameters, plainRunner);
  const asked: PromptSet[] = [];
  const found = await prepared.segment(fakeImage(target, grid, { ...options, asked }, 5), plainRunner);
  return { prepared, found, asked };
}

describe('the fast path', () => {
  it('draws every object from the tokens alone', async () => {
    const { prepared, found, asked } = await run();
    expect(asked).toEqual([]);
    expect(prepared.notes).toEqual([]);
    expect(found).toMatchObject({ outcome: 'mask', instances: [], prompts: [], iouPrediction: undefined });
    expect(found.maskPrompt).toBeUndefined();
    expect(dice(fromRuns(found.mask), two)).toBeGreaterThan(0.85);
    expect(found.notes).toEqual([expect.stringMatching(/^\d+ of \d+ regions joined$/)]);
  });

  it('is absent where nothing looks like the object', async () => {
    const { found } = await run(discs(size));
    expect(found.outcome).toBe('absent');
    expect(fromRuns(found.mask).data.includes(1)).toBe(false);
    expect(found.notes).toEqual(['no patch is nearest to the object of the reference']);
  });

  it('hands the regions to the segmenter as mask prompt on request', async () => {
    const { found, asked } = await run(two, 'prompt');
    expect(asked).toHaveLength(1);
    expect(asked[0].points).toEqual([]);
    expect(asked[0].maskPrompt?.size).toEqual(grid);
    expect(found.maskPrompt).toBe(asked[0].maskPrompt);
    expect(found.iouPrediction).toBe(0.9);
    expect(dice(fromRuns(found.mask), two)).toBeGreaterThan(0.85);
  });

  it('says so where the segmenter takes no mask prompt, and draws the regions', async () => {
    const { prepared, found, asked } = await run(two, 'prompt', { capabilities: { maskPrompt: false } });
    expect(prepared.notes).toEqual([
      'cluster: the segmenter takes no mask prompt; the joined regions themselves are the masks',
    ]);
    expect(asked).toEqual([]);
    expect(found.outcome).toBe('mask');
  });

  it('finds the object in a reference that it fills', async () => {
    const full = { size, data: new Uint8Array(size.width * size.height).fill(1) };
    const prepared = await cluster.prepare(fakeImage(full, grid), full, DEFAULT_PARAMETERS, plainRunner);
    const found = await prepared.segment(fakeImage(full, grid, {}, 5), plainRunner);
    expect(dice(fromRuns(found.mask), full)).toBeGreaterThan(0.9);
  });
});
