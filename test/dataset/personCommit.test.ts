/** What a person saves and accepts, and what runs and other windows make of it. */
import { appendFile, link, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { toRuns } from '../../src/core/pixels/mask';
import { type BatchJob, runBatch } from '../../src/dataset/batch/batch';
import { type Conflict, type LabelSave, PersonCommitter, type Saved } from '../../src/dataset/commits/personCommit';
import { heldInstances, readInstances } from '../../src/dataset/journal/instanceFile';
import { type JournalLine, JournalWriter, journalFolder } from '../../src/dataset/journal/journal';
import { JournalView, JournalViews } from '../../src/dataset/journal/journalView';
import { loadProject } from '../../src/dataset/project/project';
import { EMPTY_HASH } from '../../src/disk/atomicFile';
import { sha256 } from '../../src/disk/hashing';
import { decodeMaskPng, encodeMaskPng } from '../../src/formats/maskPng';
import type { SegmentResult } from '../../src/protocol/engineApi';
import type { BatchSummary } from '../../src/protocol/runnerApi';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
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
  putImages,
  SIZE,
  TRUST_PARTS,
  temporaryFolder,
} from './fixtures';

const append = JournalWriter.prototype.append;
afterEach(() => void vi.restoreAllMocks());

const NONE = { done: 0, skipped: 0, kept: 0, absent: 0, failed: 0 };
const ONE_PIXEL = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const BLANK = DRAWN.map(() => 0);
const onePixelAt = (at: number) => BLANK.map((_, i) => (i === at ? 1 : 0));
const FILE = { sha256: 'f', bytes: 3, mtimeMs: 4 };
const BY_PERSON = { classId: 1, by: 'person' } as const;

function committer(session = 's1', journals = new JournalViews()): PersonCommitter {
  const made = new PersonCommitter({ session, journals });
  onTestFinished(() => made.dispose());
  return made;
}

const saveOf = (values: readonly number[], changes: Partial<LabelSave> = {}): LabelSave => ({
  image: 'a.png',
  labels: labels(values),
  opened: null,
  file: FILE,
  work: [BY_PERSON],
  ...changes,
});

/** A root with a project and images a and b. */
async function newRoot(): Promise<string> {
  const root = join(await temporaryFolder(), 'root');
  await mkdir(root);
  await putImages(root, ['a.png', 'b.png']);
  await saveProject(root, projectOf());
  return root;
}

/** Hash of what was saved; fails on a conflict. */
function maskOf(saved: Saved | Conflict): string {
  expect(saved.outcome).toBe('saved');
  return (saved as { mask: string }).mask;
}

const maskPath = (root: string, name = 'a.png') => join(root, 'masks', name);
const labelsIn = async (root: string, name = 'a.png') => [
  ...decodeMaskPng(await readFile(maskPath(root, name)), name).data,
];
const hashOf = async (root: string, name = 'a.png') => sha256(await readFile(maskPath(root, name)));
const entryOf = async (root: string, image = 'a.png', classId = 1) =>
  (await JournalView.read(root)).entry(image, classId);

async function linesOf(root: string, writer: string): Promise<JournalLine[]> {
  const text = await readFile(join(journalFolder(root), `${writer}.jsonl`), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function resultOf(values: readonly number[], changes: Partial<SegmentResult> = {}): SegmentResult {
  return {
    size: SIZE,
    file: FILE,
    outcome: 'mask',
    mask: toRuns({ size: SIZE, data: Uint8Array.from(values.map((value) => (value === 1 ? 1 : 0))) }),
    instances: [],
    prompts: [
      { point: { x: 1, y: 2 }, label: 1, instance: 0, reason: 'kept' },
      { point: { x: 3, y: 2 }, label: 1, instance: 0, reason: 'backward' },
    ] as unknown as SegmentResult['prompts'],
    iouPrediction: 0.7,
    notes: [],
    times: { total: 12.4 },
    ...changes,
  };
}

const counts = ({ done, skipped, kept, absent, failed, total }: BatchSummary) => ({
  done,
  skipped,
  kept,
  absent,
  failed,
  total,
});
const run = async (job: BatchJob) => counts(await runBatch(job));

/** The run key that a batch gives the images it does. */
async function runKey(job: BatchJob): Promise<string> {
  return (await entryOf(job.root, 'b.png'))!.run!;
}

describe('a save', () => {
  test('puts mask and lines on the disk, and no run touches it', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    const saved = await committer('window-1').save(job.root, saveOf(ONE_PIXEL));
    expect(saved).toEqual({ outcome: 'saved', path: maskPath(job.root), mask: await hashOf(job.root) });
    expect(await labelsIn(job.root)).toEqual(ONE_PIXEL);
    const lines = await linesOf(job.root, 'person-window-1');
    expect(lines.map(({ kind }) => kind)).toEqual(['intent', 'done']);
    for (const line of lines) {
      expect(line).toMatchObject({ image: 'a.png', class: 1, status: 'edited', file: FILE, run: null });
      expect(line).toMatchObject({ mask: await hashOf(job.root), trustParts: { iouPrediction: null }, prompts: [] });
    }
    for (const overwrite of ['replace-auto', 'skip'] as const) await runBatch({ ...job, overwrite });
    expect(await run({ ...job, segmenter: { id: 'x', sha256: 'x' } })).toEqual({ ...NONE, kept: 1, done: 1, total: 2 });
    expect(await labelsIn(job.root)).toEqual(ONE_PIXEL);
  });

  test('over an automatic mask makes it the person’s', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await runBatch(job);
    const opened = await hashOf(job.root);
    expect(await committer().save(job.root, saveOf(ONE_PIXEL, { opened }))).toMatchObject({ outcome: 'saved' });
    expect(await entryOf(job.root)).toMatchObject({ status: 'edited', run: null });
    expect(await run({ ...job, segmenter: { id: 'x', sha256: 'x' } })).toEqual({ ...NONE, kept: 1, total: 1 });
  });

  test('follows another save of the same window, and needs no file to begin with', async () => {
    const root = await newRoot();
    const person = committer();
    await put(maskPath(root), '');
    const first = await person.save(root, saveOf(ONE_PIXEL));
    expect(maskOf(first)).not.toBe(EMPTY_HASH);
    expect(await person.save(root, saveOf(BLANK, { opened: maskOf(first) }))).toMatchObject({ outcome: 'saved' });
    expect(await labelsIn(root)).toEqual(BLANK);
    expect(await readdir(join(root, 'masks'))).toEqual(['a.png']);
  });

  test('in a folder without a project goes where the defaults say', async () => {
    const root = join(await temporaryFolder(), 'root');
    await putImages(root, ['images/a.png']);
    const defaults = { strategy: 's', parameters: projectOf().parameters, encoder: 'e', segmenter: 's' } as const;
    const person = new PersonCommitter({
      session: 's',
      defaults: { ...defaults, parameters: { ablation: {} } as never, maskFolder: 'labels' },
    });
    const saved = await person.save(root, saveOf(ONE_PIXEL, { image: 'images/a.png' }));
    await person.dispose();
    expect(saved.path).toBe(join(root, 'labels', 'a.png'));
    expect(await loadProject(root)).toBeNull();
  });

  test('is refused where the file is no longer the one that was opened', async () => {
    const root = await newRoot();
    const person = committer();
    const path = maskPath(root);
    const theirs = await encodeMaskPng(labels([...ONE_PIXEL].reverse()), CLASSES);
    await put(path, theirs);
    for (const opened of [null, '0'.repeat(64)]) {
      expect(await person.save(root, saveOf(ONE_PIXEL, { opened }))).toEqual({
        outcome: 'conflict',
        path,
        found: sha256(theirs),
      });
    }
    expect(await readFile(path)).toEqual(Buffer.from(theirs));
    expect(await entryOf(root)).toBeUndefined();
    // The person has looked at it, and wants their own.
    const again = await person.save(root, saveOf(ONE_PIXEL, { opened: sha256(theirs) }));
    expect(again).toMatchObject({ outcome: 'saved' });
    await rm(path);
    expect(await person.save(root, saveOf(BLANK, { opened: maskOf(again) }))).toEqual({
      outcome: 'conflict',
      path,
      found: null,
    });
    expect(await exists(path)).toBe(false);
  });

  test('is refused where the file changes at the last moment', async () => {
    const root = await newRoot();
    const path = maskPath(root);
    const theirs = await encodeMaskPng(labels([...ONE_PIXEL].reverse()), CLASSES);
    vi.spyOn(JournalWriter.prototype, 'append').mockImplementationOnce(async function (this: JournalWriter, line) {
      const place = await append.call(this, line);
      await put(path, theirs);
      return place;
    });
    expect(await committer().save(root, saveOf(ONE_PIXEL))).toEqual({
      outcome: 'conflict',
      path,
      found: sha256(theirs),
    });
    expect(await readFile(path)).toEqual(Buffer.from(theirs));
    expect(await readdir(join(root, 'masks'))).toEqual(['a.png']);
  });

  test('that failed after the mask was placed can be repeated', async () => {
    const root = await newRoot();
    const person = committer();
    const spy = vi.spyOn(JournalWriter.prototype, 'append').mockImplementation(async function (
      this: JournalWriter,
      line,
    ) {
      if (line.kind === 'done') throw new Error('disk full');
      return append.call(this, line);
    });
    await expect(person.save(root, saveOf(ONE_PIXEL))).rejects.toThrow('disk full');
    spy.mockRestore();
    expect(await person.save(root, saveOf(ONE_PIXEL))).toMatchObject({ outcome: 'saved', mask: await hashOf(root) });
    expect(await entryOf(root)).toMatchObject({ status: 'edited' });
  });

  test('of nothing changed writes nothing', async () => {
    const root = await newRoot();
    const saved = await committer().save(root, saveOf(ONE_PIXEL, { work: [], opened: 'h' }));
    expect(saved).toEqual({ outcome: 'saved', path: maskPath(root), mask: 'h' });
    expect(await exists(maskPath(root))).toBe(false);
    expect(await exists(journalFolder(root))).toBe(false);
  });

  test('needs the labels only until they are encoded', async () => {
    const root = await newRoot();
    const map = labels(ONE_PIXEL);
    const onEncoded = vi.fn(() => void map.data.fill(7));
    await committer().save(root, saveOf([], { labels: map, onEncoded }));
    expect(onEncoded).toHaveBeenCalledOnce();
    expect(await labelsIn(root)).toEqual(ONE_PIXEL);
  });

  test('of two classes is two lines of one mask', async () => {
    const root = await newRoot();
    const work = [1, 2].map((classId) => ({ classId, by: 'person' }) as const);
    await committer().save(root, saveOf([1, 2, 2, 255, ...BLANK.slice(4)], { work }));
    const [one, two] = [await entryOf(root, 'a.png', 1), await entryOf(root, 'a.png', 2)];
    expect(one).toMatchObject({ status: 'edited', mask: await hashOf(root) });
    expect(two).toEqual(one);
    expect(await labelsIn(root)).toEqual([1, 2, 2, 255, ...BLANK.slice(4)]);
  });
});

describe('a run’s result that the editor saves', () => {
  const byRun = (key: string, result: SegmentResult) => ({ classId: 1, by: 'run', run: key, result }) as const;

  test('stays automatic, with all that a batch would say of it', async () => {
    const root = await newRoot();
    await committer().save(
      root,
      saveOf(DRAWN, { work: [byRun('key', resultOf(DRAWN, { trust: 0.6, trustParts: TRUST_PARTS }))] }),
    );
    const [intent, done] = await linesOf(root, 'person-s1');
    expect(done).toEqual({ ...intent, kind: 'done', time: done.time });
    expect(done).toMatchObject({ status: 'auto', run: 'key', mask: await hashOf(root), file: FILE, milliseconds: 12 });
    expect(done).toMatchObject({
      trust: 0.6,
      trustParts: { ...TRUST_PARTS, iouPrediction: 0.7 },
      prompts: [{ x: 1, y: 2, label: 1, instance: 0 }],
    });
  });

  test('is done for a batch of the same key, and replaced by one of another', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    await runBatch({ ...job, targets: [join(job.root, 'b.png')] });
    const { sha256: hash, ...rest } = (await new FakeEngine().inspectImage({ image: join(job.root, 'a.png') })).file;
    const result = resultOf(ONE_PIXEL, { file: { sha256: hash, ...rest } });
    await committer().save(job.root, saveOf(ONE_PIXEL, { work: [byRun(await runKey(job), result)] }));
    expect(await run(job)).toEqual({ ...NONE, skipped: 2, total: 2 });
    expect(await labelsIn(job.root)).toEqual(ONE_PIXEL);
    const other: BatchJob = { ...job, segmenter: { id: 'x', sha256: 'x' } };
    expect(await run({ ...other, overwrite: 'skip' })).toEqual({ ...NONE, skipped: 2, total: 2 });
    expect(await run(other)).toEqual({ ...NONE, done: 2, total: 2 });
    expect(await labelsIn(job.root)).toEqual(DRAWN);
  });

  test('that found nothing needs no file', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    await runBatch({ ...job, targets: [join(job.root, 'b.png')] });
    const { file } = await new FakeEngine().inspectImage({ image: join(job.root, 'a.png') });
    const result = resultOf(BLANK, { outcome: 'absent', iouPrediction: undefined, file });
    const saved = await committer().save(job.root, saveOf(BLANK, { work: [byRun(await runKey(job), result)] }));
    expect(saved).toEqual({ outcome: 'saved', path: maskPath(job.root), mask: null });
    expect(await exists(maskPath(job.root))).toBe(false);
    expect(await entryOf(job.root)).toMatchObject({
      status: 'absent',
      mask: null,
      trustParts: { iouPrediction: null },
    });
    expect(await run(job)).toEqual({ ...NONE, skipped: 2, total: 2 });
  });

  test('that found nothing where there was a mask leaves an empty one', async () => {
    const root = await newRoot();
    const person = committer();
    const first = await person.save(root, saveOf(DRAWN, { work: [byRun('key', resultOf(DRAWN))] }));
    const work = [byRun('other', resultOf(BLANK, { outcome: 'absent' }))];
    await person.save(root, saveOf(BLANK, { opened: maskOf(first), work }));
    expect(await labelsIn(root)).toEqual(BLANK);
    expect(await entryOf(root)).toMatchObject({ status: 'absent', mask: await hashOf(root), run: 'other' });
  });

  test('is no judgement, whatever the person had said before, until that comes back with its pixels', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    const person = committer();
    const first = await person.save(job.root, saveOf(ONE_PIXEL));
    await person.accept(job.root, 'a.png', 1);
    const entry = (await entryOf(job.root))!;
    expect(entry.status).toBe('accepted');
    const work = [byRun('key', resultOf(DRAWN))];
    const asked = await person.save(job.root, saveOf(DRAWN, { opened: maskOf(first), work }));
    expect(await entryOf(job.root)).toMatchObject({ status: 'auto', run: 'key', mask: await hashOf(job.root) });
    const view = await JournalView.read(job.root);
    expect(await view.line('a.png', 1)).toMatchObject({ kind: 'done', prompts: [{ x: 1, y: 2, label: 1 }] });
    const back = [{ classId: 1, by: 'before', entry }] as const;
    await person.save(job.root, saveOf(ONE_PIXEL, { opened: maskOf(asked), work: back }));
    expect(await entryOf(job.root)).toMatchObject({ status: 'accepted', mask: maskOf(first) });
    expect(await run(job)).toEqual({ ...NONE, kept: 1, total: 1 });
  });

  test('that took the place of a judgement gives way to a later run, read in any order', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    const person = committer();
    const first = await person.save(job.root, saveOf(ONE_PIXEL));
    await person.save(job.root, saveOf(BLANK, { opened: maskOf(first), work: [byRun('key', resultOf(BLANK))] }));
    expect(await run(job)).toEqual({ ...NONE, done: 2, total: 2 });
    expect(await entryOf(job.root)).toMatchObject({
      status: 'auto',
      run: await runKey(job),
      mask: await hashOf(job.root),
    });
    expect(await run(job)).toEqual({ ...NONE, skipped: 2, total: 2 });
  });
});

describe('windows and crashes', () => {
  test('many saves at a time are all whole', async () => {
    const root = await newRoot();
    const names = Array.from({ length: 20 }, (_, i) => `n${i}.png`);
    await putImages(root, names);
    const person = committer();
    const outcomes = await Promise.all(names.map((image) => person.save(root, saveOf(ONE_PIXEL, { image }))));
    expect(outcomes.every(({ outcome }) => outcome === 'saved')).toBe(true);
    const view = await JournalView.read(root);
    expect(view.brokenLines).toBe(0);
    for (const image of names) expect(view.entry(image, 1)?.status).toBe('edited');
    expect(await readdir(journalFolder(root))).toEqual(['person-s1.jsonl']);
  });

  test('two saves of one image take turns, and the second is told of the first', async () => {
    const root = await newRoot();
    const windows = [committer('one'), committer('two')];
    const person = committer();
    const both = await Promise.all([person, person].map((one) => one.save(root, saveOf(ONE_PIXEL))));
    // The second would write the same.
    expect(both.map(({ outcome }) => outcome)).toEqual(['saved', 'saved']);
    const other = await Promise.all(
      [0, 1].map((i) => windows[i].save(root, saveOf(onePixelAt(i), { image: 'b.png' }))),
    );
    expect(other.map(({ outcome }) => outcome).sort()).toEqual(['conflict', 'saved']);
    const winner = other.findIndex(({ outcome }) => outcome === 'saved');
    expect(await labelsIn(root, 'b.png')).toEqual(onePixelAt(winner));
  });

  /** What a window that dies between mask and `done` leaves behind. */
  async function halfSave(root: string, image: string): Promise<Uint8Array> {
    const bytes = await encodeMaskPng(labels(ONE_PIXEL), CLASSES);
    const line = lineWith({ kind: 'intent', image, status: 'edited', run: null, mask: sha256(bytes) });
    const writer = await JournalWriter.open(root, 'person-dead');
    await writer.append({ ...line, time: new Date().toISOString() });
    await writer.close();
    await put(maskPath(root, image), bytes);
    return bytes;
  }

  test('a save that a crash cut off is the person’s for every run', async () => {
    let root = '';
    let bytes: Uint8Array = new Uint8Array();
    const engine = new FakeEngine(async () => {
      // While a run is under way, which has read the journal before.
      if (bytes.length === 0) bytes = await halfSave(root, 'a.png');
      return {};
    }, 1);
    const job = await jobWith(['a.png'], engine);
    root = job.root;
    expect(await run(job)).toEqual({ ...NONE, kept: 1, total: 1 });
    expect(await readFile(maskPath(root))).toEqual(Buffer.from(bytes));
    expect(await run(job)).toEqual({ ...NONE, kept: 1, total: 1 });
    expect(await entryOf(root)).toMatchObject({ status: 'edited' });
  });

  test('a save that a crash cut off is completed by the next window', async () => {
    const root = await newRoot();
    await halfSave(root, 'a.png');
    expect(await entryOf(root)).toBeUndefined();
    await committer('next').save(root, saveOf(ONE_PIXEL, { image: 'b.png' }));
    expect(await entryOf(root)).toMatchObject({ status: 'edited', mask: await hashOf(root) });
  });

  test('a journal that cannot be opened is one sentence, leaves the mask alone, and is tried again', async () => {
    const root = await newRoot();
    await put(journalFolder(root), 'a file');
    const person = committer();
    expect(await refusal(person.save(root, saveOf(ONE_PIXEL)))).toMatch(/^Cannot (write|read) .*journal/);
    expect(await exists(maskPath(root))).toBe(false);
    await rm(journalFolder(root));
    expect(await person.save(root, saveOf(ONE_PIXEL))).toMatchObject({ outcome: 'saved' });
  });

  test('what was begun is finished when the window closes, and nothing is begun any more', async () => {
    const root = await newRoot();
    const person = committer();
    const saves = ['a.png', 'b.png'].map((image) => person.save(root, saveOf(ONE_PIXEL, { image })));
    await person.dispose();
    expect((await Promise.all(saves)).map(({ outcome }) => outcome)).toEqual(['saved', 'saved']);
    await expect(person.save(root, saveOf(ONE_PIXEL))).rejects.toThrow(/closed/);
    await expect(person.accept(root, 'a.png', 1)).rejects.toThrow(/closed/);
    await person.dispose();
  });
});

describe('accepting', () => {
  test('an automatic mask keeps its trust and IoU prediction, and no run touches it', async () => {
    const job = await jobWith(['a.png'], new FakeEngine(() => ({ trust: 0.6, trustParts: TRUST_PARTS })));
    await runBatch(job);
    const before = (await entryOf(job.root))!;
    const mask = await hashOf(job.root);
    expect(await committer().accept(job.root, 'a.png', 1, mask)).toEqual({
      outcome: 'accepted',
      path: maskPath(job.root),
      mask,
    });
    expect(await entryOf(job.root)).toMatchObject({
      status: 'accepted',
      mask,
      file: before.file,
      run: null,
      trust: 0.6,
      trustParts: { ...TRUST_PARTS, iouPrediction: 0.9 },
    });
    expect(await run({ ...job, segmenter: { id: 'x', sha256: 'x' } })).toEqual({ ...NONE, kept: 1, total: 1 });
  });

  test('an absent object is accepted as absent', async () => {
    const job = await jobWith(['a.png'], new FakeEngine(() => ({ outcome: 'absent', pixels: BLANK })));
    await runBatch(job);
    const person = committer();
    expect(await person.accept(job.root, 'a.png', 1, null)).toMatchObject({ outcome: 'accepted', mask: null });
    expect(await person.accept(job.root, 'a.png', 1)).toMatchObject({ outcome: 'accepted', mask: null });
    expect(await entryOf(job.root)).toMatchObject({ status: 'accepted', mask: null });
    expect(await run({ ...job, segmenter: { id: 'x', sha256: 'x' } })).toEqual({ ...NONE, kept: 1, total: 1 });
  });

  test('a mask of another program is accepted, without a number that is not its own', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await runBatch(job);
    const bytes = await encodeMaskPng(labels(ONE_PIXEL), []);
    await put(maskPath(job.root), bytes);
    expect(await committer().accept(job.root, 'a.png', 1)).toMatchObject({ mask: sha256(bytes) });
    expect(await entryOf(job.root)).toMatchObject({
      status: 'accepted',
      trust: null,
      trustParts: { iouPrediction: null },
    });
  });

  test('nothing is refused', async () => {
    const root = await newRoot();
    const person = committer();
    const sentence = `${join(root, 'a.png')} has no mask of "glomerulus" to accept: segment it or draw one.`;
    expect(await refusal(person.accept(root, 'a.png', 1))).toBe(sentence);
    const saved = await person.save(root, saveOf(ONE_PIXEL));
    await rm(saved.path);
    expect(await refusal(person.accept(root, 'a.png', 1))).toBe(sentence);
  });

  test('another mask than was seen is a conflict', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await runBatch(job);
    const found = await hashOf(job.root);
    const person = committer();
    for (const seen of [null, '0'.repeat(64)]) {
      expect(await person.accept(job.root, 'a.png', 1, seen)).toEqual({
        outcome: 'conflict',
        path: maskPath(job.root),
        found,
      });
    }
    expect(await entryOf(job.root)).toMatchObject({ status: 'auto' });
  });

  test('a mask that is replaced meanwhile is told', async () => {
    const job = await jobWith(['a.png'], new FakeEngine());
    await runBatch(job);
    const theirs = await encodeMaskPng(labels(ONE_PIXEL), CLASSES);
    vi.spyOn(JournalWriter.prototype, 'append').mockImplementationOnce(async function (this: JournalWriter, line) {
      await put(maskPath(job.root), theirs);
      return append.call(this, line);
    });
    expect(await committer().accept(job.root, 'a.png', 1)).toMatchObject({
      outcome: 'conflict',
      found: sha256(theirs),
    });
  });
});

describe('instances', () => {
  const mask = toRuns({ size: SIZE, data: Uint8Array.from(DRAWN) });
  const instances = [{ mask, iouPrediction: 0.9 }];
  const held = async (root: string, classId = 1) =>
    heldInstances(root, 'a.png', classId, (await entryOf(root, 'a.png', classId))?.mask ?? null);

  async function labelledWithInstances(): Promise<BatchJob> {
    const job = await jobWith(['a.png'], new FakeEngine(() => ({ instances })));
    await saveProject(job.root, job.project);
    await runBatch(job);
    expect(await held(job.root)).toHaveLength(1);
    return job;
  }

  test('are not told of an edited class, and hold again when the edit is undone', async () => {
    const { root } = await labelledWithInstances();
    const person = committer();
    const opened = await hashOf(root);
    const saved = await person.save(root, saveOf(ONE_PIXEL, { opened }));
    expect(await held(root)).toEqual([]);
    await person.save(root, saveOf(DRAWN, { opened: maskOf(saved) }));
    expect(await hashOf(root)).toBe(opened);
    expect(await entryOf(root)).toMatchObject({ status: 'edited' });
    expect(await held(root)).toHaveLength(1);
  });

  test('of a class that nobody touched hold, whatever happens to the others', async () => {
    const { root } = await labelledWithInstances();
    const right = DRAWN.map((value) => (value === 1 ? 1 : 2));
    const work = [{ classId: 2, by: 'person' } as const];
    const person = committer();
    await person.save(root, saveOf(right, { opened: await hashOf(root), work }));
    expect(await held(root)).toHaveLength(1);
    // Accepting tells of the file as it is now: the instances come along.
    await person.accept(root, 'a.png', 1);
    expect(await entryOf(root)).toMatchObject({ status: 'accepted', mask: await hashOf(root) });
    expect(await held(root)).toHaveLength(1);
  });

  test('are not told of a mask that another program has changed, also when it is accepted', async () => {
    const { root } = await labelledWithInstances();
    await put(maskPath(root), encodeMaskPng(labels(ONE_PIXEL), CLASSES));
    await committer().accept(root, 'a.png', 1);
    expect(await held(root)).toEqual([]);
  });

  test('come with a result that the editor saves', async () => {
    const root = await newRoot();
    const work = [{ classId: 1, by: 'run', run: 'key', result: resultOf(DRAWN, { instances }) }] as const;
    await committer().save(root, saveOf(DRAWN, { work }));
    expect(await held(root)).toHaveLength(1);
    expect(await readInstances(root, 'a.png')).toMatchObject([{ class: 1, mask: await hashOf(root) }]);
  });
});

describe('a copy', () => {
  async function copies() {
    const root = await newRoot();
    const elsewhere = join(root, '..', 'elsewhere');
    await mkdir(elsewhere);
    const person = committer();
    const copy = (target: string) => person.saveCopy({ root, image: 'a.png', labels: labels(ONE_PIXEL), target });
    return { root, elsewhere, copy };
  }
  const written = async (path: string) => [...decodeMaskPng(await readFile(path), path).data];

  test('goes to any free place outside the images', async () => {
    const { root, elsewhere, copy } = await copies();
    for (const target of [join(elsewhere, 'new', 'x.png'), join(root, 'masks', 'sub', 'x.PNG')]) {
      await copy(target);
      expect(await written(target)).toEqual(ONE_PIXEL);
    }
    expect(await exists(journalFolder(root))).toBe(false);
  });

  test.each([
    ['ours', () => encodeMaskPng(labels([0, 1, 2, 255, 0, 0, 0, 0, 0, 0, 0, 0]), CLASSES)],
    ['another program’s', () => encodeMaskPng(labels(ONE_PIXEL.map((value) => value * 200)), [])],
    ['an empty one', () => encodeMaskPng(labels(BLANK), [])],
  ])('replaces a mask: %s', async (_, bytes) => {
    const { elsewhere, copy } = await copies();
    const target = await put(join(elsewhere, 'x.png'), bytes());
    await copy(target);
    expect(await written(target)).toEqual(ONE_PIXEL);
  });

  test.each([
    ['a picture with the values of one', () => encodeMaskPng(labels(BLANK.map((_, i) => i * 20)), [])],
    ['no PNG', () => Promise.resolve(Buffer.from('text'))],
    ['an empty file', () => Promise.resolve(Buffer.alloc(0))],
    ['half a PNG', async () => (await encodeMaskPng(labels(ONE_PIXEL), [])).subarray(0, 60)],
  ])('never replaces what is no mask: %s', async (_, bytes) => {
    const { elsewhere, copy } = await copies();
    const target = await put(join(elsewhere, 'x.png'), bytes());
    const before = await readFile(target);
    expect(await refusal(copy(target))).toBe(`${target} is not a mask and is not replaced: choose another name.`);
    expect(await readFile(target)).toEqual(before);
  });

  test('never replaces an image of the folder, nor lies among them', async () => {
    const { root, copy } = await copies();
    const another = join(root, 'b.png');
    // A mask of another program that lies among the images is labelled as one.
    await put(join(root, 'sub', 'mask.png'), encodeMaskPng(labels(ONE_PIXEL), []));
    for (const target of [another, join(root, 'sub', 'mask.png')]) {
      expect(await refusal(copy(target))).toBe(
        `${target} is one of the images of ${root} and is not replaced: choose another name.`,
      );
    }
    expect(await readFile(another)).toEqual(imageBytes('b.png'));
    const free = join(root, 'a_mask.png');
    expect(await refusal(copy(free))).toBe(
      `${free} would be taken for one of the images of ${root}: choose the mask folder, or another place.`,
    );
    expect(await exists(free)).toBe(false);
  });

  test('never replaces the image itself, by whatever name', async () => {
    const { root, elsewhere, copy } = await copies();
    const image = join(root, 'a.png');
    await symlink(image, join(elsewhere, 'link.png'));
    await link(image, join(elsewhere, 'twin.png'));
    for (const target of [image, join(elsewhere, 'link.png'), join(elsewhere, 'twin.png')]) {
      expect(await refusal(copy(target))).toBe(
        `${target} is the image itself, which is never written: choose another name for the mask.`,
      );
    }
    expect(await readFile(image)).toEqual(imageBytes('a.png'));
  });

  test('is a PNG, and says so', async () => {
    const { elsewhere, copy } = await copies();
    for (const name of ['x.jpg', 'x', 'x.png.tif']) {
      expect(await refusal(copy(join(elsewhere, name)))).toBe(
        `A mask is a PNG file: choose a name that ends in .png, not "${name}".`,
      );
    }
  });
});

test('a damaged journal of another window stops nobody', async () => {
  const root = await newRoot();
  await mkdir(journalFolder(root), { recursive: true });
  await appendFile(join(journalFolder(root), 'person-x.jsonl'), 'garbage\n{"kind"');
  expect(await committer().save(root, saveOf(ONE_PIXEL))).toMatchObject({ outcome: 'saved' });
});
