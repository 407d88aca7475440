import { appendFile, mkdir, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { toRuns } from '../../src/core/pixels/mask';
import { UserError } from '../../src/core/userError';
import { type BatchJob, type BatchOptions, type ImageReport, runBatch } from '../../src/dataset/batch/batch';
import { inShard } from '../../src/dataset/batch/batchPlan';
import type { BatchProgress } from '../../src/dataset/batch/batchProgress';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { readInstances } from '../../src/dataset/journal/instanceFile';
import { type JournalLine, journalFolder } from '../../src/dataset/journal/journal';
import { JournalView } from '../../src/dataset/journal/journalView';
import { loadProject } from '../../src/dataset/project/project';
import { makeReference } from '../../src/dataset/project/reference';
import { sha256 } from '../../src/disk/hashing';
import { decodeMaskPng, encodeMaskPng } from '../../src/formats/maskPng';
import type { BatchSummary } from '../../src/protocol/runnerApi';
import {
  CLASSES,
  DRAWN,
  exists,
  FakeEngine,
  imageBytes,
  jobWith,
  labels,
  lineWith,
  projectOf,
  put,
  SIZE,
  TRUST_PARTS,
} from './fixtures';

const maskPath = (job: BatchJob, name: string) => join(job.root, 'masks', name);

const labelsIn = async (job: BatchJob, name: string) => [
  ...decodeMaskPng(await readFile(maskPath(job, name)), name).data,
];

const counts = ({ done, skipped, kept, absent, failed, total }: BatchSummary) => ({
  done,
  skipped,
  kept,
  absent,
  failed,
  total,
});
const NONE = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0 };

async function run(job: BatchJob, options?: BatchOptions) {
  return counts(await runBatch(job, options));
}

/** What the editor does when a person has judged a mask. */
async function judge(job: BatchJob, changes: Partial<JournalLine>): Promise<void> {
  const time = new Date().toISOString();
  const line = lineWith({ status: 'accepted', run: null, time, ...changes });
  await put(join(journalFolder(job.root), 'user.jsonl'), '');
  await appendFile(join(journalFolder(job.root), 'user.jsonl'), `${JSON.stringify(line)}\n`);
}

const painted = await encodeMaskPng(labels([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), CLASSES);

const names = (count: number) => Array.from({ length: count }, (_, i) => `images/${String(i).padStart(4, '0')}.png`);

describe('a first run', () => {
  test('writes a mask and a journal line per image and tells what it does', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['images/sub/b.png', 'images/c.png'], engine);
    const progress: BatchProgress[] = [];
    const notes: string[] = [];
    const summary = await runBatch(job, { onProgress: (p) => progress.push(p), onNote: (note) => notes.push(note) });
    expect(counts(summary)).toEqual({ ...NONE, done: 2, total: 2 });
    expect(summary).toMatchObject({ cancelled: false, failures: [], nested: [], brokenLines: 0 });
    expect(notes).toEqual(['thin object']);
    expect(progress.map(({ done, total }) => [done, total])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(progress[1].etaSeconds).toBe(0);
    expect(await labelsIn(job, 'sub/b.png')).toEqual(DRAWN);
    const entry = (await JournalView.read(job.root)).entry('images/c.png', 1);
    expect(entry).toMatchObject({
      status: 'auto',
      mask: sha256(await readFile(maskPath(job, 'c.png'))),
      file: { sha256: sha256(imageBytes('images/c.png')) },
      trust: null,
      trustParts: { iouPrediction: 0.9 },
      milliseconds: 5,
    });
    expect(await readdir(join(job.root, '.apmedsam', 'locks'))).toEqual([]);
  });

  test('says once what is true of many image files, and asks for the bands that the project shows', async () => {
    const about = (image: string) => (image.endsWith('7.png') ? ['cut short'] : ['thin object', 'it has 4 bands']);
    const engine = new FakeEngine((image) => ({ imageNotes: about(image) }), 1);
    const job = await jobWith(names(9), engine);
    const notes: string[] = [];
    const banded = { ...job, project: { ...job.project, bands: [4, 3, 2] as [number, number, number] } };
    await runBatch(banded, { onNote: (note) => notes.push(note) });
    expect(notes).toEqual([
      'thin object',
      'images/0000.png (others like it are not named): it has 4 bands',
      'images/0007.png (others like it are not named): cut short',
    ]);
    expect(engine.prepared[0]).toMatchObject({ bands: [4, 3, 2] });
    for (const request of engine.requests) expect(request.bands).toEqual([4, 3, 2]);
    // Other bands are other pixels: everything is made anew.
    expect(await run(banded)).toMatchObject({ skipped: 9 });
    expect(await run(job)).toMatchObject({ done: 9 });
  });

  test('gives a reference that lies in the folder its own support mask, not a guess', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['images/a.png', 'images/b.png'], engine);
    const drawn = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    const mask = await put(join(job.root, '..', 'own.png'), encodeMaskPng(labels(drawn), CLASSES));
    const reference = await makeReference(job.root, 1, join(job.root, 'images', 'a.png'), mask);
    expect(await run({ ...job, references: [reference] })).toEqual({ ...NONE, done: 2, total: 2 });
    expect(engine.requests.map(({ image }) => basename(image))).toEqual(['b.png']);
    expect(await labelsIn(job, 'a.png')).toEqual(drawn);
    expect(await labelsIn(job, 'b.png')).toEqual(DRAWN);
  });

  test('asks for the reference as it was set', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['a.png'], engine);
    await runBatch(job);
    const [reference] = job.references;
    expect(engine.requests[0]).toMatchObject({
      image: join(job.root, 'a.png'),
      classes: [
        { classId: 1, reference: { image: reference.image, imageHash: reference.imageHash, mask: { size: SIZE } } },
      ],
      strategy: 'ap-medsam',
      cacheBelow: Number.POSITIVE_INFINITY,
    });
    expect([...engine.requests[0].classes[0].reference.mask.runs]).toEqual([0, 6, 6]);
    expect(engine.requests[0]).not.toHaveProperty('window');
  });

  test('an absent object leaves no mask', async () => {
    const job = await jobWith(['a.png'], new FakeEngine(() => ({ outcome: 'absent', iouPrediction: undefined })));
    expect(await run(job)).toEqual({ ...NONE, absent: 1, total: 1 });
    expect(await exists(maskPath(job, 'a.png'))).toBe(false);
    expect(await run(job)).toEqual({ ...NONE, skipped: 1, total: 1 });
  });

  test('failures are named and journalled, and the rest goes on', async () => {
    let broken = true;
    const engine = new FakeEngine((image) => {
      if (broken && image.endsWith('b.png')) throw new UserError(`${image} is truncated.`);
      if (broken && image.endsWith('c.png')) throw new TypeError('bug');
      return {};
    });
    const job = await jobWith(['a.png', 'b.png', 'c.png'], engine);
    await put(join(job.root, 'text.png'), 'text');
    const summary = await runBatch(job);
    expect(counts(summary)).toEqual({ ...NONE, done: 1, failed: 3, total: 4 });
    const messages = Object.fromEntries(summary.failures.map(({ image, message }) => [image, message]));
    expect(messages['b.png']).toBe(`${join(job.root, 'b.png')} is truncated.`);
    expect(messages['c.png']).toBe(`${join(job.root, 'c.png')} could not be segmented: bug.`);
    expect(messages['text.png']).toMatch(/is not an image/);
    expect((await JournalView.read(job.root)).entry('b.png', 1)).toMatchObject({
      status: 'failed',
      error: messages['b.png'],
    });
    broken = false;
    expect(await run(job)).toEqual({ ...NONE, done: 2, skipped: 1, failed: 1, total: 4 });
    const journal = await readFile(join(journalFolder(job.root), 'batch-1-of-1.jsonl'), 'utf8');
    expect(journal.match(/text\.png is not an image/g)).toHaveLength(1);
  });

  test('instances are kept as COCO run lengths, down the columns', async () => {
    const instance = toRuns({ size: SIZE, data: Uint8Array.from([0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]) });
    const instances = [{ mask: instance, iouPrediction: 0.75, trust: 0.5 }];
    const job = await jobWith(['images/a.png'], new FakeEngine(() => ({ instances })));
    await runBatch(job);
    const mask = sha256(await readFile(maskPath(job, 'a.png')));
    expect(await exists(join(job.root, '.apmedsam', 'instances', 'images', 'a.png.json'))).toBe(true);
    expect(await readInstances(job.root, 'images/a.png')).toEqual([
      { class: 1, mask, instances: [{ size: [3, 4], counts: [3, 2, 2, 1, 4], iouPrediction: 0.75, trust: 0.5 }] },
    ]);
    const without = { ...job, engine: new FakeEngine(), parameters: { ...job.parameters, other: 1 } };
    await runBatch(without);
    expect(await readInstances(job.root, 'images/a.png')).toEqual([]);
  });

  test('journals trust and its parts', async () => {
    const job = await jobWith(['a.png'], new FakeEngine(() => ({ trust: 0.25, trustParts: TRUST_PARTS })));
    await runBatch(job);
    const entry = (await JournalView.read(job.root)).entry('a.png', 1);
    expect(entry).toMatchObject({ trust: 0.25, trustParts: { ...TRUST_PARTS, iouPrediction: 0.9 } });
  });

  test('embeddings are worth keeping only for the least trusted images', async () => {
    const engine = new FakeEngine((image) => ({ iouPrediction: Number(basename(image, '.png')) / 100 }), 1);
    const job = await jobWith(names(40), engine);
    await runBatch(job);
    const bounds = engine.requests.map(({ cacheBelow }) => cacheBelow);
    expect(bounds.slice(0, 32).every((bound) => bound === Number.POSITIVE_INFINITY)).toBe(true);
    expect(bounds.slice(32)).toEqual(Array(8).fill(0.31));
    const trusting = new FakeEngine((image) => ({ trust: 1 - Number(basename(image, '.png')) / 100 }), 1);
    await runBatch({ ...job, engine: trusting, parameters: { ...job.parameters, minTrust: 0.01 } });
    expect(trusting.requests[39].cacheBelow).toBe(1 - 0.07);
  });

  test('embeddings of what nobody judges are not kept image after image', async () => {
    const engine = new FakeEngine(() => ({ outcome: 'absent', iouPrediction: undefined }), 1);
    await runBatch(await jobWith(names(34), engine));
    const bounds = engine.requests.map(({ cacheBelow }) => cacheBelow!);
    expect(bounds.slice(0, 32).every((bound) => bound === Number.POSITIVE_INFINITY)).toBe(true);
    for (const bound of bounds.slice(32)) {
      expect(bound).toBeLessThan(Number.POSITIVE_INFINITY);
      expect(bound).toBeGreaterThan(1);
    }
  });
});

describe('starting again', () => {
  test('skips what is done and does what is new, changed or lost', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['a.png', 'b.png', 'c.png', 'd.png'], engine);
    await runBatch(job);
    expect(await run(job)).toEqual({ ...NONE, skipped: 4, total: 4 });

    await put(join(job.root, 'new.png'), imageBytes('new'));
    await put(join(job.root, 'a.png'), imageBytes('changed'));
    await rm(maskPath(job, 'b.png'));
    const touched = new Date(Date.now() - 5000);
    await utimes(join(job.root, 'c.png'), touched, touched);
    engine.requests.length = 0;
    expect(await run(job)).toEqual({ ...NONE, done: 3, skipped: 2, total: 5 });
    expect(engine.requests.map(({ image }) => basename(image)).sort()).toEqual(['a.png', 'b.png', 'new.png']);
  });

  test('with other parameters, models or references redoes automatic masks, unless the policy is to skip', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await runBatch(job);
    const other: BatchJob = { ...job, segmenter: { id: 'better', sha256: 'b' } };
    expect(await run({ ...other, overwrite: 'skip' })).toEqual({ ...NONE, skipped: 1, total: 1 });
    const redrawn = new FakeEngine(() => ({ pixels: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }));
    expect(await run({ ...other, engine: redrawn })).toEqual({ ...NONE, done: 1, total: 1 });
    expect(await labelsIn(job, 'a.png')).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const ablated = { ...job.parameters, ablation: { ...job.parameters.ablation, hard: false } };
    expect(await run({ ...job, parameters: ablated })).toEqual({ ...NONE, done: 1, total: 1 });
  });

  test('a mask that was about to be created when the process died is no obstacle', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await put(maskPath(job, 'a.png'), '');
    expect(await run(job)).toEqual({ ...NONE, done: 1, total: 1 });
    expect(await labelsIn(job, 'a.png')).toEqual(DRAWN);
  });

  test('temporary files of a crash are removed', async () => {
    const job = await jobWith(['sub/a.png'], new FakeEngine());
    const stale = await put(maskPath(job, 'sub/.apmedsam-tmp-1-x'), 'half');
    await utimes(stale, new Date(0), new Date(0));
    await runBatch(job);
    expect(await exists(stale)).toBe(false);
  });

  for (const [step, again] of [
    ['intent', ['a.png', 'b.png']],
    ['instances', ['a.png', 'b.png']],
    ['mask', ['b.png']],
    ['done', ['b.png']],
  ] as const) {
    test(`after a crash that followed "${step}" completes the work`, async () => {
      const engine = new FakeEngine(undefined, 1);
      const job = await jobWith(['a.png', 'b.png'], engine);
      const crash = new Error('crash');
      const onStep = (at: string) => {
        if (at === step) throw crash;
      };
      await expect(runBatch(job, { onStep })).rejects.toBe(crash);
      expect(await exists(maskPath(job, 'a.png'))).toBe(step === 'mask' || step === 'done');
      engine.requests.length = 0;
      const summary = await run(job);
      expect(engine.requests.map(({ image }) => basename(image))).toEqual(again);
      expect(summary).toEqual({ ...NONE, done: again.length, skipped: 2 - again.length, total: 2 });
      expect(await labelsIn(job, 'a.png')).toEqual(DRAWN);
      expect(await labelsIn(job, 'b.png')).toEqual(DRAWN);
      expect([...(await JournalView.read(job.root)).unfinished()]).toEqual([]);
      expect(await readdir(join(job.root, 'masks'))).toEqual(['a.png', 'b.png']);
    });
  }
});

describe('a person’s work', () => {
  test('a mask of unknown origin is kept, whatever the policy', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['a.png', 'b.png'], engine);
    await put(maskPath(job, 'a.png'), painted);
    for (const overwrite of ['replace-auto', 'skip'] as const) {
      await runBatch({ ...job, overwrite });
      expect(await readFile(maskPath(job, 'a.png'))).toEqual(painted);
    }
    expect(engine.requests.map(({ image }) => basename(image))).toEqual(['b.png']);
  });

  test('a mask that has rotted is kept, and named in every run, whoever made it', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['a.png', 'b.png', 'c.png', 'd.png'], engine);
    await runBatch(job);
    const person = new PersonCommitter({ session: 's' });
    await person.accept(job.root, 'b.png', 1);
    await person.dispose();
    const whole = await readFile(maskPath(job, 'a.png'));
    const rotted = {
      'a.png': whole.subarray(0, 40),
      'b.png': new Uint8Array(90),
      'c.png': Buffer.from(whole).fill(7, 50, 60),
    };
    for (const [name, bytes] of Object.entries(rotted)) await put(maskPath(job, name), bytes);
    for (const overwrite of ['replace-auto', 'skip', 'replace-auto'] as const) {
      const { failures, ...summary } = await runBatch({ ...job, overwrite });
      expect(counts(summary as BatchSummary)).toEqual({ ...NONE, failed: 3, skipped: 1, total: 4 });
      for (const { image, message } of failures) expect(message).toMatch(`${maskPath(job, image)} `);
      expect(failures.map(({ message }) => message.replace(/^\S+ /, '')).sort()).toEqual([
        expect.stringMatching(/^begins with nothing but zeros/),
        expect.stringMatching(/^is damaged: expected a whole PNG, but it ends after 40 bytes/),
        expect.stringMatching(/^is damaged: expected a whole PNG, but its part "PLTE" at byte 33 has a wrong checksum/),
      ]);
      for (const [name, bytes] of Object.entries(rotted)) {
        expect(await readFile(maskPath(job, name))).toEqual(Buffer.from(bytes));
      }
    }
    // A person's judgement of it stays.
    expect((await JournalView.read(job.root)).entry('b.png', 1)).toMatchObject({ status: 'accepted' });
  });

  test('an automatic mask that was edited outside, or judged, is kept', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    await runBatch(job);
    await put(maskPath(job, 'a.png'), painted);
    await judge(job, { image: 'b.png', mask: sha256(await readFile(maskPath(job, 'b.png'))) });
    const other = { ...job, segmenter: { id: 'better', sha256: 'b' } };
    expect(await run(other)).toEqual({ ...NONE, kept: 2, total: 2 });
  });

  test.each(['intent', 'instances'])('painted where nothing was, during the run, after "%s"', async (at) => {
    const job = await jobWith(['a.png'], new FakeEngine());
    const onStep = async (step: string) => {
      if (step === at) await put(maskPath(job, 'a.png'), painted);
    };
    expect(await run(job, { onStep })).toEqual({ ...NONE, kept: 1, total: 1 });
    expect(await readFile(maskPath(job, 'a.png'))).toEqual(painted);
    expect(await run(job)).toEqual({ ...NONE, kept: 1, total: 1 });
    expect(await readdir(join(job.root, 'masks'))).toEqual(['a.png']);
  });

  test('painted while the engine was busy', async () => {
    let job: BatchJob;
    const engine = new FakeEngine(async () => {
      await put(maskPath(job, 'a.png'), painted);
      return {};
    });
    job = await jobWith(['a.png'], engine);
    expect(await run(job)).toEqual({ ...NONE, kept: 1, total: 1 });
    expect(await readFile(maskPath(job, 'a.png'))).toEqual(painted);
  });

  test.each(['paints over', 'accepts'])('a person %s the automatic mask while it is being redone', async (what) => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await runBatch(job);
    const automatic = await readFile(maskPath(job, 'a.png'));
    const onStep = async (step: string) => {
      if (step !== 'intent') return;
      if (what === 'accepts') await judge(job, { image: 'a.png', mask: sha256(automatic) });
      else await put(maskPath(job, 'a.png'), painted);
    };
    const engine = new FakeEngine(() => ({ pixels: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }));
    const other = { ...job, engine, segmenter: { id: 'better', sha256: 'b' } };
    expect(await run(other, { onStep })).toEqual({ ...NONE, kept: 1, total: 1 });
    expect(await readFile(maskPath(job, 'a.png'))).toEqual(what === 'accepts' ? automatic : painted);
  });
});

describe('several classes in one mask', () => {
  const right = [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1];

  async function bothClasses() {
    const first = await jobWith(['a.png'], new FakeEngine());
    await runBatch(first);
    const second = {
      ...first,
      engine: new FakeEngine(() => ({ pixels: right })),
      references: [{ ...first.references[0], class: 2 }],
    };
    return { first, second };
  }

  test('a second class gets only what is background', async () => {
    const { first, second } = await bothClasses();
    expect(await run(second)).toEqual({ ...NONE, done: 1, total: 1 });
    expect(await labelsIn(first, 'a.png')).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2]);
    expect(await run(first)).toEqual({ ...NONE, skipped: 1, total: 1 });
    expect(await run(second)).toEqual({ ...NONE, skipped: 1, total: 1 });
  });

  test('a class that turns out absent takes only its own pixels away', async () => {
    const { first, second } = await bothClasses();
    await runBatch(second);
    const gone = { ...first, engine: new FakeEngine(() => ({ outcome: 'absent', pixels: DRAWN.map(() => 0) })) };
    expect(await run({ ...gone, encoder: { id: 'x', sha256: 'x' } })).toEqual({ ...NONE, absent: 1, total: 1 });
    expect(await labelsIn(first, 'a.png')).toEqual([0, 0, 2, 2, 0, 0, 2, 2, 0, 0, 2, 2]);
  });

  test('a person’s class and ignored pixels stay when another class is run', async () => {
    const { first, second } = await bothClasses();
    const edited = await encodeMaskPng(labels([1, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0]), CLASSES);
    await put(maskPath(first, 'a.png'), edited);
    await judge(first, { image: 'a.png', status: 'edited', mask: sha256(edited) });
    expect(await run(second)).toEqual({ ...NONE, done: 1, total: 1 });
    expect(await labelsIn(first, 'a.png')).toEqual([1, 2, 2, 255, 0, 2, 2, 2, 0, 2, 2, 2]);
    expect(await run({ ...first, encoder: { id: 'x', sha256: 'x' } })).toEqual({ ...NONE, kept: 1, total: 1 });
  });

  test('an image that was replaced by one of another size fails only if other classes would be lost', async () => {
    const { first, second } = await bothClasses();
    const size = { width: 2, height: 1 };
    const mask = toRuns({ size, data: Uint8Array.from([0, 1]) });
    const engine = new FakeEngine(() => ({ size, mask }));
    await put(join(first.root, 'a.png'), imageBytes('smaller'));
    expect(await run({ ...first, engine })).toEqual({ ...NONE, done: 1, total: 1 });
    expect(await labelsIn(first, 'a.png')).toEqual([0, 1]);
    const summary = await runBatch(second);
    expect(summary.failures[0].message).toBe(
      `${maskPath(first, 'a.png')} is 2 x 1 but its image is 4 x 3, and it holds other classes.`,
    );
  });
});

test('masks among the images are not labelled, nor is that of the reference; one that a person has judged is', async () => {
  const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
  const bytes = await encodeMaskPng(labels(DRAWN), CLASSES);
  for (const name of ['a_mask.png', 'b_gt.png', 'shape.png']) await put(join(job.root, name), bytes);
  await judge(job, { image: 'b_gt.png' });
  const references = [await makeReference(job.root, 1, join(job.root, 'a.png'), join(job.root, 'shape.png'))];
  const notes: string[] = [];
  const images: string[] = [];
  await runBatch(
    { ...job, references },
    {
      onNote: (note) => void notes.push(note),
      onImage: ({ image }) => void images.push(image),
    },
  );
  expect(images.sort()).toEqual(['a.png', 'b.png', 'b_gt.png']);
  expect(notes[0]).toBe('left out: 2 files that look like masks of other images, such as a_mask.png.');
});

describe('images of the same name', () => {
  const twin = (job: BatchJob) => put(join(job.root, 'a.png'), imageBytes('another'));

  test.each([
    ['a run', false],
    ['a person, with another program', true],
  ])('that come later leave the mask to the image for which %s has made it', async (_, isPersons) => {
    const job = await jobWith(['a.jpg'], new FakeEngine());
    const painted = labels([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    if (isPersons) await put(maskPath(job, 'a.png'), encodeMaskPng(painted, CLASSES));
    await runBatch(job);
    const before = await readFile(maskPath(job, 'a.png'));
    await twin(job);
    const masks: Record<string, string> = {};
    await runBatch(job, {
      onImage: ({ image, mask, outcome }) => {
        masks[image] = `${outcome} ${basename(mask)}`;
      },
    });
    expect(masks).toEqual({ 'a.jpg': `${isPersons ? 'kept' : 'skipped'} a.png`, 'a.png': 'done a.png.png' });
    expect(await readFile(maskPath(job, 'a.png'))).toEqual(before);
    expect(await labelsIn(job, 'a.png.png')).toEqual(DRAWN);
    await rm(join(job.root, 'a.jpg'));
    expect(await run(job)).toEqual({ ...NONE, skipped: 1, total: 1 });
  });

  test('with one mask that nothing tells the owner of fail with what to do, and the rest goes on', async () => {
    const job = await jobWith(['a.jpg', 'b.png'], new FakeEngine());
    await twin(job);
    await put(maskPath(job, 'a.png'), encodeMaskPng(labels(DRAWN), CLASSES));
    const { failures, done } = await runBatch(job);
    expect(done).toBe(1);
    // Two lanes work on them at once.
    expect(failures.map(({ image }) => image).sort()).toEqual(['a.jpg', 'a.png']);
    expect(failures.find(({ image }) => image === 'a.jpg')?.message).toBe(
      `${maskPath(job, 'a.png')} may be the mask of a.jpg or of a.png: rename it to a.jpg.png if it is that of a.jpg.`,
    );
  });
});

describe('several classes in one pass', () => {
  const LEFT = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
  const RIGHT = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
  const BOTH = LEFT.map((value, i) => value + 2 * RIGHT[i]);
  const halves: ConstructorParameters<typeof FakeEngine>[0] = (_image, _signal, classId) => ({
    pixels: classId === 1 ? LEFT : RIGHT,
    trust: classId / 10,
  });

  /** A job of both classes, whose references are the same image and mask. */
  async function pair(images: readonly string[], engine = new FakeEngine(halves)): Promise<BatchJob> {
    const job = await jobWith(images, engine);
    return { ...job, references: [1, 2].map((id) => ({ ...job.references[0], class: id })) };
  }

  const entryOf = async (job: BatchJob, classId: number, image = 'a.png') =>
    (await JournalView.read(job.root)).entry(image, classId);

  test('ask once per image, write one mask, and one line per class', async () => {
    const engine = new FakeEngine(halves);
    const job = await pair(['a.png', 'b.png'], engine);
    const reports: ImageReport[] = [];
    const notes: string[] = [];
    const steps: string[] = [];
    const summary = await runBatch(job, {
      onImage: (report) => void reports.push(report),
      onNote: (note) => notes.push(note),
      onStep: (step, image) => void (image === 'a.png' && steps.push(step)),
    });
    expect(counts(summary)).toEqual({ ...NONE, done: 2, total: 2 });
    expect(engine.requests).toHaveLength(2);
    expect(engine.prepared).toHaveLength(2);
    expect(engine.requests[0].classes.map(({ classId }) => classId)).toEqual([1, 2]);
    expect(notes).toEqual(['"glomerulus": thin object', '"vessel": thin object']);
    expect(steps).toEqual(['intent', 'instances', 'mask', 'done']);
    expect(await labelsIn(job, 'a.png')).toEqual(BOTH);
    const mask = sha256(await readFile(maskPath(job, 'a.png')));
    const [one, two] = [await entryOf(job, 1), await entryOf(job, 2)];
    expect(one).toMatchObject({ status: 'auto', mask, trust: 0.1 });
    expect(two).toMatchObject({ status: 'auto', mask, trust: 0.2 });
    expect(one!.run).not.toBe(two!.run);
    expect(reports[0].classes.map(({ classId, outcome }) => [classId, outcome])).toEqual([
      [1, 'done'],
      [2, 'done'],
    ]);
    expect(await run(job)).toEqual({ ...NONE, skipped: 2, total: 2 });
    expect(engine.requests).toHaveLength(2);
  });

  test('embeddings are kept by the class that is trusted least', async () => {
    const engine = new FakeEngine((image, _signal, classId) => ({
      iouPrediction: undefined,
      ...(classId !== 1 && { trust: Number(basename(image, '.png')) / 100 }),
    }));
    await runBatch(await pair(names(40), engine));
    expect(engine.requests.at(-1)!.cacheBelow).toBeCloseTo(0.31, 1);
  });

  test('one that is absent gives up its pixels, another that claims them may have them', async () => {
    const job = await pair(['a.png']);
    await runBatch(job);
    const engine = new FakeEngine((_image, _signal, classId) =>
      classId === 1 ? { outcome: 'absent', pixels: LEFT.map(() => 0) } : { pixels: LEFT.map(() => 1) },
    );
    const reports: ImageReport[] = [];
    const again = { ...job, engine, encoder: { id: 'x', sha256: 'x' } };
    const summary = await runBatch(again, { onImage: (report) => void reports.push(report) });
    expect(counts(summary)).toEqual({ ...NONE, done: 1, total: 1 });
    expect(reports[0].classes.map(({ outcome }) => outcome)).toEqual(['absent', 'done']);
    expect(await labelsIn(job, 'a.png')).toEqual(Array(12).fill(2));
    expect(await entryOf(job, 1)).toMatchObject({ status: 'absent' });
    expect(await entryOf(job, 2)).toMatchObject({ status: 'auto' });
    expect(await run(again)).toEqual({ ...NONE, skipped: 1, total: 1 });
  });

  test('all absent leaves no mask', async () => {
    const job = await pair(['a.png'], new FakeEngine(() => ({ outcome: 'absent' })));
    expect(await run(job)).toEqual({ ...NONE, absent: 1, total: 1 });
    expect(await exists(maskPath(job, 'a.png'))).toBe(false);
    expect(await run(job)).toEqual({ ...NONE, skipped: 1, total: 1 });
  });

  test('one that a person has judged is not asked for, and keeps its pixels', async () => {
    const engine = new FakeEngine(halves);
    const job = await pair(['a.png'], engine);
    const edited = await encodeMaskPng(labels([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), CLASSES);
    await put(maskPath(job, 'a.png'), edited);
    await judge(job, { image: 'a.png', status: 'edited', mask: sha256(edited) });
    const reports: ImageReport[] = [];
    const summary = await runBatch(job, { onImage: (report) => void reports.push(report) });
    expect(counts(summary)).toEqual({ ...NONE, done: 1, total: 1 });
    expect(engine.requests[0].classes.map(({ classId }) => classId)).toEqual([2]);
    expect(reports[0].classes.map(({ outcome }) => outcome)).toEqual(['kept', 'done']);
    expect(await labelsIn(job, 'a.png')).toEqual([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2]);
    expect(await run(job)).toEqual({ ...NONE, skipped: 1, total: 1 });
    expect(await entryOf(job, 1)).toMatchObject({ status: 'edited' });
  });

  test('one that a person accepts while the mask is being made is left out, the other is put in place', async () => {
    const job = await pair(['a.png']);
    await runBatch(job);
    const before = sha256(await readFile(maskPath(job, 'a.png')));
    const engine = new FakeEngine(() => ({ pixels: Array(12).fill(1) }));
    let judged = false;
    const onStep = async (step: string) => {
      if (step !== 'intent' || judged) return;
      judged = true;
      await judge(job, { image: 'a.png', mask: before });
    };
    const reports: ImageReport[] = [];
    const again = { ...job, engine, encoder: { id: 'x', sha256: 'x' } };
    await runBatch(again, { onStep, onImage: (report) => void reports.push(report) });
    expect(reports[0].classes.map(({ outcome }) => outcome)).toEqual(['kept', 'done']);
    expect(await labelsIn(job, 'a.png')).toEqual(LEFT.map((value) => (value === 1 ? 1 : 2)));
    expect(await entryOf(job, 1)).toMatchObject({ status: 'accepted', mask: before });
    expect(await run(again)).toEqual({ ...NONE, skipped: 1, total: 1 });
  });

  test.each(['intent', 'instances', 'mask'])('a crash after %s is completed for both', async (last) => {
    const engine = new FakeEngine(halves);
    const job = await pair(['a.png'], engine);
    const crash = new Error('crash');
    const onStep = (step: string) => {
      if (step === last) throw crash;
    };
    await expect(runBatch(job, { onStep })).rejects.toBe(crash);
    expect([...(await JournalView.read(job.root)).unfinished()].map((line) => line.class).sort()).toEqual([1, 2]);
    const outcome = last === 'mask' ? { skipped: 1 } : { done: 1 };
    expect(await run(job)).toEqual({ ...NONE, ...outcome, total: 1 });
    expect(engine.requests).toHaveLength(last === 'mask' ? 1 : 2);
    expect(await labelsIn(job, 'a.png')).toEqual(BOTH);
    for (const id of [1, 2]) expect(await entryOf(job, id)).toMatchObject({ status: 'auto' });
  });

  test('a crash between the last lines of the two is completed', async () => {
    const engine = new FakeEngine(halves);
    const job = await pair(['a.png'], engine);
    await runBatch(job);
    const file = join(journalFolder(job.root), 'batch-1-of-1.jsonl');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    await put(file, `${lines.slice(0, -1).join('\n')}\n${lines.at(-1)!.slice(0, 40)}`);
    expect([...(await JournalView.read(job.root)).unfinished()].map((line) => line.class)).toEqual([2]);
    expect(await run(job)).toEqual({ ...NONE, skipped: 1, total: 1 });
    expect(engine.requests).toHaveLength(1);
    expect(await entryOf(job, 2)).toMatchObject({ status: 'auto' });
  });

  test('compete again where one of them is missing', async () => {
    const engine = new FakeEngine(halves);
    const job = await pair(['a.png'], engine);
    await runBatch(job);
    await judge(job, { image: 'b.png' });
    const line = lineWith({ class: 2, status: 'failed', run: (await entryOf(job, 2))!.run, mask: null });
    const file = join(journalFolder(job.root), 'batch-1-of-1.jsonl');
    await appendFile(file, `${JSON.stringify({ ...line, time: new Date().toISOString() })}\n`);
    expect(await run(job)).toEqual({ ...NONE, done: 1, total: 1 });
    expect(engine.requests[1].classes.map(({ classId }) => classId)).toEqual([1, 2]);
  });

  test('a support mask in the folder beats what is guessed of another class', async () => {
    const engine = new FakeEngine(() => ({ pixels: Array(12).fill(1) }));
    const job = await pair(['a.png', 'b.png'], engine);
    const drawn = [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    const mask = await put(join(job.root, '..', 'own.png'), encodeMaskPng(labels(drawn), CLASSES));
    const own = await makeReference(job.root, 2, join(job.root, 'a.png'), mask);
    expect(await run({ ...job, references: [job.references[0], own] })).toEqual({ ...NONE, done: 2, total: 2 });
    const asked = engine.requests.find(({ image }) => image.endsWith('a.png'));
    expect(asked!.classes.map(({ classId }) => classId)).toEqual([1]);
    expect(await labelsIn(job, 'a.png')).toEqual(drawn.map((value) => value + 1));
  });

  test('another reference for one of them makes both anew, and either can be run alone', async () => {
    const engine = new FakeEngine(halves);
    const job = await pair(['a.png'], engine);
    await runBatch(job);
    const other = await put(join(job.root, '..', 'other.png'), imageBytes('other'));
    const mask = join(job.root, '..', 'mask.png');
    const changed = [job.references[0], await makeReference(job.root, 2, other, mask)];
    expect(await run({ ...job, references: changed })).toEqual({ ...NONE, done: 1, total: 1 });
    expect(engine.requests[1].classes).toHaveLength(2);
    expect(await run({ ...job, references: [changed[1]] })).toEqual({ ...NONE, done: 1, total: 1 });
    expect(engine.requests[2].classes).toHaveLength(1);
    expect(await labelsIn(job, 'a.png')).toEqual(BOTH);
  });

  test('a failure is told once per image, and journalled for each class but a person’s', async () => {
    const engine = new FakeEngine((image) => {
      throw new UserError(`${image} is damaged.`);
    });
    const job = await pair(['a.png'], engine);
    await judge(job, { image: 'a.png', mask: null });
    const summary = await runBatch(job);
    expect(counts(summary)).toEqual({ ...NONE, failed: 1, total: 1 });
    expect(summary.failures).toHaveLength(1);
    expect(await entryOf(job, 1)).toMatchObject({ status: 'accepted' });
    expect(await entryOf(job, 2)).toMatchObject({ status: 'failed', error: expect.stringMatching(/damaged/) });
    const journal = await readFile(join(journalFolder(job.root), 'batch-1-of-1.jsonl'), 'utf8');
    expect(journal.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('bounds and interruptions', () => {
  test('never more requests at a time than the engines have lanes', async () => {
    const engine = new FakeEngine(() => new Promise((resolve) => setTimeout(() => resolve({}), 2)), 3);
    await runBatch(await jobWith(names(20), engine));
    expect(engine.mostInFlight).toBe(3);
  });

  test('cancelling is no error, loses nothing and is taken up later', async () => {
    const abort = new AbortController();
    const engine = new FakeEngine((_, signal) => {
      if (engine.requests.length < 5) return {};
      abort.abort();
      return new Promise((_resolve, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }, 2);
    const job = await jobWith(names(12), engine);
    const summary = await runBatch(job, { signal: abort.signal });
    expect(summary).toMatchObject({ cancelled: true, failed: 0, failures: [], total: 12 });
    expect(await readdir(join(job.root, '.apmedsam', 'locks'))).toEqual([]);
    expect(await readdir(join(job.root, 'masks'))).toHaveLength(summary.done);
    const rest = await run({ ...job, engine: new FakeEngine() });
    expect(rest).toEqual({ ...NONE, done: 12 - summary.done, skipped: summary.done, total: 12 });
  });

  test('cancelled before it starts it asks nothing of the engine', async () => {
    const engine = new FakeEngine();
    const summary = await runBatch(await jobWith(['a.png'], engine), { signal: AbortSignal.abort() });
    expect(summary).toMatchObject({ cancelled: true, done: 0, total: 1 });
    expect(engine.prepared).toEqual([]);
  });

  test('a report that fails ends the run, one that was cancelled does not', async () => {
    const abort = new AbortController();
    const job = await jobWith(names(8), new FakeEngine());
    const cancelled = async () => {
      abort.abort();
      abort.signal.throwIfAborted();
    };
    expect(await runBatch(job, { signal: abort.signal, onImage: cancelled })).toMatchObject({ cancelled: true });
    const broken = new Error('no overlay');
    await expect(runBatch(job, { onImage: () => Promise.reject(broken) })).rejects.toBe(broken);
  });

  test('a commit that has begun is finished when the run is cancelled', async () => {
    const abort = new AbortController();
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine(undefined, 1));
    const onStep = (step: string) => step === 'intent' && abort.abort();
    const summary = await runBatch(job, { signal: abort.signal, onStep: (step) => void onStep(step) });
    expect(summary).toMatchObject({ cancelled: true, done: 1, total: 2 });
    expect([...(await JournalView.read(job.root)).unfinished()]).toEqual([]);
  });

  test('a mask that may not be written or stays held fails by its name, and the others go on', async () => {
    for (const code of ['EACCES', 'EPERM', 'EBUSY']) {
      const job = await jobWith(names(5), new FakeEngine());
      const refusal = new UserError(`Cannot write x: ${code}.`, { cause: Object.assign(new Error(), { code }) });
      const onStep = (step: string, image: string) => {
        if (step === 'instances' && image === 'images/0002.png') throw refusal;
      };
      const summary = await runBatch(job, { onStep });
      expect(counts(summary)).toEqual({ ...NONE, done: 4, failed: 1, total: 5 });
      expect(summary.failures).toEqual([{ image: 'images/0002.png', message: refusal.message }]);
    }
  });

  test('a mask folder in which nothing can be written stops the batch with one sentence', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(names(20), engine);
    // For root, permissions are none; a file where the folder was is in everybody's way.
    const ruin = async () => {
      await rm(join(job.root, 'masks'), { recursive: true });
      await put(join(job.root, 'masks'), '');
    };
    let ruined: Promise<void> | undefined;
    const onStep = async (step: string) => {
      if (step !== 'intent') return;
      ruined ??= ruin();
      await ruined;
      throw new UserError('raw', { cause: Object.assign(new Error(), { code: 'EACCES' }) });
    };
    await expect(runBatch(job, { onStep })).rejects.toThrow(
      `Cannot write ${join(job.root, 'masks')}: a file stands where a folder should be.`,
    );
    expect(engine.requests.length).toBeLessThan(20);
  });

  test('cancelling while a held mask is waited for leaves the image to the next run', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    const cancel = new AbortController();
    const onStep = (step: string) => {
      if (step !== 'instances') return;
      cancel.abort(new Error('cancelled'));
      // As patience does when its signal is aborted.
      throw cancel.signal.reason;
    };
    const summary = await runBatch(job, { onStep, signal: cancel.signal });
    expect(summary).toMatchObject({ cancelled: true, done: 0, failed: 0, failures: [] });
    expect(await run(job)).toEqual({ ...NONE, done: 2, total: 2 });
  });

  test('a full disk stops the batch with one sentence', async () => {
    const engine = new FakeEngine(undefined, 2);
    const job = await jobWith(names(20), engine);
    const full = new UserError('The disk is full: cannot write x.', {
      cause: Object.assign(new Error(), { code: 'ENOSPC' }),
    });
    const onStep = () => {
      if (engine.requests.length >= 4) throw full;
    };
    await expect(runBatch(job, { onStep })).rejects.toBe(full);
    expect(engine.requests.length).toBeLessThan(8);
    expect(await run(job)).toMatchObject({ failed: 0, total: 20 });
  });

  test('a file where the mask folder should be is told before the engine is asked', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['a.png'], engine);
    await put(join(job.root, 'masks'), 'a file');
    await expect(runBatch(job)).rejects.toThrow(/^Cannot write .*masks: a file stands where a folder should be\.$/);
    expect(engine.prepared).toEqual([]);
  });

  test('a folder where one mask should be fails only this image', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    await mkdir(maskPath(job, 'a.png'), { recursive: true });
    const summary = await runBatch(job);
    expect(counts(summary)).toEqual({ ...NONE, done: 1, failed: 1, total: 2 });
    expect(summary.failures[0].message).toMatch(/a\.png is a folder, not a file: move it away\.$/);
  });

  test('a reference that does not fit is told before the engine is asked for masks', async () => {
    const engine = new FakeEngine();
    const job = await jobWith(['a.png'], engine);
    await expect(
      runBatch({ ...job, references: [{ ...job.references[0], imageHash: '0'.repeat(64) }] }),
    ).rejects.toThrow(/reference image .* has changed since/);
    const size = { width: 40, height: 30 };
    vi.spyOn(engine, 'inspectImage').mockImplementation(async () => ({
      size,
      file: { sha256: '', bytes: 0, mtimeMs: 0 },
      format: 'png',
      depth: 8,
    }));
    await expect(runBatch(job)).rejects.toThrow(/^The mask .* is 4 x 3 but its image .* is 40 x 30\.$/);
    expect(engine.requests).toEqual([]);
  });

  test('5,000 images: what is in memory does not grow with the results', async () => {
    const big = { width: 1000, height: 200 };
    // 200 kB per result, 1 GB in all.
    const runs = () => new Uint32Array(50_000).fill(4);
    const engine = new FakeEngine(() => ({ outcome: 'absent', size: big, mask: { size: big, runs: runs() } }), 32);
    const job = await jobWith(names(5000), engine);
    let most = 0;
    const onProgress = ({ absent }: BatchProgress) => {
      if (absent % 100 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers);
    };
    expect(await run(job, { onProgress })).toEqual({ ...NONE, absent: 5000, total: 5000 });
    expect(most).toBeLessThan(400e6);
  });
});

describe('shards', () => {
  test('at the same time do every image exactly once', async () => {
    const engines = [new FakeEngine(), new FakeEngine(), new FakeEngine()];
    const job = await jobWith(names(30), engines[0]);
    const summaries = await Promise.all(
      engines.map((engine, i) => runBatch({ ...job, engine, shard: { index: i + 1, count: 3 } })),
    );
    const asked = engines.flatMap((engine) => engine.requests.map(({ image }) => image));
    expect(asked).toHaveLength(30);
    expect(new Set(asked).size).toBe(30);
    expect(summaries.reduce((sum, { done }) => sum + done, 0)).toBe(30);
    expect(summaries.every(({ total }) => total > 0 && total < 30)).toBe(true);
    expect(await run(job)).toEqual({ ...NONE, skipped: 30, total: 30 });
  });

  test('an image stays in its shard when others come', () => {
    const shards = [1, 2, 3, 4].map((index) => ({ index, count: 4 }));
    for (const name of names(50)) expect(shards.filter((shard) => inShard(name, shard))).toHaveLength(1);
  });

  test('the same folder twice at a time is refused', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    const engine = new FakeEngine(async () => {
      await expect(runBatch(job)).rejects.toThrow(/is already being processed by process/);
      return {};
    });
    expect(await run({ ...job, engine })).toEqual({ ...NONE, done: 1, total: 1 });
  });

  test('a shard that cannot be is a programming error', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await expect(runBatch({ ...job, shard: { index: 3, count: 2 } })).rejects.toThrow('1 <= i <= n, got 3/2');
  });
});

describe('images of more than 8 bits', () => {
  const deep = (image: string) => (image.endsWith('3.png') ? 16 : 8);

  test('get one window, measured on some of them and stored in the project', async () => {
    const engine = new FakeEngine(undefined, 2, deep);
    const job = await jobWith(names(14), engine);
    await runBatch(job);
    expect(engine.sampled).toEqual([[join(job.root, 'images/0003.png'), join(job.root, 'images/0013.png')]]);
    expect(engine.requests[0].window).toEqual({ low: 100, high: 4000 });
    expect(engine.prepared[0]).toMatchObject({ window: { low: 100, high: 4000 } });
    const project = await loadProject(job.root);
    expect(project).toEqual(projectOf({ window: { low: 100, high: 4000 } }));
    // The stored window gives the same run key as the measured one.
    expect(await run({ ...job, project: project as BatchJob['project'] })).toEqual({ ...NONE, skipped: 14, total: 14 });
    expect(engine.sampled).toHaveLength(1);
  });

  test('the sample is spread over the folder, and one that cannot be decoded is left out', async () => {
    const engine = new FakeEngine(undefined, 4, () => 16);
    const job = await jobWith(names(100), engine);
    const sample = engine.sampleWindow.bind(engine);
    vi.spyOn(engine, 'sampleWindow').mockImplementation(async (params) => {
      if (params.images.some((image) => image.endsWith('0099.png'))) throw new UserError('truncated');
      return sample(params);
    });
    await runBatch(job);
    const last = engine.sampled[engine.sampled.length - 1];
    expect(last).toHaveLength(16);
    expect(last[0]).toBe(job.references[0].image);
    expect(last[1]).toMatch(/0000\.png$/);
    expect(last[15]).toMatch(/0092\.png$/);
  });

  test('that are all damaged fail in their turn, and the others are labelled', async () => {
    const damaged = (image: string) => new UserError(`${image} is damaged or incomplete.`);
    const answer = (image: string) => {
      if (deep(image) > 8) throw damaged(image);
      return {};
    };
    const engine = new FakeEngine(answer, 2, deep);
    const job = await jobWith(names(14), engine);
    vi.spyOn(engine, 'sampleWindow').mockImplementation(async ({ images }) => {
      throw damaged(images[0]);
    });
    const summary = await runBatch(job);
    expect(counts(summary)).toEqual({ ...NONE, done: 12, failed: 2, total: 14 });
    expect(summary.failures.map(({ message }) => message)).toEqual([
      `${join(job.root, 'images/0003.png')} is damaged or incomplete.`,
      `${join(job.root, 'images/0013.png')} is damaged or incomplete.`,
    ]);
    expect(engine.requests[0]).not.toHaveProperty('window');
    // Nothing is stored that a repaired file would have to live with.
    expect((await loadProject(job.root))?.window).toBeUndefined();
  });

  test('a project with a window is not measured again', async () => {
    const engine = new FakeEngine(undefined, 2, () => 16);
    const job = await jobWith(['a.png'], engine);
    await runBatch({ ...job, project: projectOf({ window: { low: 1, high: 2 } }) });
    expect(engine.sampled).toEqual([]);
    expect(engine.requests[0].window).toEqual({ low: 1, high: 2 });
  });
});
