/** Evaluation against an engine that answers with given masks. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Size } from '../../src/core/geometry';
import { fromRuns, toRuns } from '../../src/core/pixels/mask';
import { DEFAULT_PARAMETERS } from '../../src/core/strategies/strategy';
import { NoEngineError, UserError } from '../../src/core/userError';
import {
  type EvaluationEngine,
  type EvaluationOptions,
  evaluateReference,
  type ImageScore,
  type LabelledImage,
  labelledImages,
  summarise,
} from '../../src/dataset/evaluate';
import { encodeMaskPng } from '../../src/formats/maskPng';
import type { ReferenceMask, ReferenceMaskRequest, SegmentRequest, SegmentResult } from '../../src/protocol/engineApi';
import { readReference } from '../masks';
import { refusal } from '../refusal';
import { CLASSES, labels, put, putImages, SIZE, temporaryFolder } from './fixtures';

const options: EvaluationOptions = { strategy: 'ap-medsam', parameters: DEFAULT_PARAMETERS, classId: 1 };

const TOP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const LEFT = [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0];

const maskBytes = (values: readonly number[], size: Size = SIZE) => encodeMaskPng(labels(values, size), CLASSES);

/** A root with these images, each with its mask where one is given. */
async function rootWith(masks: Readonly<Record<string, readonly number[] | undefined>>): Promise<string> {
  const root = await temporaryFolder();
  await putImages(root, Object.keys(masks));
  for (const [name, values] of Object.entries(masks)) {
    const inner = name.replace(/^images\//, '').replace(/\.\w+$/, '.png');
    if (values !== undefined) await put(join(root, 'masks', inner), maskBytes(values));
  }
  return root;
}

const letters = (count: number) => [...'abcdefghijkl'].slice(0, count).map((letter) => `${letter}.png`);
const setOf = async (count: number, values: readonly number[] = TOP) =>
  labelledImages(await rootWith(Object.fromEntries(letters(count).map((name) => [name, values]))));

const names = (images: readonly { readonly target: LabelledImage }[]) => images.map(({ target }) => target.name);
const nameIn = ({ image }: SegmentRequest) => image.slice(-5);

type Answer = { readonly pixels?: readonly number[]; readonly size?: Size } | undefined;

/** Answers with the left half unless told otherwise. */
class Answering implements EvaluationEngine {
  readonly requests: SegmentRequest[] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  mostInFlight = 0;
  private inFlight = 0;

  constructor(
    private readonly answer: (name: string) => Answer | Promise<Answer> = () => undefined,
    readonly lanes = 2,
  ) {}

  async readReference(request: ReferenceMaskRequest): Promise<ReferenceMask> {
    const file = { sha256: '', bytes: 0, mtimeMs: 0 };
    return readReference(request, { size: SIZE, file, format: 'png', depth: 8 });
  }

  async segment(request: SegmentRequest, { signal }: { signal?: AbortSignal } = {}): Promise<SegmentResult> {
    this.requests.push(request);
    this.signals.push(signal);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    try {
      await tick();
      const { pixels = LEFT, size = SIZE } = (await this.answer(nameIn(request))) ?? {};
      return {
        size,
        file: { sha256: '', bytes: 0, mtimeMs: 0 },
        outcome: 'mask',
        mask: toRuns({ size, data: Uint8Array.from(pixels) }),
        instances: [],
        prompts: [],
        iouPrediction: 0.9,
        notes: [],
        times: { total: 1 },
      };
    } finally {
      this.inFlight--;
    }
  }
}

describe('labelledImages', () => {
  it('are those with a mask, by name, in a folder without "images"', async () => {
    const root = await rootWith({ 'c.jpg': LEFT, 'a.png': TOP, 'b.png': undefined, 'sub/d.png': TOP });
    expect(await labelledImages(root)).toEqual([
      { name: 'a.png', image: join(root, 'a.png'), mask: join(root, 'masks', 'a.png') },
      { name: 'c.jpg', image: join(root, 'c.jpg'), mask: join(root, 'masks', 'c.png') },
      { name: 'sub/d.png', image: join(root, 'sub', 'd.png'), mask: join(root, 'masks', 'sub', 'd.png') },
    ]);
  });

  it('may have their masks beside them, unless there are several', async () => {
    const root = await rootWith({ 'a.png': TOP, 'b.png': undefined, 'c.png': undefined });
    for (const name of ['a_mask.png', 'b_gt.png', 'c_gt.png', 'c_mask.png'])
      await put(join(root, name), maskBytes(TOP));
    expect(await labelledImages(root)).toEqual([
      { name: 'a.png', image: join(root, 'a.png'), mask: join(root, 'masks', 'a.png') },
      { name: 'b.png', image: join(root, 'b.png'), mask: join(root, 'b_gt.png') },
    ]);
  });

  it('lie in "images" where there is such a folder, whose name no mask has', async () => {
    const root = await rootWith({ 'images/b.png': TOP, 'images/x/a.png': TOP });
    expect(await labelledImages(root)).toEqual([
      { name: 'images/b.png', image: join(root, 'images', 'b.png'), mask: join(root, 'masks', 'b.png') },
      { name: 'images/x/a.png', image: join(root, 'images', 'x', 'a.png'), mask: join(root, 'masks', 'x', 'a.png') },
    ]);
  });

  it('have their masks in the folder that is named', async () => {
    const root = await rootWith({ 'a.png': undefined, 'b.png': undefined });
    const elsewhere = await temporaryFolder();
    for (const folder of [join(root, 'truth', 'fine'), elsewhere]) {
      for (const name of ['a.png', 'b.png']) await put(join(folder, name), maskBytes(TOP));
    }
    const masksIn = async (folder: string) => (await labelledImages(root, folder)).map(({ mask }) => mask);
    // The images in another mask folder are none of this one's masks, but they are no images either.
    expect(await masksIn('truth/fine')).toEqual([join(root, 'truth/fine/a.png'), join(root, 'truth/fine/b.png')]);
    expect((await masksIn(elsewhere)).slice(0, 2)).toEqual([join(elsewhere, 'a.png'), join(elsewhere, 'b.png')]);
  });

  it('are at least two', async () => {
    const sentence = (root: string, count: number) =>
      `${root} holds ${count} images with masks in ${join(root, 'masks')}; expected at least two: a reference and a target.`;
    const one = await rootWith({ 'a.png': TOP, 'b.png': undefined });
    expect(await refusal(labelledImages(one))).toBe(sentence(one, 1));
    const none = await rootWith({ 'a.png': undefined, 'b.png': undefined });
    expect(await refusal(labelledImages(none))).toBe(sentence(none, 0));
  });

  it('need a folder that exists, holds images, and does not hold masks among them', async () => {
    const root = await temporaryFolder();
    expect(await refusal(labelledImages(join(root, 'none')))).toBe(
      `${join(root, 'none')} does not exist or cannot be read.`,
    );
    expect(await refusal(labelledImages(root))).toMatch(/ holds no images: expected /);
    await putImages(root, ['a.png']);
    expect(await refusal(labelledImages(root, '.'))).toMatch(/^The mask folder .* would mix masks with images/);
  });

  it('are found without reading their masks, which may be damaged', async () => {
    const root = await rootWith({ 'a.png': TOP, 'b.png': TOP });
    await writeFile(join(root, 'masks', 'b.png'), 'no PNG');
    expect((await labelledImages(root)).map(({ name }) => name)).toEqual(['a.png', 'b.png']);
  });
});

describe('evaluateReference', () => {
  it('asks for every other image with the mask of the reference', async () => {
    const root = await rootWith({ 'a.png': TOP, 'b.png': LEFT, 'c.png': TOP });
    const set = await labelledImages(root);
    const engine = new Answering();
    const { signal } = new AbortController();
    await evaluateReference(set, set[1], engine, { ...options, strategy: 'gbmseg', signal });
    expect(engine.requests.map(nameIn).sort()).toEqual(['a.png', 'c.png']);
    for (const { reference, ...request } of engine.requests) {
      expect(request).toEqual({ image: expect.any(String), strategy: 'gbmseg', parameters: DEFAULT_PARAMETERS });
      expect(reference.image).toBe(set[1].image);
      expect([...fromRuns(reference.mask).data]).toEqual(LEFT);
    }
    expect(engine.signals).toEqual([signal, signal]);
  });

  it('scores what was drawn against what is known', async () => {
    const nothing = TOP.map(() => 0);
    const set = await labelledImages(
      await rootWith({ 'a.png': TOP, 'b.png': TOP, 'c.png': LEFT, 'd.png': nothing, 'e.png': TOP }),
    );
    const answers: Record<string, readonly number[]> = { 'd.png': nothing, 'e.png': nothing };
    const { scores, failures } = await evaluateReference(
      set,
      set[0],
      new Answering((name) => (answers[name] ? { pixels: answers[name] } : undefined)),
      options,
    );
    expect(failures).toEqual([]);
    expect(names(scores)).toEqual(['b.png', 'c.png', 'd.png', 'e.png']);
    const [b, c, d, e] = scores;
    // 4 of top, 6 of left, 2 in both.
    expect(b.dice).toBeCloseTo(4 / 10, 12);
    expect(b.iou).toBeCloseTo(2 / 8, 12);
    expect([c.dice, c.iou, c.boundaryF]).toEqual([1, 1, 1]);
    expect([d.dice, d.iou, d.boundaryF]).toEqual([1, 1, 1]);
    expect([e.dice, e.iou, e.boundaryF]).toEqual([0, 0, 0]);
    for (const score of scores) {
      expect(score.reference).toBe(set[0]);
      expect(set).toContain(score.target);
    }
    expect([...fromRuns(c.result.mask).data]).toEqual(LEFT);
  });

  it('takes the class that is asked for', async () => {
    const mixed = LEFT.map((value, i) => (value === 1 ? 2 : i === 11 ? 1 : 0));
    const set = await labelledImages(await rootWith({ 'a.png': mixed, 'b.png': mixed }));
    const engine = new Answering();
    const diceOf = async (classId: number) =>
      (await evaluateReference(set, set[0], engine, { ...options, classId })).scores[0].dice;
    expect([await diceOf(1), await diceOf(2)]).toEqual([0, 1]);
    expect(engine.requests.map(({ reference }) => [...reference.mask.runs])).toEqual([
      [11, 1],
      [0, 2, 2, 2, 2, 2, 2],
    ]);
  });

  it('takes at most so many targets, spread over the others', async () => {
    const set = await setOf(10);
    const sampled = async (reference: number, targets?: number) => {
      const limit = targets === undefined ? {} : { targets };
      const { scores } = await evaluateReference(set, set[reference], new Answering(), { ...options, ...limit });
      return names(scores).join('').replaceAll('.png', '');
    };
    expect(await sampled(0)).toBe('bcdefghij');
    expect(await sampled(0, 3)).toBe('bfj');
    expect(await sampled(9, 3)).toBe('aei');
    expect(await sampled(4, 1)).toBe('a');
    expect(await sampled(4, 99)).toBe('abcdfghij');
  });

  it('keeps as many calls under way as the engine has lanes', { timeout: 5_000 }, async () => {
    const set = await setOf(8);
    for (const lanes of [1, 3, 20]) {
      const expected = Math.min(lanes, 7);
      let open = () => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const engine: Answering = new Answering(async () => {
        // Once all lanes are in, one too many would have time to come in as well.
        if (engine.mostInFlight === expected) setTimeout(open, 20);
        await gate;
        return undefined;
      }, lanes);
      const { scores } = await evaluateReference(set, set[0], engine, options);
      expect(engine.mostInFlight).toBe(expected);
      expect(engine.requests).toHaveLength(7);
      expect(names(scores)).toEqual(letters(8).slice(1));
    }
  });

  it('gives scores and failures in the order of the set, whatever was done first', { timeout: 5_000 }, async () => {
    const set = await setOf(7);
    const done: string[] = [];
    const waiting = new Map<string, () => void>();
    // Each answer waits until all are under way, and then for the one after it.
    const engine = new Answering(async (name) => {
      await new Promise<void>((resolve) => {
        waiting.set(name, resolve);
        if (waiting.size === 6) waiting.get('g.png')!();
      });
      done.push(name);
      const before = letters(7)[letters(7).indexOf(name) - 1];
      void tick().then(() => waiting.get(before)?.());
      const { image } = set[letters(7).indexOf(name)];
      if (name === 'c.png' || name === 'f.png') throw new UserError(`${image} is no good.`);
      return undefined;
    }, 6);
    const seen: string[] = [];
    const { scores, failures } = await evaluateReference(set, set[0], engine, {
      ...options,
      onScore: ({ target }: ImageScore) => {
        seen.push(target.name);
      },
    });
    expect(done).toEqual(letters(7).slice(1).reverse());
    expect(names(scores)).toEqual(['b.png', 'd.png', 'e.png', 'g.png']);
    expect(failures).toEqual([
      { reference: set[0], target: set[2], message: `${set[2].image} is no good.` },
      { reference: set[0], target: set[5], message: `${set[5].image} is no good.` },
    ]);
    expect(seen).toEqual(['g.png', 'e.png', 'd.png', 'b.png']);
  });

  it('lets other references vote, none of which is a target', async () => {
    const set = await setOf(5);
    const engine = new Answering();
    const { scores } = await evaluateReference(set, set[1], engine, { ...options, moreReferences: [set[3], set[0]] });
    expect(names(scores)).toEqual(['c.png', 'e.png']);
    for (const { reference, moreReferences } of engine.requests) {
      expect([reference, ...moreReferences!].map(({ image }) => image.slice(-5))).toEqual(['b.png', 'd.png', 'a.png']);
      expect(fromRuns(moreReferences![0].mask).data).toEqual(Uint8Array.from(TOP));
    }
  });

  it('waits for what is done with a score', async () => {
    const set = await setOf(3);
    const written: string[] = [];
    await evaluateReference(set, set[0], new Answering(), {
      ...options,
      onScore: async ({ target }) => {
        await tick();
        written.push(target.name);
      },
    });
    expect(written.sort()).toEqual(['b.png', 'c.png']);
  });

  it('collects images whose own mask does not fit or cannot be read', async () => {
    const set = await setOf(5);
    await put(set[1].mask, maskBytes(new Array(8).fill(0), { width: 2, height: 4 }));
    await writeFile(set[2].mask, 'no PNG');
    await rm(set[3].mask);
    const { scores, failures } = await evaluateReference(set, set[0], new Answering(), options);
    expect(names(scores)).toEqual(['e.png']);
    expect(names(failures)).toEqual(['b.png', 'c.png', 'd.png']);
    expect(failures[0].message).toBe(`The mask ${set[1].mask} is 2 x 4 but its image ${set[1].image} is 4 x 3.`);
    expect(failures[1].message).toContain(set[2].mask);
    expect(failures[2].message).toBe(`Cannot read ${set[3].mask}: it does not exist.`);
  });

  it('names a reference that cannot be read, and asks for nothing with it', async () => {
    const set = await setOf(3);
    await writeFile(set[0].mask, 'no PNG');
    const engine = new Answering();
    const { scores, failures } = await evaluateReference(set, set[0], engine, options);
    expect(scores).toEqual([]);
    expect(failures).toMatchObject([{ target: set[0], message: expect.stringContaining(set[0].mask) }]);
    expect(engine.requests).toEqual([]);
  });

  it('fails with any error that is not about one image', async () => {
    const set = await setOf(4);
    const ending = new NoEngineError('The segmentation engine could not start: libvips.so is missing.');
    const engine = new Answering((name) => {
      if (name === 'c.png') throw ending;
      return undefined;
    }, 1);
    await expect(evaluateReference(set, set[0], engine, options)).rejects.toBe(ending);
    expect(engine.requests.map(nameIn)).toEqual(['b.png', 'c.png']);
    const bug = new TypeError('a bug');
    const onScore = () => Promise.reject(bug);
    await expect(evaluateReference(set, set[0], new Answering(), { ...options, onScore })).rejects.toBe(bug);
  });

  it('names the image that an engine stumbles over', async () => {
    const set = await setOf(3);
    const engine = new Answering((name) => {
      if (name === 'b.png') throw new TypeError('a bug');
      return undefined;
    });
    const { scores, failures } = await evaluateReference(set, set[0], engine, options);
    expect(names(scores)).toEqual(['c.png']);
    expect(failures.map(({ message }) => message)).toEqual([`${set[1].image} could not be segmented: a bug.`]);
  });
});

describe('summarise', () => {
  it('gives mean, median and sample standard deviation', () => {
    expect(summarise([4, 1, 1])).toEqual({ count: 3, mean: 2, median: 1, deviation: Math.sqrt(3) });
    const even = summarise([10, 2, 4, 8]);
    expect(even).toEqual({ count: 4, mean: 6, median: 6, deviation: expect.closeTo(Math.sqrt(40 / 3), 12) });
    expect(summarise([9, 10, 1, 2]).median).toBe(5.5);
    expect(summarise([9, 10, 100]).median).toBe(10);
  });

  it('of one value has no spread, of none is nothing', () => {
    expect(summarise([0.7])).toEqual({ count: 1, mean: 0.7, median: 0.7, deviation: 0 });
    expect(summarise([])).toEqual({ count: 0, mean: Number.NaN, median: Number.NaN, deviation: Number.NaN });
  });

  it('leaves the order of its values alone', () => {
    const values = Object.freeze([3, 1, 2]);
    summarise(values);
    expect(values).toEqual([3, 1, 2]);
  });
});
