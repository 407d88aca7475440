/** The list to review, on folders as batches and persons leave them. */
import { mkdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UserError } from '../../src/core/userError';
import { type BatchJob, runBatch } from '../../src/dataset/batch/batch';
import { PersonCommitter } from '../../src/dataset/commits/personCommit';
import { type JournalLine, JournalWriter, journalFolder } from '../../src/dataset/journal/journal';
import { JournalViews } from '../../src/dataset/journal/journalView';
import { projectFile } from '../../src/dataset/project/project';
import { setReference } from '../../src/dataset/project/references';
import { Review, type ReviewOptions } from '../../src/dataset/review/review';
import { countStatuses } from '../../src/dataset/review/reviewOrder';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import {
  CLASSES,
  FakeEngine,
  imageBytes,
  jobWith,
  labels,
  lineWith,
  projectOf,
  put,
  putImages,
  temporaryFolder,
} from './fixtures';

const ONE_PIXEL = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const painted = () => encodeMaskPng(labels(ONE_PIXEL), []);

async function open(root: string, options?: ReviewOptions): Promise<Review> {
  const review = await Review.open(root, options);
  onTestFinished(() => review.dispose());
  return review;
}

/** A job whose project is stored, with one class and these images. */
async function jobOf(images: readonly string[], engine = new FakeEngine()): Promise<BatchJob> {
  const job = await jobWith(images, engine);
  await saveProject(job.root, projectOf({ classes: [CLASSES[0]!], references: [...job.references] }));
  return job;
}

const statuses = ({ rows }: Review) => Object.fromEntries(rows.map(({ image, status }) => [image, status]));
const maskOf = (root: string, name: string) => join(root, 'masks', name);

/** Makes a file older than the line that tells of it, whatever the time it was really written. */
const age = (path: string) => utimes(path, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
/** Makes a file younger than any line. */
const renew = (path: string) => utimes(path, new Date(Date.now() + 60_000), new Date(Date.now() + 60_000));

async function write(root: string, writer: string, ...lines: readonly JournalLine[]): Promise<void> {
  const journal = await JournalWriter.open(root, writer);
  for (const line of lines) await journal.append(line);
  await journal.close();
}

const now = () => new Date().toISOString();

describe('the rows', () => {
  it('tell of each image what batch and person have made of it', async () => {
    const engine = new FakeEngine((image) => {
      if (image.endsWith('absent.png'))
        return { outcome: 'absent', pixels: ONE_PIXEL.map(() => 0), iouPrediction: undefined };
      if (image.endsWith('failed.png')) throw new UserError(`${image} is truncated.`);
      return image.endsWith('img2.png') ? { iouPrediction: 0.25 } : { iouPrediction: 0.75, trust: 0.5 };
    });
    const job = await jobOf(
      ['img2.png', 'img10.png', 'absent.png', 'failed.png', 'person.png', 'accepted.png'],
      engine,
    );
    await put(join(job.root, 'text.png'), 'no image');
    await runBatch(job);
    const person = new PersonCommitter({ session: 's' });
    const opened = (await person.accept(job.root, 'accepted.png', 1)).outcome;
    expect(opened).toBe('accepted');
    const { mask } = (await person.accept(job.root, 'person.png', 1)) as { mask: string };
    await person.save(job.root, {
      image: 'person.png',
      labels: labels(ONE_PIXEL),
      opened: mask,
      file: null,
      work: [{ classId: 1, by: 'person' }],
    });
    await person.dispose();
    await putImages(job.root, ['new.png']);

    const { rows } = await open(job.root);
    const about = (name: string) => ({ image: name, classId: 1, mask: maskOf(job.root, name) });
    const none = { trust: null, iouPrediction: null, error: null };
    expect(rows).toEqual([
      { ...about('absent.png'), ...none, status: 'absent', hasMask: false },
      { ...about('accepted.png'), ...none, status: 'accepted', trust: 0.5, iouPrediction: 0.75, hasMask: true },
      {
        ...about('failed.png'),
        ...none,
        status: 'failed',
        error: `${join(job.root, 'failed.png')} is truncated.`,
        hasMask: false,
      },
      { ...about('img2.png'), ...none, status: 'auto', iouPrediction: 0.25, hasMask: true },
      { ...about('img10.png'), ...none, status: 'auto', trust: 0.5, iouPrediction: 0.75, hasMask: true },
      { ...about('new.png'), ...none, status: 'none', hasMask: false },
      { ...about('person.png'), ...none, status: 'edited', hasMask: true },
      {
        ...about('text.png'),
        ...none,
        status: 'failed',
        error: expect.stringMatching(/is not an image/),
        hasMask: false,
      },
    ]);
    expect(countStatuses(rows)).toMatchObject({ auto: 2, failed: 2, absent: 1, accepted: 1, edited: 1, none: 1 });
  });

  it('tell of references', async () => {
    const job = await jobOf(['a.png', 'b.png']);
    await put(maskOf(job.root, 'a.png'), painted());
    const review = await open(job.root);
    expect(statuses(review)).toEqual({ 'a.png': 'edited', 'b.png': 'none' });
    await setReference(
      job.root,
      { classId: 1, image: join(job.root, 'a.png'), mask: maskOf(job.root, 'a.png') },
      new FakeEngine(),
    );
    expect(await review.refresh()).toBe(true);
    expect(statuses(review)).toEqual({ 'a.png': 'reference', 'b.png': 'none' });
  });

  it('are one per class that is in use, or of all classes where none is', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.png', 'b.png']);
    await saveProject(root, projectOf());
    const review = await open(root);
    expect(review.rows.map(({ image, classId }) => `${image} ${classId}`)).toEqual([
      'a.png 1',
      'a.png 2',
      'b.png 1',
      'b.png 2',
    ]);
    await write(root, 'batch-1-of-1', lineWith({ image: 'b.png', class: 2, time: now() }));
    expect(await review.refresh()).toBe(true);
    expect(review.rows.map(({ image, classId, status }) => `${image} ${classId} ${status}`)).toEqual([
      'a.png 2 none',
      'b.png 2 auto',
    ]);
  });

  it('are none in an empty folder, and without a project', async () => {
    const root = await temporaryFolder();
    expect((await open(root)).rows).toEqual([]);
    await putImages(root, ['a.png']);
    expect((await open(root)).rows).toEqual([]);
  });

  it('lie where the project says, and move with it', async () => {
    const job = await jobOf(['a.png']);
    const review = await open(job.root);
    expect(review.imageOf(maskOf(job.root, 'a.png'))).toBe('a.png');
    await saveProject(
      job.root,
      projectOf({ classes: [CLASSES[0]!], references: [...job.references], maskFolder: 'labels' }),
    );
    expect(await review.refresh()).toBe(true);
    expect(review.rows[0]!.mask).toBe(join(job.root, 'labels', 'a.png'));
    expect(review.imageOf(maskOf(job.root, 'a.png'))).toBeUndefined();
  });

  it('a broken project is one sentence, and the next look is as good as any', async () => {
    const job = await jobOf(['a.png']);
    const review = await open(job.root);
    await put(projectFile(job.root), '{');
    expect(await refusal(review.refresh())).toMatch(/project\.json is not valid JSON/);
    await saveProject(job.root, projectOf());
    await review.refresh();
    expect(review.rows).toHaveLength(2);
  });
});

describe('masks that other programs touch', () => {
  it('are a person’s where the journal does not know them', async () => {
    const job = await jobOf(['a.png', 'b.png', 'c.png']);
    await put(maskOf(job.root, 'c.png'), painted());
    await runBatch(job);
    const review = await open(job.root);
    expect(statuses(review)).toEqual({ 'a.png': 'auto', 'b.png': 'auto', 'c.png': 'edited' });
    await put(maskOf(job.root, 'a.png'), painted());
    await renew(maskOf(job.root, 'a.png'));
    // Only touched: the content is what the journal says.
    await renew(maskOf(job.root, 'b.png'));
    expect(await review.refresh()).toBe(false);
    expect(await review.look(['a.png', 'b.png', 'gone.png'])).toBe(true);
    expect(statuses(review)).toEqual({ 'a.png': 'edited', 'b.png': 'auto', 'c.png': 'edited' });
    expect(review.rows[0]).toMatchObject({ iouPrediction: null });
    expect(await review.rescan()).toBe(false);
  });

  it('are made again by the next run where they are gone', async () => {
    const job = await jobOf(['a.png', 'b.png']);
    await runBatch(job);
    const person = new PersonCommitter({ session: 's' });
    await person.accept(job.root, 'b.png', 1);
    await person.dispose();
    for (const name of ['a.png', 'b.png']) await rm(maskOf(job.root, name));
    const review = await open(job.root);
    // What a person has accepted is never made again.
    expect(review.rows).toMatchObject([
      { status: 'none', hasMask: false, iouPrediction: null },
      { status: 'accepted', hasMask: false },
    ]);
    await runBatch(job);
    expect(await review.refresh()).toBe(true);
    expect(review.rows[0]).toMatchObject({ status: 'auto', hasMask: true, iouPrediction: 0.9 });
  });

  it('have failed where they are no masks, or have not the end of one', async () => {
    const job = await jobOf(['a.png', 'b.png', 'c.png', 'd.png']);
    const whole = painted();
    await put(maskOf(job.root, 'a.png'), whole);
    await put(maskOf(job.root, 'b.png'), (await whole).subarray(0, -5));
    await put(maskOf(job.root, 'c.png'), new Uint8Array(500));
    const review = await open(job.root);
    expect(review.rows).toMatchObject([
      { status: 'edited', error: null },
      {
        status: 'failed',
        error: `${maskOf(job.root, 'b.png')} is damaged: it begins as a PNG but has not the end of one.`,
      },
      { status: 'failed', error: expect.stringContaining('nothing but zeros'), hasMask: true },
      { status: 'none' },
    ]);
    await put(maskOf(job.root, 'b.png'), whole);
    expect(await review.look(['b.png'])).toBe(true);
    expect(review.rows[1]).toMatchObject({ status: 'edited' });
  });

  it('an empty file is no mask', async () => {
    const job = await jobOf(['a.png']);
    await put(maskOf(job.root, 'a.png'), '');
    expect((await open(job.root)).rows[0]).toMatchObject({ status: 'none', hasMask: false });
  });

  it('are not read where their line is younger', async () => {
    const job = await jobOf(['a.png']);
    await runBatch(job);
    await put(maskOf(job.root, 'a.png'), 'other bytes');
    await age(maskOf(job.root, 'a.png'));
    expect(statuses(await open(job.root))).toEqual({ 'a.png': 'auto' });
  });
});

describe('keeping up', () => {
  it('with a batch costs a new list only where something has changed', async () => {
    const job = await jobOf(['a.png', 'b.png', 'c.png']);
    const review = await open(job.root);
    expect(await review.refresh()).toBe(false);
    const before = review.rows;
    expect(review.rows).toBe(before);
    await runBatch({ ...job, targets: [join(job.root, 'b.png')] });
    expect(await review.refresh()).toBe(true);
    expect(review.rows).not.toBe(before);
    expect(review.rows[0]).toBe(before[0]);
    expect(statuses(review)).toEqual({ 'a.png': 'none', 'b.png': 'auto', 'c.png': 'none' });
    expect(review.rows[1]).toMatchObject({ hasMask: true });
    // A second line that says the same changes nothing.
    await runBatch({ ...job, targets: [join(job.root, 'b.png')] });
    expect(await review.refresh()).toBe(false);
  });

  it('with a person of the same window needs no look at the disk, whoever has read the journal', async () => {
    const job = await jobOf(['a.png', 'b.png']);
    const journals = new JournalViews();
    const review = await open(job.root, { journals });
    const person = new PersonCommitter({ session: 's', journals });
    await person.save(job.root, {
      image: 'a.png',
      labels: labels(ONE_PIXEL),
      opened: null,
      file: null,
      work: [{ classId: 1, by: 'person' }],
    });
    expect(await review.refresh()).toBe(true);
    expect(review.rows[0]).toMatchObject({ status: 'edited', hasMask: true });
    await person.dispose();
  });

  it('with a failure keeps what is known of the mask', async () => {
    const job = await jobOf(['a.png']);
    await runBatch(job);
    const review = await open(job.root);
    await rm(maskOf(job.root, 'a.png'));
    await review.look(['a.png']);
    await write(job.root, 'batch-1-of-1', lineWith({ status: 'failed', mask: null, error: 'No.', time: now() }));
    expect(await review.refresh()).toBe(true);
    expect(review.rows[0]).toMatchObject({ status: 'failed', error: 'No.', hasMask: false, iouPrediction: null });
  });

  it('with a result for a file that was no image when the disk was looked at', async () => {
    const job = await jobOf(['a.png']);
    await put(join(job.root, 'a.png'), 'this is no image');
    const review = await open(job.root);
    expect(review.rows[0]).toMatchObject({ status: 'failed', error: expect.stringContaining('is not an image') });
    await write(job.root, 'batch-1-of-1', lineWith({ status: 'failed', mask: null, error: 'No.', time: now() }));
    await review.refresh();
    expect(review.rows[0]).toMatchObject({ status: 'failed', error: expect.stringContaining('is not an image') });
    await put(join(job.root, 'a.png'), imageBytes('a'));
    await write(job.root, 'batch-1-of-1', lineWith({ status: 'auto', error: null, time: now() }));
    expect(await review.refresh()).toBe(true);
    expect(review.rows[0]).toMatchObject({ status: 'auto', error: null });
  });

  it('with images that come and go, when it is told to look', async () => {
    const job = await jobOf(['a.png', 'b.png']);
    const review = await open(job.root);
    await rm(join(job.root, 'a.png'));
    await put(join(job.root, 'sub', 'c.png'), imageBytes('c'));
    expect(await review.refresh()).toBe(false);
    expect(await review.rescan()).toBe(true);
    expect(statuses(review)).toEqual({ 'b.png': 'none', 'sub/c.png': 'none' });
    expect(await review.rescan()).toBe(false);
  });

  it('with another state of the whole folder, as version control leaves it', async () => {
    const job = await jobOf(['a.png', 'b.png']);
    await runBatch(job);
    const review = await open(job.root);
    await rm(journalFolder(job.root), { recursive: true });
    await rm(join(job.root, 'masks'), { recursive: true });
    expect(await review.refresh()).toBe(true);
    expect(statuses(review)).toEqual({ 'a.png': 'none', 'b.png': 'none' });
  });

  it('takes one call after the other', async () => {
    const job = await jobOf(Array.from({ length: 30 }, (_, i) => `${i}.png`));
    const review = await open(job.root);
    const batch = runBatch(job);
    while (countStatuses(review.rows).auto < 30)
      await Promise.all([review.refresh(), review.rescan(), review.look(['3.png'])]);
    await batch;
    await Promise.all([review.refresh(), review.rescan()]);
    expect(countStatuses(review.rows)).toMatchObject({ auto: 30 });
    expect(review.rows.map(({ image }) => image)).toEqual(Array.from({ length: 30 }, (_, i) => `${i}.png`));
    expect(review.rows.every(({ hasMask }) => hasMask)).toBe(true);
  });
});

it('a folder in the place of a mask is no mask', async () => {
  const job = await jobOf(['a.png']);
  await mkdir(maskOf(job.root, 'a.png'), { recursive: true });
  expect((await open(job.root)).rows[0]).toMatchObject({ hasMask: false });
});
