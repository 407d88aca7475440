/** Classes and references as the editor changes them. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { runBatch } from '../../src/dataset/batch/batch';
import { loadProject, projectFile } from '../../src/dataset/project/project';
import {
  checkReference,
  makeReference,
  type ReferenceEngine,
  supportMaskCopy,
} from '../../src/dataset/project/reference';
import {
  addClass,
  listReferences,
  type NewReference,
  removeReference,
  setReference,
} from '../../src/dataset/project/references';
import { PROJECT_DEFAULTS } from '../../src/dataset/project/setUp';
import { sha256 } from '../../src/disk/hashing';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { refusal } from '../refusal';
import { saveProject } from '../saveProject';
import {
  CLASSES,
  exists,
  FakeEngine,
  imageBytes,
  jobWith,
  labels,
  projectOf,
  put,
  putImages,
  temporaryFolder,
} from './fixtures';

const TOP = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const LEFT = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
const maskBytes = (values: readonly number[] = TOP) => encodeMaskPng(labels(values), CLASSES);
const engine = new FakeEngine();

/** A root with images a, b, c and a mask of each; with a project unless told otherwise. */
async function newRoot(withProject = true): Promise<string> {
  const root = join(await temporaryFolder(), 'root');
  await mkdir(root);
  await putImages(root, ['a.png', 'images/b.png', 'c.png']);
  await put(join(root, 'masks', 'a.png'), maskBytes(TOP));
  await put(join(root, 'masks', 'b.png'), maskBytes(LEFT));
  await put(join(root, 'masks', 'c.png'), maskBytes([...TOP].reverse()));
  if (withProject) await saveProject(root, projectOf());
  return root;
}

const pair = (root: string, name: string, changes: Partial<NewReference> = {}): NewReference => ({
  classId: 1,
  image: join(root, name),
  mask: join(root, 'masks', name.replace(/^images\//, '')),
  ...changes,
});
const set = (root: string, name: string, changes?: Partial<NewReference>) =>
  setReference(root, pair(root, name, changes), engine);
const imagesIn = async (root: string) => (await loadProject(root))!.references.map((one) => [one.class, one.image]);
const copies = (root: string) => readdir(join(root, '.apmedsam', 'references'));

it('finds its files whose names another system has spelled otherwise', async () => {
  const root = await newRoot();
  await put(join(root, 'e\u0301.png'), imageBytes('accent'));
  await put(join(root, 'masks', 'e\u0301.png'), maskBytes());
  const made = await set(root, 'e\u0301.png');
  const stored = { ...made, image: 'é.png', mask: 'masks/é.png' };
  await saveProject(root, projectOf({ references: [stored] }));
  expect((await checkReference(root, stored, engine, CLASSES)).image).toBe(join(root, 'e\u0301.png'));
  expect((await listReferences(root)).map(({ condition }) => condition)).toEqual(['ok']);
  await set(root, 'e\u0301.png');
  expect(await imagesIn(root)).toEqual([[1, 'e\u0301.png']]);
});

describe('addClass', () => {
  it('makes the project where there is none, with the defaults it is given', async () => {
    const root = await newRoot(false);
    const defaults = { ...PROJECT_DEFAULTS, encoder: 'mine', maskFolder: 'labels' };
    const made = await addClass(root, ' nucleus ', '#12ab34', defaults);
    expect(made).toEqual({ id: 1, name: 'nucleus', colour: '#12ab34' });
    expect(await loadProject(root)).toMatchObject({ encoder: 'mine', maskFolder: 'labels', classes: [made] });
    expect(await addClass(root, 'wall', '#000001')).toEqual({ id: 2, name: 'wall', colour: '#000001' });
    expect(await loadProject(root)).toMatchObject({ encoder: 'mine', maskFolder: 'labels' });
  });

  it('loses none of many at a time', async () => {
    const root = await newRoot(false);
    const ids = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => (await addClass(root, `class ${i}`, '#123456')).id),
    );
    expect(ids.sort()).toEqual([1, 2, 3, 4, 5, 6]);
    const { classes } = (await loadProject(root))!;
    expect(new Set(classes.map(({ name }) => name)).size).toBe(6);
  });

  it('refuses names and colours that no project can hold, and leaves nothing behind', async () => {
    const root = await newRoot(false);
    expect(await refusal(addClass(root, ' ', '#123456'))).toBe('A class needs a name, got an empty one.');
    for (const colour of ['#000000', 'red', '#1234567']) {
      expect(await refusal(addClass(root, 'x', colour))).toBe(
        `The colour of a class is #rrggbb and not black, which is the background, got "${colour}".`,
      );
    }
    expect(await exists(projectFile(root))).toBe(false);
    await saveProject(root, projectOf());
    expect(await refusal(addClass(root, 'vessel', '#123456'))).toBe('There is a class "vessel" already.');
  });
});

describe('setReference', () => {
  it('stores image, mask and hashes, with a copy of the mask', async () => {
    const root = await newRoot();
    const reference = await set(root, 'images/b.png');
    expect(reference).toEqual({
      class: 1,
      image: 'images/b.png',
      mask: 'masks/b.png',
      imageHash: sha256(imageBytes('images/b.png')),
      maskHash: sha256(await maskBytes(LEFT)),
    });
    expect((await loadProject(root))!.references).toEqual([reference]);
    expect(await readFile(supportMaskCopy(root, reference))).toEqual(Buffer.from(await maskBytes(LEFT)));
    const { maskPath, mask } = await checkReference(root, reference, engine, CLASSES);
    expect(maskPath).toBe(supportMaskCopy(root, reference));
    expect([...mask.runs]).toEqual([0, 1, 3, 1, 3, 1, 3]);
  });

  it('puts the newest first, and replaces only that of the same image and class', async () => {
    const root = await newRoot();
    await set(root, 'a.png');
    await set(root, 'a.png', { classId: 2, mask: join(root, 'masks', 'b.png') });
    await set(root, 'images/b.png');
    expect(await imagesIn(root)).toEqual([
      [1, 'images/b.png'],
      [2, 'a.png'],
      [1, 'a.png'],
    ]);
    await put(join(root, 'masks', 'a.png'), maskBytes(LEFT.map((value) => 1 - value)));
    await set(root, 'a.png');
    expect(await imagesIn(root)).toEqual([
      [1, 'a.png'],
      [1, 'images/b.png'],
      [2, 'a.png'],
    ]);
    // The copy of the replaced mask is gone, and that of the two that share one is not.
    expect((await copies(root)).sort()).toEqual(
      [sha256(await maskBytes(LEFT)), sha256(await maskBytes(LEFT.map((value) => 1 - value)))]
        .map((hash) => `${hash}.png`)
        .sort(),
    );
  });

  it('takes image and mask from anywhere, and masks of other programs', async () => {
    const root = await newRoot();
    const image = await put(join(root, '..', 'x.png'), imageBytes('x'));
    const mask = await put(join(root, '..', 'x_mask.png'), encodeMaskPng(labels(TOP.map((value) => value * 255)), []));
    const reference = await setReference(root, { classId: 2, image, mask }, engine);
    expect(reference).toMatchObject({ class: 2, image, mask });
    expect([...(await checkReference(root, reference, engine, CLASSES)).mask.runs]).toEqual([0, 4, 8]);
  });

  it('tells how a mask that is not plain was read, and reads it alike for ever', async () => {
    const root = await newRoot();
    const paper = [255, 255, 255, 255, 255, 255, 0, 255, 255, 255, 255, 255];
    const mask = await put(
      join(root, '..', 'paper.png'),
      encode({ width: 4, height: 3, channels: 1, data: Uint8Array.from(paper) }),
    );
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(note);
    const reference = await setReference(root, { classId: 1, image: join(root, 'a.png'), mask }, engine, { onNote });
    expect(reference).toMatchObject({ manner: 'dark' });
    expect(notes).toEqual([expect.stringMatching(/^paper\.png: black on white: the dark part is taken as the object/)]);
    expect((await loadProject(root))!.references).toEqual([reference]);
    const checked = await checkReference(root, reference, engine, CLASSES);
    expect([...checked.mask.runs]).toEqual([6, 1, 5]);
    expect(checked.notes).toEqual(notes);
    const { manner: _, ...older } = reference;
    expect(await checkReference(root, { ...older, manner: 'soft' }, engine, CLASSES)).toMatchObject({
      mask: { runs: Uint32Array.of(0, 6, 1, 5) },
    });
  });

  it('refuses a mask that is being changed', async () => {
    const root = await newRoot();
    const stale: ReferenceEngine = {
      readReference: async (request) => ({ ...(await engine.readReference(request)), sha256: 'other' }),
    };
    expect(await refusal(setReference(root, pair(root, 'a.png'), stale))).toMatch(/has changed/);
  });

  it.each([
    ['an empty mask', TOP.map(() => 0), /is empty: mark the object/],
    ['a full mask', TOP.map(() => 1), /covers the whole image/],
    ['a mask without the class', TOP.map((_, i) => 2 + (i % 2)), /has no pixels of class 1/],
  ])('refuses %s and stores nothing', async (_, values, message) => {
    const root = await newRoot(false);
    await put(join(root, 'masks', 'a.png'), maskBytes(values));
    expect(await refusal(set(root, 'a.png'))).toMatch(message);
    expect(await exists(join(root, '.apmedsam'))).toBe(false);
  });

  it('refuses what is missing, of another size, or of a class that is none', async () => {
    const root = await newRoot();
    expect(await refusal(set(root, 'gone.png'))).toMatch(/The reference (image|mask) .*gone\.png does not exist\.$/);
    await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels([1, 0], { width: 2, height: 1 }), CLASSES));
    expect(await refusal(set(root, 'a.png'))).toMatch(
      /is 2 x 1 but its image .*a\.png is 4 x 3: it was drawn on a picture of 1\/2 of the size/,
    );
    expect(await refusal(set(root, 'images/b.png', { classId: 9 }))).toBe(
      `${projectFile(root)} has no class with the id 9: add one first.`,
    );
    expect((await loadProject(root))!.references).toEqual([]);
  });
});

describe('a set reference', () => {
  it('goes on as it was when its mask is edited, deleted, or another class is labelled in it', async () => {
    const root = await newRoot();
    const reference = await set(root, 'a.png');
    const before = await checkReference(root, reference, engine, CLASSES);
    await put(join(root, 'masks', 'a.png'), maskBytes(LEFT));
    expect(await checkReference(root, reference, engine, CLASSES)).toEqual(before);
    await rm(join(root, 'masks', 'a.png'));
    expect(await checkReference(root, reference, engine, CLASSES)).toEqual(before);
  });

  it('is refused when its image has changed', async () => {
    const root = await newRoot();
    const reference = await set(root, 'a.png');
    await put(join(root, 'a.png'), imageBytes('another'));
    expect(await refusal(checkReference(root, reference, engine, CLASSES))).toMatch(
      /The reference image .* has changed since/,
    );
  });

  it('whose copy was lost or changed falls back on its mask, while that is the same', async () => {
    const root = await newRoot();
    const reference = await set(root, 'a.png');
    const mask = join(root, 'masks', 'a.png');
    await put(supportMaskCopy(root, reference), maskBytes(LEFT));
    expect(await checkReference(root, reference, engine, CLASSES)).toMatchObject({ maskPath: mask });
    await rm(supportMaskCopy(root, reference));
    expect(await checkReference(root, reference, engine, CLASSES)).toMatchObject({ maskPath: mask });
    await put(mask, maskBytes(LEFT));
    expect(await refusal(checkReference(root, reference, engine, CLASSES))).toBe(
      `The reference mask ${mask} has changed since the reference was set: set it again.`,
    );
  });

  it('labels the same after its mask was edited: what is done stays done', async () => {
    const job = await jobWith(['a.png', 'b.png'], new FakeEngine());
    await saveProject(job.root, job.project);
    const mask = await put(join(job.root, 'masks', 'a.png'), maskBytes(TOP));
    const image = join(job.root, 'a.png');
    const reference = await setReference(job.root, { classId: 1, image, mask }, engine);
    expect(await runBatch({ ...job, references: [reference] })).toMatchObject({ done: 1, kept: 1 });
    await put(mask, maskBytes(LEFT));
    expect(await runBatch({ ...job, references: [reference] })).toMatchObject({ done: 0, skipped: 1, kept: 1 });
  });
});

describe('listReferences', () => {
  it('tells what has become of image and mask', async () => {
    const root = await newRoot();
    expect(await listReferences(root)).toEqual([]);
    const c = await set(root, 'c.png');
    const b = await set(root, 'images/b.png', { classId: 2 });
    const a = await set(root, 'a.png');
    const [image, mask] = [join(root, 'a.png'), join(root, 'masks', 'a.png')];
    const states = async () =>
      (await listReferences(root)).map(({ condition, usable, used }) => [condition, usable, used]);
    expect(await listReferences(root)).toEqual([
      { reference: a, class: CLASSES[0], image, mask, condition: 'ok', sentence: null, usable: true, used: true },
      expect.objectContaining({ reference: b, class: CLASSES[1], used: true }),
      expect.objectContaining({ reference: c, class: CLASSES[0], used: true }),
    ]);
    await put(mask, maskBytes(LEFT));
    expect((await listReferences(root))[0]).toMatchObject({
      condition: 'mask changed',
      usable: true,
      sentence: `The mask ${mask} has changed since the reference was set, and the reference keeps it as it was: set it again to use another one.`,
    });
    await rm(mask);
    expect((await states())[0]).toEqual(['mask missing', true, true]);
    await put(image, imageBytes('changed'));
    expect((await listReferences(root))[0]).toMatchObject({
      condition: 'image changed',
      usable: false,
      sentence: `The image ${image} has changed since the reference was set: set it again.`,
    });
    await rm(image);
    expect((await states())[0]).toEqual(['image missing', false, true]);
    expect((await states()).slice(1)).toEqual([
      ['ok', true, true],
      ['ok', true, true],
    ]);
  });

  it('says which vote: as many of a class as the strategy lets, the newest first', async () => {
    const root = await newRoot();
    await putImages(root, ['d.png', 'e.png']);
    for (const image of ['d.png', 'e.png']) await put(join(root, 'masks', image), maskBytes(TOP));
    for (const image of ['c.png', 'd.png', 'e.png', 'a.png']) await set(root, image);
    await set(root, 'images/b.png', { classId: 2 });
    const used = async () =>
      (await listReferences(root)).filter((state) => state.used).map(({ image }) => image.slice(root.length + 1));
    await rm(join(root, 'e.png'));
    expect(await used()).toEqual(['images/b.png', 'a.png', 'e.png', 'd.png', 'c.png']);
    await saveProject(root, { ...(await loadProject(root))!, strategy: 'gbmseg' });
    expect(await used()).toEqual(['images/b.png', 'a.png']);
  });

  it('of the command line have no copy, and need their mask', async () => {
    const root = await newRoot();
    const mask = join(root, 'masks', 'a.png');
    const reference = await makeReference(root, 1, join(root, 'a.png'), mask);
    await saveProject(root, projectOf({ references: [reference] }));
    await put(mask, maskBytes(LEFT));
    expect(await listReferences(root)).toMatchObject([
      {
        condition: 'mask changed',
        usable: false,
        sentence: `The mask ${mask} has changed since the reference was set: set the reference again.`,
      },
    ]);
  });

  it('is none without a project', async () => {
    expect(await listReferences(await newRoot(false))).toEqual([]);
  });
});

describe('removeReference', () => {
  it('removes a reference with its copy of the mask, once, and leaves the mask', async () => {
    const root = await newRoot();
    const a = await set(root, 'a.png');
    const b = await set(root, 'images/b.png');
    await removeReference(root, a);
    await removeReference(root, a);
    expect((await loadProject(root))!.references).toEqual([b]);
    expect(await copies(root)).toEqual([`${b.maskHash}.png`]);
    expect(await exists(join(root, 'masks', 'a.png'))).toBe(true);
  });

  it('keeps a copy that another reference needs', async () => {
    const root = await newRoot();
    const a = await set(root, 'a.png');
    const shared = await set(root, 'c.png', { classId: 2, mask: join(root, 'masks', 'a.png') });
    await removeReference(root, a);
    expect(await copies(root)).toEqual([`${shared.maskHash}.png`]);
  });
});
