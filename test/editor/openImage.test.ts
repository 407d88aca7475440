/** An open image: what it shows of its files, what a person's acts do to it, and what happens when the disk changes. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { changeBetween, type LabelChange } from '../../src/core/drawing/labelChange';
import type { PointPrompt } from '../../src/core/prompting/segmenter';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { type JournalLine, JournalWriter } from '../../src/dataset/journal/journal';
import { loadProject } from '../../src/dataset/project/project';
import { makeReference } from '../../src/dataset/project/reference';
import { sha256 } from '../../src/disk/hashing';
import { encodeMaskPng } from '../../src/formats/maskPng';
import type { PromptsEdit } from '../../src/protocol/editorApi';
import {
  CLASSES,
  imageBytes,
  labels,
  lineWith,
  projectOf,
  put,
  putImages,
  SIZE,
  temporaryFolder,
} from '../dataset/fixtures';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import { FakeEditorEngine, listeningPage, openImage } from './fakeEditor';

const BLANK = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

async function folderWith(...names: string[]): Promise<string> {
  const root = await temporaryFolder();
  await putImages(root, names);
  return root;
}

const putMask = (path: string, values: readonly number[], size = SIZE): Promise<string> =>
  put(path, encodeMaskPng(labels(values, size), CLASSES));

/** The change from one row of values to another. */
const change = (from: readonly number[], to: readonly number[]): LabelChange => changeBetween(labels(from), labels(to));

const point = (x: number, y: number, label: 0 | 1 = 1) => ({ point: { x, y }, label });

describe('opening', () => {
  it('shows an image without mask or project: blank, with a class to begin with', async () => {
    const { open, values } = await openImage(await folderWith('a.png'), 'a.png');
    expect(values()).toEqual(BLANK);
    expect(open.facts).toMatchObject({ name: 'a.png', classId: 1, status: null, dirty: false, readOnly: null });
    expect(open.facts.classes.map(({ name }) => name)).toEqual(['object']);
    const page = listeningPage();
    open.connect(page);
    const state = open.stateFor(page);
    expect(state.image).toMatchObject({ size: SIZE, overview: 'webview:/overview.png', depth: 8 });
    expect([...state.labels.lengths]).toEqual([12]);
  });

  it('shows the mask that the image has, and what the project calls its classes', async () => {
    const root = await folderWith('images/a.png');
    await saveProject(root, projectOf());
    await putMask(join(root, 'masks', 'a.png'), [0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const { open, values } = await openImage(root, 'images/a.png');
    expect(values().slice(0, 4)).toEqual([0, 1, 2, 0]);
    expect(open.facts.classes).toEqual(CLASSES);
  });

  it('says why the last run failed at it', async () => {
    const root = await folderWith('a.png');
    const { open } = await openImage(root, 'a.png');
    expect(open.facts.failure).toBeNull();
    const writer = await JournalWriter.open(root, 'batch-1-of-1');
    await writer.append(
      lineWith({ image: 'a.png', class: 1, status: 'failed', mask: null, error: 'It took too long.' }),
    );
    await writer.close();
    await open.refreshFacts();
    expect(open.facts).toMatchObject({ status: 'failed', failure: 'It took too long.' });
  });

  it('takes a foreign binary mask for the class in use', async () => {
    const root = await folderWith('a.png');
    await putMask(join(root, 'masks', 'a.png'), [255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const { open, values } = await openImage(root, 'a.png');
    expect(values().slice(0, 3)).toEqual([1, 1, 0]);
    expect(open.document.dirty).toBe(false);
  });

  it.each([
    [
      'of another size',
      { width: 3, height: 4 },
      /is 3 x 4 but its image .*a\.png is 4 x 3: its width and height are exchanged/,
    ],
    ['that is damaged', null, /masks.a\.png/],
  ])('leaves a mask %s alone and says so', async (_, size, sentence) => {
    const root = await folderWith('a.png');
    const mask = join(root, 'masks', 'a.png');
    if (size) await putMask(mask, BLANK, size);
    else await put(mask, 'not a PNG');
    const { open } = await openImage(root, 'a.png');
    expect(open.facts.readOnly).toMatch(sentence);
    await expect(async () =>
      open.paint(listeningPage(), { label: 'Brush', change: change(BLANK, BLANK) }),
    ).rejects.toThrow(sentence);
  });

  it('refuses to label what lies in the mask folder', async () => {
    const root = await folderWith('a.png', 'masks/a.png');
    const { open } = await openImage(root, 'masks/a.png');
    expect(open.facts.readOnly).toMatch(/lies in the mask folder/);
  });

  it('says why nothing can be changed where the workspace is not trusted', async () => {
    const root = await folderWith('a.png');
    const { open } = await openImage(root, 'a.png', undefined, { locked: 'not trusted' });
    expect(await refusal(open.prompt({ label: 'Point', prompts: { points: [point(1, 1)], box: null } }))).toBe(
      'not trusted',
    );
  });
});

describe('painting', () => {
  it('tells all other pages, and the painting one only of the facts', async () => {
    const { open, edits, values } = await openImage(await folderWith('a.png'), 'a.png');
    const [mine, other] = [listeningPage(), listeningPage()];
    open.connect(mine);
    open.connect(other);
    const painted = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    open.paint(mine, { label: 'Brush Stroke', change: change(BLANK, painted) });
    expect(values()).toEqual(painted);
    expect(edits.map(({ label }) => label)).toEqual(['Brush Stroke']);
    expect(mine.heard.update).toMatchObject([{ change: null, facts: { dirty: true } }]);
    expect([...other.heard.update[0].change!.lengths]).toEqual([2]);
  });

  it('from labels that are no longer there keeps the stroke and shows everybody the truth', async () => {
    const { open, values } = await openImage(await folderWith('a.png'), 'a.png');
    const [mine, other] = [listeningPage(), listeningPage()];
    open.connect(mine);
    open.connect(other);
    open.paint(other, { label: 'Brush', change: change(BLANK, [2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]) });
    open.paint(mine, { label: 'Brush', change: change(BLANK, [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]) });
    expect(values().slice(0, 4)).toEqual([2, 1, 1, 0]);
    expect([...mine.heard.reset[0].labels.values]).toEqual([2, 1, 0]);
    expect(other.heard.reset).toHaveLength(1);
  });

  it('refuses a change that leaves the image', async () => {
    const { open } = await openImage(await folderWith('a.png'), 'a.png');
    const beyond = { ...change(BLANK, [1, ...BLANK.slice(1)]), starts: Uint32Array.of(12) };
    expect(() => open.paint(listeningPage(), { label: 'Brush', change: beyond })).toThrow(RangeError);
  });
});

describe('prompts', () => {
  it('put the answer beside what the class had, as one edit each; undo asks nobody', async () => {
    const root = await folderWith('a.png');
    await putMask(join(root, 'masks', 'a.png'), [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    const { open, engine, edits, values } = await openImage(root, 'a.png');
    await open.prompt({ label: 'Add Point', prompts: { points: [point(0.5, 0.5)], box: null } });
    await open.prompt({ label: 'Add Point', prompts: { points: [point(1.5, 0.5)], box: null } });
    expect(values().slice(0, 4)).toEqual([0, 1, 0, 1]);
    expect(edits).toHaveLength(2);
    open.document.undo(edits[1].edit);
    expect(values().slice(0, 4)).toEqual([1, 0, 0, 1]);
    expect(open.document.state.session?.points).toEqual([point(0.5, 0.5)]);
    open.document.undo(edits[0].edit);
    expect(values().slice(0, 4)).toEqual([0, 0, 0, 1]);
    expect(open.document.state.session).toBeNull();
    expect(engine.decoded).toHaveLength(2);
  });

  it('never take pixels of another class', async () => {
    const root = await folderWith('a.png');
    await saveProject(root, projectOf());
    await putMask(join(root, 'masks', 'a.png'), [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const { open, values } = await openImage(root, 'a.png');
    await open.prompt({ label: 'Add Point', prompts: { points: [point(0.5, 0.5), point(1.5, 0.5)], box: null } });
    expect(values().slice(0, 3)).toEqual([2, 1, 0]);
  });

  it('of which several wait: only the newest is asked', async () => {
    const { open, engine } = await openImage(await folderWith('a.png'), 'a.png');
    let release = () => {};
    engine.gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const ask = (x: number) => open.prompt({ label: 'Move Point', prompts: { points: [point(x, 0.5)], box: null } });
    const first = ask(0.5);
    await new Promise(setImmediate);
    const asked = [first, ask(1.5), ask(2.5)];
    await new Promise(setImmediate);
    release();
    const answers = await Promise.all(asked);
    expect(answers.map((answer) => answer.asked)).toEqual([true, false, true]);
    expect(engine.decoded.map(({ prompts }) => prompts.points[0].point.x)).toEqual([0.5, 2.5]);
    for (const { bestOverlap } of engine.decoded) expect(bestOverlap).toBe(true);
  });

  it('that were painted over meanwhile are answered to nobody', async () => {
    const { open, engine, values } = await openImage(await folderWith('a.png'), 'a.png');
    await open.prompt({ label: 'Add Point', prompts: { points: [point(0.5, 0.5)], box: null } });
    let release = () => {};
    engine.gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const late = open.prompt({ label: 'Add Point', prompts: { points: [point(1.5, 0.5)], box: null } });
    await new Promise(setImmediate);
    const page = listeningPage();
    open.paint(page, { label: 'Brush', change: change([1, ...BLANK.slice(1)], [1, 0, 0, 1, ...BLANK.slice(4)]) });
    release();
    expect((await late).asked).toBe(false);
    expect(values().slice(0, 4)).toEqual([1, 0, 0, 1]);
  });

  it('end with their pixels, or without them', async () => {
    const { open, edits, values } = await openImage(await folderWith('a.png'), 'a.png');
    await open.prompt({ label: 'Add Point', prompts: { points: [point(0.5, 0.5)], box: null } });
    open.finishPrompts();
    expect(open.document.state.session).toBeNull();
    expect(values()[0]).toBe(1);
    await open.prompt({ label: 'Add Point', prompts: { points: [point(1.5, 0.5)], box: null } });
    open.discardPrompts();
    expect(values().slice(0, 2)).toEqual([1, 0]);
    open.document.undo(edits.at(-1)!.edit);
    expect(values().slice(0, 2)).toEqual([1, 1]);
    expect(open.document.state.session?.points).toHaveLength(1);
  });
});

describe('the answer to the prompts before', () => {
  const [a, b, c, d] = [point(0.5, 0.5), point(1.5, 0.5), point(2.5, 0.5, 0), point(3.5, 0.5)];
  const box = { left: 0, top: 0, right: 3, bottom: 3 };

  /** Asks in turn; gives the number of the question whose answer each one was given as mask prompt, 0 for none. */
  async function fedBack(
    { open, engine }: Awaited<ReturnType<typeof openImage>>,
    ...asked: PromptsEdit[]
  ): Promise<number[]> {
    await vi.waitFor(() => expect(open.facts.capabilities).not.toBeNull());
    const before = engine.decoded.length;
    for (const prompts of asked) await open.prompt({ label: 'Prompt', prompts });
    return engine.decoded.slice(before).map(({ prompts: { maskPrompt } }) => maskPrompt?.data[0] ?? 0);
  }
  const points = (...prompts: PointPrompt[]): PromptsEdit => ({ points: prompts, box: null });

  it('goes with the next ones, but not where a point was moved, turned or removed', async () => {
    const image = await openImage(await folderWith('a.png'), 'a.png');
    expect(await fedBack(image, points(a), points(a, b), points(a, b, c))).toEqual([0, 1, 2]);
    // The last point moved, twice: each time on from what was answered without it.
    expect(await fedBack(image, points(a, b, point(2.5, 1.5, 0)), points(a, b, d))).toEqual([2, 2]);
    expect(await fedBack(image, points(a, b, { ...d, label: 0 }), points(a, d), points(b, d))).toEqual([2, 1, 0]);
    expect(await fedBack(image, points(b, d, a))).toEqual([8]);
  });

  it('goes with the next ones while the box is the same', async () => {
    const image = await openImage(await folderWith('a.png'), 'a.png');
    const other = { ...box, right: 4 };
    const asked = [points(a), { points: [a], box }, { points: [a, b], box: { ...box } }];
    expect(await fedBack(image, ...asked)).toEqual([0, 1, 2]);
    expect(await fedBack(image, { points: [a, b, c], box: other }, points(a, b))).toEqual([1, 1]);
  });

  it('is that of then after an undo, and is not of another session', async () => {
    const image = await openImage(await folderWith('a.png'), 'a.png');
    const { open, edits } = image;
    expect(await fedBack(image, points(a), points(a, b))).toEqual([0, 1]);
    open.document.undo(edits[1].edit);
    expect(await fedBack(image, points(a, c))).toEqual([1]);
    open.document.undo(edits[2].edit);
    open.document.redo(edits[2].edit);
    expect(await fedBack(image, points(a, c, d))).toEqual([3]);
    open.finishPrompts();
    expect(await fedBack(image, points(a, c, d, b))).toEqual([0]);
  });

  it('takes the place of what Segment Image gave, which is asked with again where nothing else stands', async () => {
    const image = await openImage(await folderWith('a.png'), 'a.png');
    const { document } = image.open;
    const prior = { size: { width: 1, height: 1 }, data: Float32Array.of(-1) };
    const base = { size: SIZE, runs: Uint32Array.of(12) };
    const about = { classId: 1, box: null, origin: 'automatic' as const, base, iouPrediction: 0.7 };
    document.setState({ session: { ...about, points: [a], maskPrompt: prior, answerPrior: prior } });
    expect(await fedBack(image, points(a, b), points(a, b, c), points(b, c))).toEqual([-1, 1, -1]);
    for (const { asApMedSam, bestOverlap } of image.engine.decoded) {
      expect(asApMedSam).toBe(true);
      expect(bestOverlap).toBeUndefined();
    }
    // What was added to the first answer is in the next question's mask prompt already.
    expect(image.engine.decoded.map(({ answerPrior }) => answerPrior)).toEqual([prior, undefined, prior]);
  });

  it('is not asked with where the segmenter was not made for it, and no page is sent it', async () => {
    const engine = new FakeEditorEngine();
    engine.iterative = false;
    const image = await openImage(await folderWith('a.png'), 'a.png', engine);
    expect(await fedBack(image, points(a), points(a, b))).toEqual([0, 0]);
    const other = await openImage(await folderWith('a.png'), 'a.png');
    const page = listeningPage();
    other.open.connect(page);
    await fedBack(other, points(a));
    expect(page.heard.update[0].session).not.toHaveProperty('rounds');
    expect(other.open.stateFor(page).session).not.toHaveProperty('rounds');
  });

  it('is not of pixels that were painted over', async () => {
    const image = await openImage(await folderWith('a.png'), 'a.png');
    expect(await fedBack(image, points(a))).toEqual([0]);
    image.open.paint(listeningPage(), { label: 'Eraser', change: change([1, ...BLANK.slice(1)], BLANK) });
    expect(await fedBack(image, points(a, b))).toEqual([0]);
  });
});

describe('Segment Image', () => {
  async function withReference(): Promise<string> {
    const root = await folderWith('a.png', 'r.png');
    const mask = await putMask(join(root, 'masks', 'r.png'), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const reference = await makeReference(root, 1, join(root, 'r.png'), mask);
    await saveProject(root, projectOf({ references: [reference] }));
    return root;
  }

  it('is one edit by a run, with its prompts to go on from', async () => {
    const root = await withReference();
    await putMask(join(root, 'masks', 'a.png'), [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]);
    const { open, engine, edits, values } = await openImage(root, 'a.png');
    await open.segment(new AbortController().signal);
    expect(values()).toEqual([1, 1, 0, 0, 1, 1, 0, 2, 0, 0, 0, 0]);
    expect(edits.map(({ label }) => label)).toEqual(['Segment Image']);
    expect(open.document.state.origins.get(1)).toMatchObject({ by: 'run', result: { iouPrediction: 0.7 } });
    expect(open.document.state.session).toMatchObject({ origin: 'automatic', points: [point(0.5, 0.5)] });
    expect(open.document.state.automatic?.candidates).toHaveLength(2);
    // Moving a point costs the decoder alone, which gets the prior again.
    await open.prompt({ label: 'Move Point', prompts: { points: [point(2.5, 0.5)], box: null } });
    expect(engine.segmented).toHaveLength(1);
    expect(engine.decoded[0].prompts.maskPrompt).toBeDefined();
    expect(values().slice(0, 4)).toEqual([0, 0, 1, 0]);
    expect(open.document.state.origins.get(1)).toEqual({ by: 'person' });
    for (const { edit } of [...edits].reverse()) open.document.undo(edit);
    expect(values()).toEqual([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]);
    expect(engine.segmented).toHaveLength(1);
  });

  it('tells pages when nothing is there, and leaves nothing of the class', async () => {
    const root = await withReference();
    await putMask(join(root, 'masks', 'a.png'), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const { open, engine, values } = await openImage(root, 'a.png');
    const page = listeningPage();
    open.connect(page);
    engine.automatic = BLANK;
    await open.segment(new AbortController().signal);
    expect(values()).toEqual(BLANK);
    expect(open.document.state.automatic?.outcome).toBe('absent');
    expect(page.heard.say.at(-1)?.text).toMatch(/^Probably absent/);
  });

  it('learns from what a person has accepted in other images, and never from the image itself', async () => {
    const root = await withReference();
    await putImages(root, ['s.png']);
    const judge = new PersonCommitter({ session: 'p' });
    for (const image of ['a.png', 's.png']) {
      await putMask(join(root, 'masks', image), [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
      await judge.accept(root, image, 1);
    }
    await judge.dispose();
    const { open, engine } = await openImage(root, 'a.png');
    await open.segment(new AbortController().signal);
    expect(engine.segmented[0].moreReferences?.map(({ image }) => image)).toEqual([join(root, 's.png')]);
    expect(open.document.state.automatic?.notes).toEqual([
      '"glomerulus" is learnt from a reviewed mask as well (1 accepted).',
    ]);
    const origin = open.document.state.origins.get(1);
    expect(origin).toMatchObject({
      by: 'run',
      teaching: { class: 1, masks: [{ image: 's.png', status: 'accepted' }] },
    });
  });

  it('asks all references of the class where they vote, and is refused on each of them', async () => {
    const root = await withReference();
    await putImages(root, ['s.png']);
    const mask = await putMask(join(root, 'masks', 's.png'), [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    const { references } = (await loadProject(root))!;
    const second = await makeReference(root, 1, join(root, 's.png'), mask);
    await saveProject(root, projectOf({ references: [...references, second] }));
    const { open, engine } = await openImage(root, 'a.png');
    expect(open.facts).toMatchObject({ reference: 'r.png', voters: 1, isReference: false });
    engine.trust = 0.83;
    await open.segment(new AbortController().signal);
    expect(engine.segmented[0].moreReferences?.map(({ image }) => image)).toEqual([join(root, 's.png')]);
    expect(open.document.state.automatic).toMatchObject({
      trust: 0.83,
      iouPrediction: 0.7,
      notes: ['"glomerulus" has 2 references, of which 2 vote.'],
    });
    const { open: other } = await openImage(root, 's.png');
    expect(await refusal(other.segment(new AbortController().signal))).toMatch(/s\.png is a reference of class/);
  });

  it('says what is missing: a reference, or another image than the reference', async () => {
    const root = await folderWith('a.png');
    const { open } = await openImage(root, 'a.png');
    expect(await refusal(open.segment(new AbortController().signal))).toMatch(/"object" has no reference yet/);
    const other = await withReference();
    const { open: reference } = await openImage(other, 'r.png');
    expect(reference.facts.isReference).toBe(true);
    expect(await refusal(reference.segment(new AbortController().signal))).toMatch(/is a reference of class/);
  });
});

describe('an image that a run has labelled', () => {
  const DRAWN_BY_RUN = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const trustParts = { iouPrediction: 0.7, stability: 0.9 };

  async function labelled() {
    const root = await folderWith('a.png');
    await saveProject(root, projectOf());
    const journal = await JournalWriter.open(root, 'batch-1');
    onTestFinished(() => journal.close());
    const mask = join(root, 'masks', 'a.png');
    const run = async (values: readonly number[], about: Partial<JournalLine>) => {
      await putMask(mask, values);
      const prompts = [{ x: 1.5, y: 0.5, label: 1 as const, instance: 0 }];
      const time = new Date().toISOString();
      const line = { image: 'a.png', class: 1, status: 'auto', mask: sha256(await readFile(mask)), run: 'r', prompts };
      await journal.append(lineWith({ ...line, trust: 0.6, trustParts, time, ...about } as Partial<JournalLine>));
    };
    await run(DRAWN_BY_RUN, {});
    const { open } = await openImage(root, 'a.png');
    const page = listeningPage();
    open.connect(page);
    return { root, mask, run, open, page, shown: () => open.stateFor(page).automatic };
  }

  it('shows the prompts, the trust and its parts that the journal has, until somebody changes the class', async () => {
    const { open, page, shown } = await labelled();
    const recorded = {
      classId: 1,
      candidates: [{ point: { x: 1.5, y: 0.5 }, label: 1, instance: 0, reason: 'kept' }],
      trust: 0.6,
      trustParts: { stability: 0.9 },
      iouPrediction: 0.7,
      outcome: 'mask',
      device: null,
    };
    expect(shown()).toMatchObject(recorded);
    open.paint(page, { label: 'Brush', change: change(DRAWN_BY_RUN, [1, 1, 1, ...BLANK.slice(3)]) });
    expect(page.heard.update.at(-1)?.automatic).toBeNull();
    await open.revert();
    expect(shown()).toMatchObject(recorded);
  });

  it('shows those of a run that ends while it is open, and none of a mask that the journal does not know', async () => {
    const { open, page, run, mask, shown } = await labelled();
    await run([0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], { trust: 0.8, prompts: [] });
    await open.maskMayHaveChanged();
    expect(page.heard.update.at(-1)?.automatic).toMatchObject({ trust: 0.8, candidates: [] });
    await putMask(mask, [2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    await open.maskMayHaveChanged();
    expect(page.heard.update.at(-1)?.automatic).toBeNull();
    expect(shown()).toBeNull();
  });

  it('says why a run could not', async () => {
    const { open, run } = await labelled();
    await run(DRAWN_BY_RUN, { status: 'failed', mask: null, error: 'a.png is damaged.' });
    await open.refreshFacts();
    expect(open.facts).toMatchObject({ status: 'failed', failure: 'a.png is damaged.' });
  });
});

describe('files that change', () => {
  it('a clean document follows its mask, one with edits says that they differ', async () => {
    const root = await folderWith('a.png');
    const mask = join(root, 'masks', 'a.png');
    await putMask(mask, BLANK);
    const { open, values } = await openImage(root, 'a.png');
    const page = listeningPage();
    open.connect(page);
    const second = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    await putMask(mask, second);
    await open.maskMayHaveChanged();
    expect(values()).toEqual(second);
    expect(page.heard.reset).toHaveLength(1);
    expect(open.facts.changedOnDisk).toBe(false);

    open.paint(page, { label: 'Brush', change: change(second, [1, 1, 1, ...BLANK.slice(3)]) });
    await putMask(mask, BLANK);
    await open.maskMayHaveChanged();
    expect(values().slice(0, 3)).toEqual([1, 1, 1]);
    expect(open.facts.changedOnDisk).toBe(true);

    await open.revert();
    expect(values()).toEqual(BLANK);
    expect(open.facts).toMatchObject({ changedOnDisk: false, dirty: false });
  });

  it('its own saving is no change', async () => {
    const root = await folderWith('a.png');
    const mask = join(root, 'masks', 'a.png');
    const { open, values } = await openImage(root, 'a.png');
    const page = listeningPage();
    open.connect(page);
    open.paint(page, { label: 'Brush', change: change(BLANK, [1, ...BLANK.slice(1)]) });
    await open.save(async () => {
      await putMask(mask, values());
      return (await new FakeEditorEngine().api.readLabels({ mask })).sha256;
    });
    expect(open.facts.dirty).toBe(false);
    await open.maskMayHaveChanged();
    expect(page.heard.reset).toHaveLength(0);
  });

  it('an image that is gone or has another size can no longer be labelled; one that is back can', async () => {
    const root = await folderWith('a.png');
    const engine = new FakeEditorEngine();
    const { open } = await openImage(root, 'a.png', engine);
    engine.size = { width: 5, height: 5 };
    await open.imageMayHaveChanged();
    expect(open.facts.readOnly).toMatch(/is now 5 x 5 pixels; it was 4 x 3/);
    engine.size = SIZE;
    await writeFile(join(root, 'a.png'), imageBytes('other pixels'));
    await open.imageMayHaveChanged();
    expect(open.facts.readOnly).toBeNull();
    await rm(join(root, 'a.png'));
    engine.broken = 'a.png does not exist.';
    await open.imageMayHaveChanged();
    expect(open.facts.readOnly).toBe('a.png does not exist.');
  });

  it('a mask of another size is not loaded', async () => {
    const root = await folderWith('a.png');
    const { open, values } = await openImage(root, 'a.png');
    const wrong = await putMask(join(root, 'wrong.png'), [1], { width: 1, height: 1 });
    expect(await refusal(open.loadMask(wrong))).toMatch(/wrong\.png is 1 x 1 but its image .*a\.png is 4 x 3/);
    const right = await putMask(join(root, 'right.png'), [...BLANK.slice(1), 255]);
    await open.loadMask(right);
    expect(values().at(-1)).toBe(1);
  });
});
