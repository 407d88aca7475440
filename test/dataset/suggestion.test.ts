/** What to label next, on an engine whose images say what they look like in their names. */
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NoEngineError, UserError } from '../../src/core/userError';
import { JournalWriter } from '../../src/dataset/journal/journal';
import type { Project } from '../../src/dataset/project/project';
import { makeReference } from '../../src/dataset/project/reference';
import { type Suggestion, type SuggestionEngine, suggestNext } from '../../src/dataset/review/suggestion';
import { encodeMaskPng } from '../../src/formats/maskPng';
import type { IntensityWindow } from '../../src/protocol/engineApi';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import { CLASSES, labels, lineWith, projectOf, put, putImages, SIZE, temporaryFolder } from './fixtures';

const KINDS: Readonly<Record<string, readonly number[]>> = { red: [1, 0, 0], green: [0, 1, 0], odd: [0, 0, 1] };

/** Images called red1, green2, ... look red, green, ..., each a little different. */
class Looking implements SuggestionEngine {
  readonly lanes = 2;
  readonly asked: { image: string; window?: IntensityWindow }[] = [];

  constructor(private readonly depth = 8) {}

  async inspectImage({ image }: { image: string }) {
    return { size: SIZE, file: FILE, format: 'png', depth: image.endsWith('.png') ? this.depth : 8 };
  }

  async sampleWindow() {
    return { low: 1, high: 2 };
  }

  async describeImage(params: { image: string; window?: IntensityWindow }) {
    this.asked.push(params);
    const [, kind, number] = /^([a-z]+)(\d*)/.exec(basename(params.image))!;
    const direction = KINDS[kind];
    if (direction === undefined) throw new UserError(`${params.image} is damaged.`);
    const values = direction.map((value, k) => value + 0.01 * Math.sin(Number(number) * (k + 1)));
    const length = Math.hypot(...values);
    return { file: FILE, descriptor: Float32Array.from(values, (value) => value / length) };
  }
}

const STORED = { image: 'a.png', mask: 'b.png', imageHash: '0'.repeat(64), maskHash: '0'.repeat(64) };

const FILE = { sha256: '', bytes: 0, mtimeMs: 0 };

const several = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `images/${kind}${i + 1}.png`);

async function rootWith(images: readonly string[]): Promise<string> {
  const root = await temporaryFolder();
  await putImages(root, images);
  return root;
}

async function projectWith(root: string, reference?: string): Promise<Project> {
  const mask = await put(
    join(root, 'masks', 'mask.png'),
    encodeMaskPng(labels([1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]), CLASSES),
  );
  const references = reference === undefined ? [] : [await makeReference(root, 1, join(root, reference), mask)];
  const project = projectOf({ references });
  await saveProject(root, project);
  return project;
}

const suggest = (root: string, project: Project, changes: Partial<Parameters<typeof suggestNext>[0]> = {}) =>
  suggestNext({ engine: new Looking(), root, project, count: 3, signal: new AbortController().signal, ...changes });

const kinds = ({ images }: Suggestion) => images.map(({ image }) => /[a-z]+(?=\d)/.exec(basename(image))![0]);

describe('without a reference', () => {
  it('the most typical image of the largest group comes first', async () => {
    const root = await rootWith([...several('green', 4), ...several('red', 9), ...several('odd', 1)]);
    const suggestion = await suggest(root, projectOf({ classes: [] }));
    expect(kinds(suggestion)).toEqual(['red', 'green', 'odd']);
    expect(suggestion).toMatchObject({ references: [], looked: 14, total: 14, failures: [], class: undefined });
    const [first, second, third] = suggestion.images;
    expect(first.gain + second.gain + third.gain).toBeGreaterThan(0.95);
    expect(second).toMatchObject({
      serves: 4,
      of: 14,
      trust: null,
      meanTrust: null,
      reason: 'it teaches 4 of 14 images',
    });
    expect(third.reason).toBe('it stands for itself alone');
  });
});

describe('with a reference', () => {
  it('what it covers is passed by, and it is asked about only once', async () => {
    const root = await rootWith([...several('red', 9), ...several('green', 4)]);
    const engine = new Looking();
    const suggestion = await suggest(root, await projectWith(root, 'images/red1.png'), { engine, count: 1 });
    expect(kinds(suggestion)).toEqual(['green']);
    expect(suggestion.images[0].reason).toBe('it teaches 4 of 12 images, nearer to it than to anything labelled');
    expect(engine.asked.map(({ image }) => basename(image)).filter((name) => name === 'red1.png')).toHaveLength(1);
    expect(suggestion).toMatchObject({ looked: 12, total: 12 });
    expect(suggestion.references).toEqual([
      { image: 'images/red1.png', atypicality: expect.any(Number), isAtypical: false },
    ]);
  });

  it('every image that a person has labelled covers those that are like it, and all of them need nothing more', async () => {
    const root = await rootWith([...several('red', 5), ...several('green', 4), 'images/odd1.png']);
    const project = await projectWith(root, 'images/odd1.png');
    const person = await JournalWriter.open(root, 'person-1');
    await person.append(lineWith({ image: 'images/green1.png', status: 'accepted', run: null }));
    expect((await suggest(root, project, { count: 1 })).images).toMatchObject([{ serves: 5, of: 8 }]);
    for (const image of [...several('red', 5), ...several('green', 4)])
      await person.append(lineWith({ image, status: 'edited', run: null }));
    await person.close();
    expect(await suggest(root, project)).toMatchObject({ images: [], looked: 0, total: 0, failures: [] });
  });

  it('that is unlike the rest is said to be atypical', async () => {
    const root = await rootWith([...several('red', 12), 'images/odd1.png']);
    const { references } = await suggest(root, await projectWith(root, 'images/odd1.png'));
    expect(references).toEqual([{ image: 'images/odd1.png', atypicality: 1, isAtypical: true }]);
  });

  it('trust decides what needs another one; what a person has judged needs none and is not named', async () => {
    const root = await rootWith([...several('red', 6), ...several('green', 6), 'images/odd1.png']);
    const project = await projectWith(root, 'images/odd1.png');
    const journal = await JournalWriter.open(root, 'batch-1-of-1');
    for (const image of several('red', 6)) await journal.append(lineWith({ image, trust: 0.95 }));
    for (const image of several('green', 6)) await journal.append(lineWith({ image, trust: 0.4 }));
    await journal.close();
    const [first] = (await suggest(root, project)).images;
    expect(first).toMatchObject({ trust: 0.4, meanTrust: expect.closeTo(0.4, 9), serves: 6 });
    expect(first.reason).toBe('it teaches 6 of 12 images, nearer to it than to anything labelled; trust is 0.40 there');

    const person = await JournalWriter.open(root, 'person-1');
    for (const image of several('green', 6)) await person.append(lineWith({ image, status: 'accepted', run: null }));
    await person.close();
    const after = await suggest(root, project);
    expect(kinds(after)[0]).toBe('red');
    expect(after).toMatchObject({ looked: 6, total: 6 });
    expect(after.images[0]).toMatchObject({ serves: 6, of: 6 });
    expect(new Set(kinds(await suggest(root, project, { count: 20 })))).toEqual(new Set(['red']));
  });
});

describe('images', () => {
  it('of more than 8 bits are looked at through one window, the stored one or a measured one', async () => {
    const root = await rootWith(several('red', 3));
    const engine = new Looking(16);
    await suggest(root, projectOf(), { engine });
    await suggest(root, projectOf({ window: { low: 5, high: 6 } }), { engine });
    expect(engine.asked.map(({ window }) => window?.low)).toEqual([1, 1, 1, 5, 5, 5]);
  });

  it('that cannot be looked at are named, and the others compared', async () => {
    const root = await rootWith([...several('red', 3), 'images/bad1.png']);
    const progress: number[] = [];
    const suggestion = await suggest(root, projectOf(), { onProgress: (done) => progress.push(done) });
    expect(suggestion.failures).toEqual([
      { image: 'images/bad1.png', message: `${join(root, 'images', 'bad1.png')} is damaged.` },
    ]);
    expect(suggestion).toMatchObject({ looked: 3, total: 4 });
    expect(progress).toEqual([1, 2, 3, 4]);
  });

  it('of more than 8 bits that are all damaged do not keep the others from being compared', async () => {
    const root = await rootWith([...several('red', 3), 'images/bad1.png']);
    const engine = new Looking(16);
    engine.sampleWindow = () => Promise.reject(new UserError('images/bad1.png is damaged.'));
    const suggestion = await suggest(root, projectOf(), { engine });
    expect(suggestion).toMatchObject({ looked: 3, total: 4, failures: [{ image: 'images/bad1.png' }] });
    engine.sampleWindow = () => Promise.reject(new NoEngineError('no engine'));
    expect(await refusal(suggest(root, projectOf(), { engine }))).toBe('no engine');
  });

  it('are compared for a class of the project only, and not after an abort', async () => {
    const root = await rootWith(several('red', 3));
    expect(await refusal(suggest(root, projectOf(), { className: 'tree' }))).toMatch(
      /has no class "tree"; it has: glomerulus, vessel/,
    );
    const project = projectOf({ references: CLASSES.map(({ id }) => ({ class: id, ...STORED })) });
    expect(await refusal(suggest(root, project))).toMatch(/has references of several classes \(.*\): choose one/);
    const reason = new Error('enough');
    await expect(suggest(root, projectOf(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
