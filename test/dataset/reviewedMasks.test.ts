/** Masks that a person has judged teach the others: in runs, in the journal, and no longer when they are gone. */
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { UserError } from '../../src/core/userError';
import { type BatchJob, runBatch } from '../../src/dataset/batch/batch';
import { type ClassWork, PersonCommitter } from '../../src/dataset/commits/personCommit';
import { readLabelFile } from '../../src/dataset/files/labelFile';
import { MaskLocator } from '../../src/dataset/files/maskLocator';
import { isDoubtful } from '../../src/dataset/journal/doubtful';
import { type AnyLine, journalFolder } from '../../src/dataset/journal/journal';
import { JournalView } from '../../src/dataset/journal/journalView';
import { MOST_REVIEWED, reviewedMasks } from '../../src/dataset/project/reviewedMasks';
import { sha256 } from '../../src/disk/hashing';
import { encodeMaskPng } from '../../src/formats/maskPng';
import type { ClassesRequest } from '../../src/protocol/engineApi';
import { saveProject } from '../saveProject';
import { CLASSES, DRAWN, FakeEngine, imageBytes, jobWith, labels, projectOf, put, TRUST_PARTS } from './fixtures';

const DOUBTFUL = { trust: 0.4, trustParts: TRUST_PARTS };
const PAINTED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];

const maskOf = (job: BatchJob, image: string) => join(job.root, 'masks', image);

/** A job whose images have been labelled, doubtfully, by the reference alone. */
async function labelledJob(images: readonly string[], engine = new FakeEngine(() => DOUBTFUL, 1)) {
  const job = await jobWith(images, engine);
  await saveProject(job.root, projectOf());
  await runBatch(job);
  engine.requests.length = 0;
  return { job, engine };
}

function person(): PersonCommitter {
  const made = new PersonCommitter({ session: 'p' });
  onTestFinished(() => made.dispose());
  return made;
}

async function edit(committer: PersonCommitter, job: BatchJob, image: string, values: readonly number[], classId = 1) {
  const opened = sha256(await readFile(maskOf(job, image)));
  const work: ClassWork[] = [{ classId, by: 'person' }];
  const file = { sha256: sha256(imageBytes(image)), bytes: 1, mtimeMs: 1 };
  const saved = await committer.save(job.root, { image, labels: labels(values), opened, file, work });
  expect(saved.outcome).toBe('saved');
}

async function linesOf(job: BatchJob): Promise<AnyLine[]> {
  const files = await readdir(journalFolder(job.root));
  const texts = await Promise.all(files.sort().map((name) => readFile(join(journalFolder(job.root), name), 'utf8')));
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((line) => JSON.parse(line) as AnyLine);
}

const taughtNames = ({ classes }: ClassesRequest) => classes[0].moreReferences?.map(({ image }) => basename(image));

/** What a run says, and what it has made. */
async function again(job: BatchJob, againBelow?: number) {
  const notes: string[] = [];
  const { done, skipped, kept } = await runBatch(
    { ...job, ...(againBelow !== undefined && { againBelow }) },
    { onNote: (note) => notes.push(note) },
  );
  return { done, skipped, kept, notes: notes.filter((note) => note !== 'thin object') };
}

describe('what a person has judged', () => {
  test('teaches what is labelled from then on, edited more than accepted, and makes nothing anew by itself', async () => {
    const { job, engine } = await labelledJob(['a.png', 'b.png', 'c.png', 'd.png']);
    const judge = person();
    await judge.accept(job.root, 'a.png', 1);
    await edit(judge, job, 'b.png', PAINTED);
    await put(join(job.root, 'e.png'), imageBytes('e.png'));
    expect(await again(job)).toEqual({
      ...{ done: 1, skipped: 2, kept: 2 },
      notes: ['"glomerulus" is learnt from 2 reviewed masks as well (1 edited, 1 accepted).'],
    });
    const [{ image, classes }] = engine.requests;
    expect(basename(image)).toBe('e.png');
    expect(classes[0].moreReferences).toMatchObject([
      { image: join(job.root, 'a.png'), imageHash: sha256(imageBytes('a.png')), weight: 0.5 },
      { image: join(job.root, 'b.png'), imageHash: sha256(imageBytes('b.png')), weight: 1 },
    ]);
    expect([...classes[0].moreReferences![1].mask.runs]).toEqual([10, 2]);

    const view = await JournalView.read(job.root);
    const taught = view.entry('e.png', 1)?.taught;
    expect(taught).toEqual({ masks: 2, set: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(view.entry('c.png', 1)).not.toHaveProperty('taught');
    expect(view.entry('e.png', 1)?.run).toBe(view.entry('c.png', 1)?.run);
    await again(job);
    const told = (await linesOf(job)).filter(({ kind }) => kind === 'teaching');
    expect(told).toMatchObject([
      {
        ...{ class: 1, set: taught?.set },
        masks: [
          { image: 'a.png', status: 'accepted', file: sha256(imageBytes('a.png')) },
          { image: 'b.png', status: 'edited', mask: sha256(await readFile(maskOf(job, 'b.png'))) },
        ],
      },
    ]);
    expect(view.brokenLines).toBe(0);
  });

  test('teaches nothing where the references alone are to', async () => {
    const { job, engine } = await labelledJob(['a.png']);
    await person().accept(job.root, 'a.png', 1);
    await put(join(job.root, 'e.png'), imageBytes('e.png'));
    expect(await again({ ...job, learnFrom: 'references' })).toMatchObject({ done: 1, notes: [] });
    expect(engine.requests.map(taughtNames)).toEqual([undefined]);
    expect((await JournalView.read(job.root)).entry('e.png', 1)).not.toHaveProperty('taught');
  });

  test('teaches a strategy of one reference nothing, which is said', async () => {
    const { job, engine } = await labelledJob(['a.png', 'b.png']);
    await person().accept(job.root, 'a.png', 1);
    expect(await again({ ...job, strategy: 'gbmseg' })).toMatchObject({
      notes: ['"glomerulus" is learnt from its references alone: the strategy takes no more.'],
    });
    expect(engine.requests.map(taughtNames)).toEqual([undefined]);
  });

  test('that a class is absent, or covers all, teaches nothing', async () => {
    const { job, engine } = await labelledJob(['a.png', 'b.png', 'c.png']);
    const judge = person();
    await edit(judge, job, 'a.png', new Array(12).fill(0));
    await edit(judge, job, 'b.png', new Array(12).fill(1));
    await put(join(job.root, 'e.png'), imageBytes('e.png'));
    expect((await again(job)).notes).toEqual([
      'left out of what "glomerulus" is learnt from: b.png (its mask covers the whole image).',
    ]);
    expect(engine.requests.map(taughtNames)).toEqual([undefined]);
  });

  test('is left out with a sentence where image or mask has changed since, or is gone', async () => {
    const { job, engine } = await labelledJob(['a.png', 'b.png', 'c.png', 'd.png']);
    const judge = person();
    for (const image of ['a.png', 'b.png', 'c.png', 'd.png']) await judge.accept(job.root, image, 1);
    await writeFile(join(job.root, 'a.png'), imageBytes('another'));
    await writeFile(maskOf(job, 'b.png'), await encodeMaskPng(labels(PAINTED), CLASSES));
    await rm(maskOf(job, 'c.png'));
    await put(join(job.root, 'e.png'), imageBytes('e.png'));
    const { done, notes } = await again(job);
    expect(done).toBe(1);
    expect(notes).toEqual([
      '"glomerulus" is learnt from a reviewed mask as well (1 accepted).',
      expect.stringMatching(
        /^left out of what "glomerulus" is learnt from: c\.png \(.*does not exist\), b\.png \(another program has changed its mask since: accept it again\), a\.png \(the image has changed since\)\.$/,
      ),
    ]);
    expect(engine.requests.map(taughtNames)).toEqual([['d.png']]);
  });

  test('does not stop a run whose engines cannot use it', async () => {
    const { job, engine } = await labelledJob(['a.png']);
    await person().accept(job.root, 'a.png', 1);
    await put(join(job.root, 'e.png'), imageBytes('e.png'));
    const prepare = engine.prepareReference.bind(engine);
    engine.prepareReference = (params) =>
      (params as { moreReferences?: unknown }).moreReferences
        ? Promise.reject(new UserError('a.png is cut short.'))
        : prepare(params);
    expect(await again(job)).toMatchObject({
      done: 1,
      notes: [expect.any(String), 'the reviewed masks are not learnt from: a.png is cut short.'],
    });
    expect(engine.requests.map(taughtNames)).toEqual([undefined]);
    expect((await JournalView.read(job.root)).entry('e.png', 1)).not.toHaveProperty('taught');
  });
});

describe('the doubtful', () => {
  test('are labelled again once for what a person has taught since, and what is judged never is', async () => {
    const { job, engine } = await labelledJob(
      ['a.png', 'b.png', 'c.png', 'sure.png'],
      new FakeEngine((image) => ({ ...DOUBTFUL, trust: basename(image) === 'sure.png' ? 0.9 : 0.4 }), 1),
    );
    const judge = person();
    expect((await again(job, 0.7)).notes).toEqual([
      'no automatic mask is trusted less than 0.7 and taught by other reviewed masks than those of now: none is labelled again.',
    ]);
    await edit(judge, job, 'a.png', PAINTED);
    expect(await again(job, 0.7)).toMatchObject({
      ...{ done: 2, skipped: 1, kept: 1 },
      notes: [
        expect.any(String),
        '2 automatic masks are trusted less than 0.7 and taught by other reviewed masks than those of now: they are labelled again.',
      ],
    });
    expect(engine.requests.map((one) => [basename(one.image), taughtNames(one)])).toEqual([
      ['b.png', ['a.png']],
      ['c.png', ['a.png']],
    ]);
    expect(await again(job, 0.7)).toMatchObject({ done: 0, skipped: 3, kept: 1 });
  });

  test('come back to what they were when what taught them is gone', async () => {
    const { job, engine } = await labelledJob(['a.png', 'b.png', 'c.png']);
    const judge = person();
    await edit(judge, job, 'a.png', PAINTED);
    await again(job, 0.7);
    const before = engine.requests.splice(0);
    const set = async (image: string) => (await JournalView.read(job.root)).entry(image, 1)?.taught?.set;
    const first = await set('c.png');
    await judge.accept(job.root, 'b.png', 1);
    await again(job, 0.7);
    expect(engine.requests.splice(0).map(taughtNames)).toEqual([['a.png', 'b.png']]);
    expect(await set('c.png')).not.toBe(first);
    // Gone from the folder, and with it what it taught.
    await rm(join(job.root, 'b.png'));
    await again(job, 0.7);
    expect(await set('c.png')).toBe(first);
    const [request] = engine.requests.splice(0);
    expect(request).toEqual(before.find(({ image }) => image === request.image));
    await rm(maskOf(job, 'a.png'));
    await again(job, 0.7);
    expect(engine.requests.map(taughtNames)).toEqual([undefined]);
    expect(await set('c.png')).toBeUndefined();
  });

  test('are what a run was not sure of, or did not find, under another teaching', () => {
    const one = { status: 'auto', trust: 0.4 } as const;
    const taught = { masks: 3, set: 's' };
    expect(isDoubtful({ ...one, taught }, 0.7, 's')).toBe(false);
    expect(isDoubtful({ ...one, taught }, 0.7, 't')).toBe(true);
    expect(isDoubtful({ ...one, taught }, 0.7, undefined)).toBe(true);
    expect(isDoubtful(one, 0.7, undefined)).toBe(false);
    expect(isDoubtful(one, 0.4, 's')).toBe(false);
    expect(isDoubtful({ ...one, trust: null }, 1, 's')).toBe(false);
    expect(isDoubtful({ status: 'absent', trust: null }, 0.1, 's')).toBe(true);
    for (const status of ['accepted', 'edited', 'failed'] as const)
      expect(isDoubtful({ ...one, status }, 1, 's')).toBe(false);
  });
});

describe('the set', () => {
  async function teachingOf(job: BatchJob, engine: FakeEngine, most = 100, except: readonly string[] = []) {
    const view = await JournalView.read(job.root);
    const source = {
      ...{ root: job.root, view, classIds: [1, 2], readLabels: readLabelFile },
      masks: new MaskLocator(job.root, join(job.root, 'masks'), view),
      inspectImage: (params: { image: string }) => engine.inspectImage(params),
    };
    return reviewedMasks(source, { id: 1, name: 'glomerulus' }, { most, except });
  }

  test('is the same whatever another class does in the masks, and without the image that is to be labelled', async () => {
    const { job, engine } = await labelledJob(['a.png', 'b.png']);
    const judge = person();
    await judge.accept(job.root, 'a.png', 1);
    await judge.accept(job.root, 'b.png', 1);
    const before = await teachingOf(job, engine);
    await edit(
      judge,
      job,
      'a.png',
      DRAWN.map((value, i) => (i === 3 ? 2 : value)),
      2,
    );
    const after = await teachingOf(job, engine);
    expect(after.masks?.set).toBe(before.masks?.set);
    expect(after.references).toEqual(before.references);
    const others = await teachingOf(job, engine, 100, [join(job.root, 'a.png')]);
    expect(others.masks?.masks.map(({ image }) => image)).toEqual(['b.png']);
    await edit(judge, job, 'b.png', PAINTED);
    expect((await teachingOf(job, engine)).masks?.set).not.toBe(before.masks?.set);
  });

  test('is bounded: edited ones first, then the newest', async () => {
    const names = Array.from({ length: MOST_REVIEWED + 3 }, (_, i) => `${String(i).padStart(3, '0')}.png`);
    const { job, engine } = await labelledJob(names);
    const judge = person();
    await edit(judge, job, names[0], PAINTED);
    for (const name of names.slice(1)) await judge.accept(job.root, name, 1);
    const { masks, notes } = await teachingOf(job, engine);
    expect(masks?.masks.map(({ image }) => image)).toEqual([names[0], ...names.slice(4)]);
    expect(notes).toEqual([
      '"glomerulus" is learnt from 64 reviewed masks as well (1 edited, 63 accepted, the edited and the newest; 3 more are not used).',
    ]);
    expect((await teachingOf(job, engine, 2)).masks?.masks.map(({ image }) => image)).toEqual([names[0], names[66]]);
  });

  test('is named in the line of a result that a person asked for, and stays with it', async () => {
    const { job } = await labelledJob(['a.png']);
    const entry = (await JournalView.read(job.root)).entry('a.png', 1)!;
    const { mask: opened, file, run } = entry;
    const judge = person();
    const teaching = {
      class: 1,
      set: 'abc',
      masks: [{ image: 'b.png', status: 'edited' as const, file: 'f', mask: 'm' }],
    };
    const result = (
      await new FakeEngine(() => DOUBTFUL).segmentClasses(
        { image: join(job.root, 'a.png'), classes: [{ classId: 1 }] } as unknown as ClassesRequest,
        { signal: new AbortController().signal },
      )
    )[0];
    const save = (work: ClassWork) =>
      judge.save(job.root, { image: 'a.png', labels: labels(DRAWN), opened, file, work: [work] });
    await save({ classId: 1, by: 'run', run: run!, result, teaching });
    const view = await JournalView.read(job.root);
    expect(view.entry('a.png', 1)?.taught).toEqual({ masks: 1, set: 'abc' });
    expect(view.knowsTeaching('abc')).toBe(true);
    const known = view.entry('a.png', 1)!;
    await save({ classId: 1, by: 'person' });
    await save({ classId: 1, by: 'before', entry: known });
    expect((await JournalView.read(job.root)).entry('a.png', 1)?.taught).toEqual(known.taught);
  });

  test('that a line of another version names otherwise is a broken line, and no harm', async () => {
    const { job } = await labelledJob(['a.png']);
    await appendFile(join(journalFolder(job.root), 'x.jsonl'), '{"kind":"teaching","set":3}\n');
    const view = await JournalView.read(job.root);
    expect(view.brokenLines).toBe(1);
    expect(view.entry('a.png', 1)?.status).toBe('auto');
  });
});
