/** Strategy matcher on stand-in models: what is asked of the segmenter, and which answers are merged. */
import { describe, expect, it } from 'vitest';
import { area, squaredDistance } from '../../src/core/geometry';
import { fromRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import type { PromptSet } from '../../src/core/prompting/segmenter';
import { MATCHER_SETTINGS } from '../../src/core/strategies/matcher/matcherPresets';
import { matcherQuestions, matcherStrategy } from '../../src/core/strategies/matcher/matcherStrategy';
import {
  DEFAULT_PARAMETERS,
  type MatcherPreset,
  NO_ABLATION,
  type StrategyParameters,
} from '../../src/core/strategies/strategy';
import { discs, type FakeImageOptions, fakeImage, plainRunner } from '../fakes';

const size = { width: 96, height: 96 };
const grid = { width: 16, height: 16 };
const one = discs(size, { x: 40, y: 40, radius: 20 });
const moved = discs(size, { x: 60, y: 55, radius: 20 });

/**
 * Answers an object at a time: the whole disc where a positive lies in it, else a small disc around the first point.
 */
const wholeObject: FakeImageOptions = {
  capabilities: { wholeClass: false },
  decode: ({ points }) => {
    const hit = points.some(({ point }) => moved.data[Math.floor(point.y) * 96 + Math.floor(point.x)] === 1);
    const [{ point: first }] = points;
    const data = Float32Array.from({ length: area(size) }, (_, at) => {
      if (hit) return moved.data[at] ? 6 : -6;
      return squaredDistance({ x: at % 96, y: Math.floor(at / 96) }, first) < 64 ? 6 : -6;
    });
    return { logits: { size, data }, iouPrediction: hit ? 0.95 : 0.9 };
  },
};

async function run(matcher: StrategyParameters['matcher'], options: FakeImageOptions = {}, ablation = {}) {
  const parameters = { ablation: { ...NO_ABLATION, ...ablation }, ...(matcher && { matcher }) };
  const prepared = await matcherStrategy.prepare(fakeImage(one, grid, options), one, parameters, plainRunner);
  const asked: PromptSet[] = [];
  const found = await prepared.segment(fakeImage(moved, grid, { ...options, asked }, 5), plainRunner);
  return { prepared, found, asked };
}

describe('a segmenter that answers one object at a time', () => {
  it.each(['semantic', 'object', 'part'] as const)('finds it with the %s setting', async (preset) => {
    const { found, prepared } = await run({ preset, seed: 0 }, wholeObject);
    expect(found.outcome).toBe('mask');
    expect(dice(fromRuns(found.mask), moved)).toBeGreaterThan(0.95);
    expect(found.iouPrediction).toBeCloseTo(0.95, 6);
    expect(prepared.notes).toEqual([expect.stringContaining('after the last norm')]);
    expect(found.notes.at(-1)).toMatch(
      /^the best of \d+ different masks from \d+ prompt sets; score 0\.\d+, earth mover's/,
    );
  });

  it('is asked what the settings say', async () => {
    const asked: Record<string, PromptSet[]> = {};
    for (const preset of ['semantic', 'object', 'part'] as const) {
      asked[preset] = (await run({ preset, seed: 0 }, wholeObject)).asked;
    }
    const sizes = (preset: string) => [...new Set(asked[preset].map(({ points }) => points.length))].sort();
    expect(sizes('semantic')).toEqual([1, 2, 3, 4, 5, 6]);
    // Some of 64 tries for one point are all there are; the grid asks 1,024 more.
    expect(asked.semantic.length).toBeGreaterThan(5 * 64 + 1024);
    expect(asked.semantic.length).toBeLessThanOrEqual(6 * 64 + 1024);
    expect(sizes('object')).toEqual([4, 5, 6]);
    expect(asked.object).toHaveLength(30 + 30 + 28);
    expect(sizes('part')).toEqual([3, 4, 5, 6]);
    expect(asked.part).toHaveLength(4 * 128);
    expect(asked.part.every(({ box }) => box !== undefined)).toBe(true);
    expect(asked.object.some(({ box }) => box !== undefined)).toBe(false);
    for (const { points } of Object.values(asked).flat()) expect(points.every(({ label }) => label === 1)).toBe(true);
  });

  it('tells of every matched point', async () => {
    const { found } = await run({ preset: 'object', seed: 0 }, wholeObject);
    const kept = found.prompts.filter(({ reason }) => reason === 'kept');
    expect(kept.length).toBeGreaterThan(5);
    expect(new Set(found.prompts.map(({ targetPatch }) => targetPatch)).size).toBe(found.prompts.length);
    for (const { point, forwardDistance } of kept) {
      expect(moved.data[Math.floor(point.y) * 96 + Math.floor(point.x)]).toBe(1);
      expect(forwardDistance).toBeLessThan(0.5);
    }
  });
});

describe('a mask that holds no matched point', () => {
  const elsewhere = discs(size, { x: 8, y: 8, radius: 6 });
  /** Doubts the object wherever it is asked for, and is sure of something else. */
  const sureOfOther = (drawsObject: boolean): FakeImageOptions => ({
    capabilities: { wholeClass: false },
    decode: (question, of) => {
      const { iouPrediction } = wholeObject.decode!(question, of);
      const hit = iouPrediction > 0.9 && drawsObject;
      const { data } = hit ? moved : elsewhere;
      const logits = { size, data: Float32Array.from(data, (value) => (value ? 6 : -6)) };
      return { logits, iouPrediction: hit ? 0.6 : 0.95 };
    },
  });

  it('is not the object, however sure the segmenter is of it', async () => {
    const { found } = await run({ preset: 'semantic', seed: 0 }, sureOfOther(true));
    expect(dice(fromRuns(found.mask), moved)).toBeGreaterThan(0.95);
    expect(found.notes[0]).toMatch(/^no mask reached the IoU prediction and stability/);
  });

  it('counts where none holds any', async () => {
    const { found } = await run({ preset: 'semantic', seed: 0 }, sureOfOther(false));
    expect(dice(fromRuns(found.mask), elsewhere)).toBeGreaterThan(0.95);
  });
});

describe('a segmenter that answers for a whole class', () => {
  it('is asked less, and the notes say what that means', async () => {
    const { prepared, asked, found } = await run(undefined);
    expect(asked).toHaveLength(3 * 4);
    expect(prepared.notes[1]).toBe(
      'matcher: the segmenter draws whole classes, not single objects, so its masks are not the object proposals that the method chooses among; it is asked 4 prompt sets of each size instead of 30',
    );
    expect(found.outcome).toBe('mask');
    const semantic = await run({ preset: 'semantic', seed: 0 });
    expect(semantic.asked.length).toBeLessThanOrEqual(6 * 4 + 16);
    expect(semantic.prepared.notes[1]).toContain('and a grid of 4 x 4 points instead of 32 x 32');
  });

  it('merges what the best prompt sets drew', async () => {
    // Every answer is small discs around its points; only their union comes near the object.
    const { found, asked } = await run({ preset: 'object', seed: 3 });
    expect(found.notes.at(-1)).toContain(`the best 10 of ${asked.length} different masks`);
    const drawn = fromRuns(found.mask);
    for (const { point } of asked[0].points) expect(drawn.data[Math.floor(point.y) * 96 + Math.floor(point.x)]).toBe(1);
  });
});

describe('the seed', () => {
  it('decides which prompt sets are tried, and nothing else does', async () => {
    const asked = async (seed: number) => (await run({ preset: 'part', seed })).asked;
    expect(await asked(1)).toEqual(await asked(1));
    expect(await asked(1)).not.toEqual(await asked(2));
    const points = Array.from({ length: 20 }, (_, i) => ({ x: 3 * i, y: (7 * i) % 90 }));
    const of = (preset: MatcherPreset) => matcherQuestions(points, size, MATCHER_SETTINGS[preset], 5);
    expect(of('object')).toEqual(of('object'));
  });
});

describe('nothing to draw', () => {
  it('is absent where the segmenter leaves every mask empty', async () => {
    const decode: FakeImageOptions['decode'] = (_, of) => ({
      logits: { size: of, data: new Float32Array(area(of)).fill(-4) },
      iouPrediction: 0.9,
    });
    const { found } = await run(undefined, { decode });
    expect(found.outcome).toBe('absent');
    expect(found.iouPrediction).toBeUndefined();
    expect(found.notes).toEqual(['the segmenter drew nothing']);
  });

  it('goes on with the forward matches where none comes back, as published', async () => {
    const nothing = discs(size);
    const prepared = await matcherStrategy.prepare(fakeImage(one, grid), one, DEFAULT_PARAMETERS, plainRunner);
    const found = await prepared.segment(fakeImage(nothing, grid, {}, 5), plainRunner);
    expect(found.notes[0]).toBe('no match came back; the forward matches stand for themselves');
    const unchecked = await run(undefined, {}, { backward: false });
    expect(unchecked.found.prompts.some(({ reason }) => reason === 'failed backward')).toBe(false);
  });

  it('takes the best of masks that the segmenter doubts', async () => {
    const doubtful = {
      ...wholeObject,
      decode: (...args: Parameters<NonNullable<FakeImageOptions['decode']>>) => ({
        ...wholeObject.decode!(...args),
        iouPrediction: 0.3,
      }),
    };
    const { found } = await run({ preset: 'semantic', seed: 0 }, doubtful);
    expect(found.outcome).toBe('mask');
    expect(found.notes[0]).toBe(
      'no mask reached the IoU prediction and stability that the preset asks for; the best were scored',
    );
  });
});
