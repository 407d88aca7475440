/** Strategy ap-medsam on stand-in models: what is asked of the segmenter, and what becomes of its answers. */
import { describe, expect, it } from 'vitest';
import type { Size } from '../../src/core/geometry';
import { fromRuns, hasForeground, type Mask, toRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import type { PromptSet } from '../../src/core/prompting/segmenter';
import { apMedSam } from '../../src/core/strategies/apMedSam/apMedSam';
import { gbmseg } from '../../src/core/strategies/gbmseg/gbmseg';
import { DEFAULT_PARAMETERS, NO_ABLATION } from '../../src/core/strategies/strategy';
import { patchCoverage } from '../../src/core/tokens/supportMask';
import { maskStability } from '../../src/core/tokens/trust';
import { discOrPrompt, discs, type FakeImageOptions, fakeImage, further, plainRunner } from '../fakes';
import { seededRandom } from '../seeded';

const size = { width: 96, height: 96 };
const grid = { width: 16, height: 16 };
const one = discs(size, { x: 40, y: 40, radius: 20 });
const moved = discs(size, { x: 60, y: 55, radius: 20 });
const three = discs(size, { x: 20, y: 20, radius: 11 }, { x: 72, y: 24, radius: 11 }, { x: 40, y: 74, radius: 11 });
const nothing = discs(size);

const run = (reference = one, target = moved, options: FakeImageOptions = {}, ablation = {}) =>
  runOn(reference, target, grid, options, ablation);

async function runOn(reference: Mask, target: Mask, grid: Size, options: FakeImageOptions = {}, ablation = {}) {
  const parameters = { ...DEFAULT_PARAMETERS, ablation: { ...NO_ABLATION, ...ablation } };
  const prepared = await apMedSam.prepare(fakeImage(reference, grid, options), reference, parameters, plainRunner);
  const asked: PromptSet[] = [];
  const found = await prepared.segment(fakeImage(target, grid, { ...options, asked }, 5), plainRunner);
  return { prepared, found, asked };
}

describe('a segmenter that answers for a whole class', () => {
  it('is asked with spread points and the prior as mask prompt, then with the prior adapted to its answer', async () => {
    const { prepared, found, asked } = await run();
    expect(prepared.foregroundPatches).toBeGreaterThan(10);
    expect(asked).toHaveLength(2);
    expect(asked[1].points).toEqual(asked[0].points);
    expect(asked[1].maskPrompt!.data).not.toEqual(asked[0].maskPrompt!.data);
    const [, { points, maskPrompt }] = asked;
    const positives = points.filter(({ label }) => label === 1);
    expect(positives.length).toBeGreaterThan(0);
    expect(positives.length).toBeLessThanOrEqual(16);
    for (const { point } of positives) expect(moved.data[Math.floor(point.y) * 96 + Math.floor(point.x)]).toBe(1);
    expect(maskPrompt?.size).toEqual(grid);
    expect(found.maskPrompt).toBe(maskPrompt);
    expect(found.outcome).toBe('mask');
    expect(dice(fromRuns(found.mask), moved)).toBeGreaterThan(0.85);
    expect(found.instances).toEqual([]);
  });

  it('is asked once without refinement, or where its answer teaches nothing', async () => {
    expect((await run(one, moved, {}, { refine: false })).asked).toHaveLength(1);
    const unsure: FakeImageOptions['decode'] = (prompt, of) => {
      const { logits, iouPrediction } = discOrPrompt(prompt, of);
      return { logits: { ...logits, data: logits.data.map((value) => Math.min(value, 1.5)) }, iouPrediction };
    };
    const { asked, found } = await run(one, moved, { decode: unsure });
    expect(asked).toHaveLength(1);
    expect(found.maskPrompt).toBe(asked[0].maskPrompt);
  });

  it('is given twelve points of each label at most, the others are thinned', async () => {
    const wide = { width: 192, height: 192 };
    const [small, there] = [discs(wide, { x: 40, y: 40, radius: 26 }), discs(wide, { x: 50, y: 60, radius: 26 })];
    const { found } = await runOn(small, there, { width: 32, height: 32 });
    for (const label of [0, 1]) {
      const of = found.prompts.filter((prompt) => prompt.label === label);
      expect(of.filter(({ reason }) => reason === 'kept')).toHaveLength(12);
      expect(of.filter(({ reason }) => reason === 'thinned').length).toBeGreaterThan(4);
    }
  });

  it('keeps its first answer where the second is empty', async () => {
    let answers = 0;
    const once: FakeImageOptions['decode'] = (prompt, of) => {
      const { logits, iouPrediction } = discOrPrompt(prompt, of);
      const data = answers++ === 0 ? logits.data : logits.data.map(() => -1);
      return { logits: { ...logits, data }, iouPrediction };
    };
    const prepared = await apMedSam.prepare(fakeImage(one, grid), one, DEFAULT_PARAMETERS, plainRunner);
    const asked: PromptSet[] = [];
    const found = await prepared.segment(fakeImage(moved, grid, { asked, decode: once }, 5), plainRunner);
    expect(asked).toHaveLength(2);
    expect(found.outcome).toBe('mask');
    expect(found.maskPrompt).toBe(asked[0].maskPrompt);
  });

  it('is told where the object is to be expected, where the target shows the same from the same side', async () => {
    /** A matcher by whose answer each patch lies where it lay in the reference, or anywhere. */
    const matching = (placed: boolean): typeof plainRunner => ({
      ...plainRunner,
      openMatcher: async (reference, proposers) => {
        const matcher = await plainRunner.openMatcher(reference, proposers);
        const match: typeof matcher.match = async (target) => {
          const table = await matcher.match(target);
          const random = seededRandom(1);
          for (const patch of [...proposers.foreground, ...proposers.background]) {
            table.nearestTarget[patch] = placed ? patch : Math.floor(random() * table.nearestReference.length);
          }
          return table;
        };
        return { ...matcher, match };
      },
    });
    const told = async (runner: typeof plainRunner, alignment: boolean) => {
      const parameters = { ...DEFAULT_PARAMETERS, ablation: { ...NO_ABLATION, alignment } };
      const prepared = await apMedSam.prepare(fakeImage(one, grid), one, parameters, runner);
      const asked: PromptSet[] = [];
      await prepared.segment(fakeImage(one, grid, { asked }, 5), runner);
      return asked[0].maskPrompt!.data;
    };
    const plain = await told(matching(true), false);
    const aligned = await told(matching(true), true);
    // Above all where the prior is unsure: along the outline.
    const coverage = patchCoverage(one, grid);
    const lack = (data: Float32Array) =>
      coverage.reduce((sum, share, at) => sum + Math.abs(6 * share - 3 - data[at]), 0);
    expect(lack(aligned)).toBeLessThan(lack(plain));
    expect(await told(matching(false), true)).toEqual(await told(matching(false), false));
  });

  it('is overruled where it draws less of the reference than the prior does', async () => {
    /** Draws the left half of what it is told of. */
    const half: FakeImageOptions['decode'] = (prompt, of) => {
      const { logits, iouPrediction } = discOrPrompt(prompt, of);
      const data = logits.data.map((value, at) => (at % of.width < 40 ? value : Math.min(value, -0.5)));
      return { logits: { ...logits, data }, iouPrediction };
    };
    const alone = (await run(one, one, { decode: half }, { selfTest: false })).found;
    const overruled = (await run(one, one, { decode: half })).found;
    expect(dice(fromRuns(alone.mask), one)).toBeLessThan(0.75);
    expect(dice(fromRuns(overruled.mask), one)).toBeGreaterThan(0.85);
    // One that draws what the prior says is left alone.
    const right = await run(one, moved, {}, { selfTest: true });
    const untested = await run(one, moved, {}, { selfTest: false });
    expect(right.found.mask).toEqual(untested.found.mask);
  });

  it('is not asked what to expect of a mask that the prior has led to: that is how little of it the threshold moves', async () => {
    const { found } = await run();
    expect(found.iouPrediction).toBe(maskStability(found.logits));
    expect(found.iouPrediction).not.toBe(0.9);
    expect((await run(one, moved, {}, { prior: false })).found.iouPrediction).toBe(0.8);
  });

  it('gets hard negatives, and no outliers, only without the prior', async () => {
    const told = async (ablation: object) => (await run(one, moved, {}, ablation)).found.prompts;
    const hard = (prompts: Awaited<ReturnType<typeof told>>) => prompts.filter(({ source }) => source === 'hard');
    const outliers = (prompts: Awaited<ReturnType<typeof told>>) =>
      prompts.filter(({ reason }) => reason === 'outlier');
    const alone = await told({ prior: false });
    expect(hard(alone).length).toBeGreaterThan(0);
    expect(outliers(alone).length).toBeGreaterThan(0);
    const beside = await told({});
    expect(hard(beside)).toEqual([]);
    expect(outliers(beside)).toEqual([]);
  });

  it('gets no mask prompt without the prior', async () => {
    const { asked, found } = await run(one, moved, {}, { prior: false });
    expect(asked[0].maskPrompt).toBeUndefined();
    expect(found).not.toHaveProperty('maskPrompt');
  });

  it('draws from the prior alone where too few matches come back, and says so', async () => {
    const prepared = await apMedSam.prepare(fakeImage(one, grid), one, DEFAULT_PARAMETERS, {
      ...plainRunner,
      openMatcher: async (reference, proposers) => {
        const matcher = await plainRunner.openMatcher(reference, proposers);
        return {
          ...matcher,
          match: async (target) => {
            const table = await matcher.match(target);
            // All matches but one come back to the background.
            const [first] = proposers.foreground;
            const background = proposers.background[0];
            table.nearestReference.forEach((patch, j) => {
              if (patch >= 0 && j !== table.nearestTarget[first]) table.nearestReference[j] = background;
            });
            return table;
          },
        };
      },
    });
    const asked: PromptSet[] = [];
    const found = await prepared.segment(fakeImage(moved, grid, { asked }, 5), plainRunner);
    expect(asked[0].points).toEqual([]);
    expect(asked[0].maskPrompt).toBeDefined();
    expect(found.outcome).toBe('mask');
    expect(found.notes).toEqual(['too few matches came back; drawn from the prior alone, without points']);
    expect(found.prompts.some(({ reason }) => reason === 'inconsistent')).toBe(true);
    expect(found.prompts.some(({ reason }) => reason === 'kept')).toBe(false);
  });

  it('is asked about the prior alone where no point survives, and absent is what it then leaves empty', async () => {
    const { found, asked } = await run(one, nothing);
    expect(asked).toEqual([{ points: [], maskPrompt: expect.anything() }]);
    expect(found.maskPrompt).toBe(asked[0].maskPrompt);
    expect(found.outcome).toBe('absent');
    expect(hasForeground(found.mask)).toBe(false);
    expect(found.iouPrediction).toBeUndefined();
    expect(found.notes).toEqual(['the segmenter drew nothing']);
  });

  it('is not asked at all where there is neither a point nor a prior', async () => {
    const { found, asked } = await run(one, nothing, {}, { prior: false });
    expect(asked).toEqual([]);
    expect(found).toMatchObject({ outcome: 'absent', notes: ['no match came back'] });
  });

  it('says how far to believe its mask, the less the less it looks like the reference', async () => {
    const { found } = await run();
    expect(found.trust).toBeGreaterThan(0);
    expect(found.trust).toBeLessThanOrEqual(1);
    expect(Object.keys(found.trustParts!).sort()).toEqual([
      'borderKept',
      'forwardSimilarity',
      'priorContrast',
      'stability',
    ]);
    const doubtful: FakeImageOptions['decode'] = (prompt, of) => {
      const { logits, iouPrediction } = discOrPrompt(prompt, of);
      return { logits: { ...logits, data: logits.data.map((value) => value / 10) }, iouPrediction };
    };
    expect((await run(one, moved, { decode: doubtful })).found.trust).toBeLessThan(found.trust! / 2);
    expect((await run(one, nothing)).found.trust).toBeUndefined();
  });

  it('is not believed below the trust that is asked for', async () => {
    const { found } = await run();
    const asking = async (minTrust: number) => {
      const prepared = await apMedSam.prepare(
        fakeImage(one, grid),
        one,
        { ...DEFAULT_PARAMETERS, minTrust },
        plainRunner,
      );
      return await prepared.segment(fakeImage(moved, grid, {}, 5), plainRunner);
    };
    expect(await asking(found.trust! - 0.01)).toEqual(found);
    const refused = await asking(found.trust! + 0.01);
    const { trust, trustParts, iouPrediction, prompts } = found;
    expect(refused).toMatchObject({ outcome: 'absent', instances: [], trust, trustParts, iouPrediction, prompts });
    expect(hasForeground(refused.mask)).toBe(false);
    expect(refused.mask.size).toEqual(found.mask.size);
    expect(refused.notes).toEqual([expect.stringMatching(/^probably absent: what was found is trusted 0\.\d\d, less/)]);
  });

  it('is called absent where it is all but unbelievable, unless everything is to be trusted', async () => {
    // All of the mask goes where the threshold moves by 1.
    const decode: FakeImageOptions['decode'] = (prompt, of) => {
      const { logits, iouPrediction } = discOrPrompt(prompt, of);
      return { logits: { ...logits, data: logits.data.map((value) => value / 1000) }, iouPrediction };
    };
    const noPrior = { ablation: { ...NO_ABLATION, selfTest: false } };
    const asking = async (parameters: object) => {
      const prepared = await apMedSam.prepare(
        fakeImage(one, grid, { decode }),
        one,
        { ...noPrior, ...parameters },
        plainRunner,
      );
      return await prepared.segment(fakeImage(moved, grid, { decode }, 5), plainRunner);
    };
    const believed = await asking({ minTrust: 0 });
    expect(believed.outcome).toBe('mask');
    expect(believed.trust).toBeLessThan(0.05);
    const byDefault = await asking({});
    expect(byDefault).toMatchObject({ outcome: 'absent', trust: believed.trust });
    expect(hasForeground(byDefault.mask)).toBe(false);
    expect(byDefault.notes.at(-1)).toMatch(/^probably absent: what was found is trusted 0\.0\d, less than 0\.05$/);
  });

  it('that draws nothing means absent', async () => {
    const decode: FakeImageOptions['decode'] = (_, of) => ({
      logits: { size: of, data: new Float32Array(of.width * of.height).fill(-1) },
      iouPrediction: 0.1,
    });
    const { found } = await run(one, moved, { decode });
    expect(found).toMatchObject({ outcome: 'absent', notes: ['the segmenter drew nothing'] });
  });
});

it('does not judge by tokens of any length, whose distances mean something else', async () => {
  const plain = (mask: typeof one) => {
    const image = fakeImage(mask, grid);
    return { ...image, tokens: { ...image.tokens, normalised: false } };
  };
  const prepared = await apMedSam.prepare(plain(one), one, DEFAULT_PARAMETERS, plainRunner);
  const found = await prepared.segment(plain(moved), plainRunner);
  expect(found.outcome).toBe('mask');
  expect(found).not.toHaveProperty('trust');
});

describe('a segmenter that answers for one object', () => {
  const perObject = { capabilities: { wholeClass: false, maskPrompt: false } };

  it('is asked once per cluster of positives; the union and the instances come back', async () => {
    const { found, asked } = await run(three, three, perObject, { refine: false });
    expect(asked).toHaveLength(3);
    expect(found.instances).toHaveLength(3);
    for (const { iouPrediction, trust } of found.instances) {
      expect(iouPrediction).toBe(0.8);
      expect(trust).toBeGreaterThan(0);
      expect(trust).toBeLessThanOrEqual(1);
    }
    expect(found.logits).toHaveLength(3);
    expect(new Set(found.prompts.filter(({ reason }) => reason === 'kept').map(({ instance }) => instance)).size).toBe(
      3,
    );
    // Each question holds the other instances' medoids as negatives.
    for (const { points } of asked) expect(points.filter(({ label }) => label === 0).length).toBeGreaterThanOrEqual(2);
    expect(dice(fromRuns(found.mask), three)).toBeGreaterThan(0.6);
  });

  it('keeps one of two answers that are the same', async () => {
    const decode: FakeImageOptions['decode'] = (_, of) => ({
      logits: { size: of, data: Float32Array.from(three.data, (value) => value - 0.5) },
      iouPrediction: 0.7,
    });
    const { found } = await run(three, three, { ...perObject, decode }, { refine: false });
    expect(found.instances).toEqual([]);
    expect(found.mask).toEqual(toRuns(three));
  });

  it('is not asked where no positive survives', async () => {
    const { found, asked } = await run(one, nothing, perObject);
    expect(found.outcome).toBe('absent');
    expect(asked).toEqual([]);
  });

  it('is refined with the box of its own answer', async () => {
    const { asked } = await run(one, moved, { ...perObject, decode: discOrPrompt });
    expect(asked.length).toBeGreaterThan(1);
    expect(asked.at(-1)?.box).toBeDefined();
    expect(asked.at(-1)?.maskPrompt).toBeUndefined();
  });
});

describe('several references', () => {
  const background = discs(size, { x: 20, y: 70, radius: 18 });
  const both = discs(size, { x: 60, y: 30, radius: 14 }, { x: 30, y: 64, radius: 14 });

  it('vote: patches and matches of all of them count', async () => {
    const others = [further({ image: fakeImage(background, grid, {}, 9), mask: background })];
    const prepared = await apMedSam.prepare(fakeImage(one, grid), one, DEFAULT_PARAMETERS, plainRunner, others);
    const alone = await Promise.all(
      [one, background].map((mask) => apMedSam.prepare(fakeImage(mask, grid), mask, DEFAULT_PARAMETERS, plainRunner)),
    );
    expect(prepared.foregroundPatches).toBe(alone[0].foregroundPatches + alone[1].foregroundPatches);
    expect(prepared.backgroundPatches).toBe(alone[0].backgroundPatches + alone[1].backgroundPatches);
    const found = await prepared.segment(fakeImage(both, grid, {}, 5), plainRunner);
    expect(dice(fromRuns(found.mask), both)).toBeGreaterThan(0.8);
    const patches = grid.width * grid.height;
    const proposers = new Set(found.prompts.map(({ referencePatch }) => Math.floor(referencePatch / patches)));
    expect(proposers).toEqual(new Set([0, 1]));
  });

  it('may differ in size and grid', async () => {
    const large = discs({ width: 120, height: 90 }, { x: 60, y: 45, radius: 25 });
    const others = [further({ image: fakeImage(large, { width: 20, height: 15 }), mask: large })];
    const prepared = await apMedSam.prepare(fakeImage(one, grid), one, DEFAULT_PARAMETERS, plainRunner, others);
    const found = await prepared.segment(fakeImage(moved, grid, {}, 5), plainRunner);
    expect(dice(fromRuns(found.mask), moved)).toBeGreaterThan(0.85);
  });

  it('each need a foreground', async () => {
    const others = [further({ image: fakeImage(nothing, grid), mask: nothing })];
    const prepare = apMedSam.prepare(fakeImage(one, grid), one, DEFAULT_PARAMETERS, plainRunner, others);
    await expect(prepare).rejects.toThrow('has no foreground');
  });
});

describe('references', () => {
  it('without a wholly covered patch fall back, and say so', async () => {
    const speck = discs(size, { x: 41, y: 41, radius: 3 });
    const { prepared } = await run(speck, speck);
    expect(prepared.notes[0]).toMatch(/no patch of the reference lies (wholly|even half) inside the object/);
  });

  it('with a few patches are said to be small', async () => {
    const small = discs(size, { x: 42, y: 42, radius: 10 });
    const { prepared } = await run(small, small);
    expect(prepared.foregroundPatches).toBeLessThan(8);
    expect(prepared.notes[0]).toMatch(
      /^the object is small: only \d patch(es)? of the reference lies? wholly inside it$/,
    );
    expect((await run(one, one)).prepared.notes[0]).toMatch(/^self-test on the reference: Dice \d/);
  });

  it('whose object is not found again in themselves are doubted', async () => {
    const decode: FakeImageOptions['decode'] = (_, of) => ({
      logits: { size: of, data: new Float32Array(of.width * of.height).fill(-1) },
      iouPrediction: 0.1,
    });
    const { prepared } = await run(one, moved, { decode });
    expect(prepared.notes).toEqual([
      expect.stringMatching(/^self-test on the reference: Dice 0\.00 where .*, 0\.00 where it may not$/),
      expect.stringMatching(/^warning: the object is hardly found again in the reference itself \(Dice 0\.00\): /),
    ]);
  });

  it('are refused by gbmseg, which has no fallback', async () => {
    const speck = discs(size, { x: 41, y: 41, radius: 2 });
    const prepare = gbmseg.prepare(fakeImage(speck, grid), speck, DEFAULT_PARAMETERS, plainRunner);
    await expect(prepare).rejects.toThrow('strategy gbmseg has no fallback');
  });

  it('without foreground are refused', async () => {
    const prepare = apMedSam.prepare(fakeImage(nothing, grid), nothing, DEFAULT_PARAMETERS, plainRunner);
    await expect(prepare).rejects.toThrow('has no foreground');
  });

  it('that fill the image have no background and still work', async () => {
    const full = { size, data: new Uint8Array(96 * 96).fill(1) };
    const { found } = await run(full, full);
    expect(found.outcome).toBe('mask');
  });
});
