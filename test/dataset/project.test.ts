import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fromRuns } from '../../src/core/pixels/mask';
import {
  loadProject,
  type Project,
  projectFile,
  projectText,
  resolveStored,
  storedPath,
  updateProject,
} from '../../src/dataset/project/project';
import { checkReference, makeReference } from '../../src/dataset/project/reference';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { saveProject } from '../saveProject';
import { CLASSES, FakeEngine, imageBytes, labels, projectOf, put, temporaryFolder } from './fixtures';

const HASH = 'a'.repeat(64);
const reference = { class: 1, image: 'images/a.png', mask: 'masks/a.png', imageHash: HASH, maskHash: HASH };

describe('the file', () => {
  test('is null where there is none, and survives the round trip', async () => {
    const root = await temporaryFolder();
    expect(await loadProject(root)).toBeNull();
    const project = projectOf({ references: [reference], window: { low: -20, high: 300.5 } });
    await saveProject(root, project);
    expect(await loadProject(root)).toEqual(project);
  });

  test('has the same text whatever the order of keys, ends with a newline and keeps unknown keys', async () => {
    const root = await temporaryFolder();
    const shuffled = {
      zebra: { b: 1, a: 2 },
      maskFolder: 'masks',
      segmenter: 'segmenter',
      note: 'mine',
      encoder: 'encoder',
      parameters: { radius: { b: 2, a: 1 }, ablation: true },
      strategy: 'ap-medsam',
      references: [],
      classes: [{ colour: '#112233', shortcut: 'q', name: 'vessel', id: 2 }],
      version: 1,
    };
    await put(projectFile(root), JSON.stringify(shuffled));
    const project = (await loadProject(root)) as Project;
    const text = projectText(project);
    expect(text).toBe(`{
  "version": 1,
  "classes": [
    {
      "id": 2,
      "name": "vessel",
      "colour": "#112233",
      "shortcut": "q"
    }
  ],
  "references": [],
  "strategy": "ap-medsam",
  "parameters": {
    "ablation": true,
    "radius": {
      "a": 1,
      "b": 2
    }
  },
  "encoder": "encoder",
  "segmenter": "segmenter",
  "maskFolder": "masks",
  "note": "mine",
  "zebra": {
    "a": 2,
    "b": 1
  }
}
`);
    await saveProject(root, project);
    expect(projectText((await loadProject(root)) as Project)).toBe(text);
  });

  test.each([
    ['{ "version": 1,', /project\.json is not valid JSON \(/],
    [
      '{ "version": 1,\n "\u001b[2J\r\n',
      /^\P{Cc}+project\.json is not valid JSON \(\P{Cc}+\); repair or remove it\.$/u,
    ],
    [JSON.stringify({ ...projectOf(), version: 2 }), /at "version": expected version 1/],
    [JSON.stringify({ ...projectOf(), classes: [{ id: 255, name: 'a', colour: '#112233' }] }), /at "classes.0.id"/],
    [
      JSON.stringify({ ...projectOf(), classes: [{ id: 1, name: 'a', colour: 'red' }] }),
      /expected a colour as #rrggbb/,
    ],
    [JSON.stringify({ ...projectOf(), classes: [{ id: 1, name: 'a', colour: '#000000' }] }), /other colour than black/],
    [JSON.stringify({ ...projectOf(), classes: [CLASSES[0], CLASSES[0]] }), /two classes have the same id/],
    [JSON.stringify({ ...projectOf(), references: [{ ...reference, class: 9 }] }), /refers to class 9, which does not/],
    [JSON.stringify({ ...projectOf(), window: { low: 5, high: 5 } }), /at "window": expected low < high/],
    [JSON.stringify({ ...projectOf(), maskFolder: undefined }), /at "maskFolder"/],
  ])('a broken file is named with its problem and left alone: %s', async (text, message) => {
    const root = await temporaryFolder();
    await put(projectFile(root), text);
    await expect(loadProject(root)).rejects.toThrow(message);
    await expect(updateProject(root, projectOf(), (project) => project)).rejects.toThrow(message);
    expect(await readFile(projectFile(root), 'utf8')).toBe(text);
  });

  test('an update is applied to what another process has written meanwhile', async () => {
    const root = await temporaryFolder();
    let calls = 0;
    const update = async (initial: Project) =>
      updateProject(root, initial, (project) => {
        // Synchronous, so that it happens between reading and writing.
        if (calls++ === 0) writeFileSync(projectFile(root), projectText(projectOf({ encoder: 'theirs' })));
        return { ...project, segmenter: 'ours' };
      });
    await saveProject(root, projectOf());
    expect(await update(projectOf())).toMatchObject({ encoder: 'theirs', segmenter: 'ours' });
    expect(await loadProject(root)).toMatchObject({ encoder: 'theirs', segmenter: 'ours' });
    expect(calls).toBe(2);
  });

  test('the same update by many at the same time', async () => {
    const root = await temporaryFolder();
    const change = (project: Project) => ({ ...project, encoder: 'theirs' });
    await Promise.all(Array.from({ length: 20 }, () => updateProject(root, projectOf(), change)));
    expect(await loadProject(root)).toEqual(projectOf({ encoder: 'theirs' }));
  });

  test('different updates at the same time are all applied', async () => {
    const root = await temporaryFolder();
    const add = (i: number) => (project: Project) => ({
      ...project,
      classes: [...project.classes, { id: 10 + i, name: `class ${i}`, colour: '#123456' }],
    });
    const updates = Array.from({ length: 20 }, (_, i) => updateProject(root, projectOf(), add(i)));
    const failing = updateProject(root, projectOf(), () => {
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await Promise.all(updates);
    expect((await loadProject(root))!.classes).toHaveLength(22);
  });

  test('an update of a project that does not exist yet starts from the initial one', async () => {
    const root = await temporaryFolder();
    await updateProject(root, projectOf({ encoder: 'mine' }), (project) => ({
      ...project,
      window: { low: 0, high: 9 },
    }));
    expect(await loadProject(root)).toMatchObject({ encoder: 'mine', window: { low: 0, high: 9 } });
  });
});

describe('paths', () => {
  test('are posix and relative inside the root, absolute outside', () => {
    expect(storedPath('/data/set', '/data/set/images/a.png')).toBe('images/a.png');
    expect(storedPath('/data/set', '/data/set-2/a.png')).toBe('/data/set-2/a.png');
    expect(storedPath('/data/set', '/data/set/..a.png')).toBe('..a.png');
    expect(resolveStored('/data/set', 'images/a.png')).toBe(join('/data/set', 'images', 'a.png'));
    expect(resolveStored('/data/set', '/other/a.png')).toBe('/other/a.png');
  });
});

describe('references', () => {
  const half = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0];

  async function referenceWith(values: readonly number[]) {
    const root = await temporaryFolder();
    const image = await put(join(root, 'images', 'a.png'), imageBytes('a'));
    const mask = await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels(values), CLASSES));
    return { root, image, mask, reference: await makeReference(root, 1, image, mask) };
  }

  test('are stored with hashes and read again', async () => {
    const { root, image, reference: made } = await referenceWith(half);
    expect(made).toMatchObject({ class: 1, image: 'images/a.png', mask: 'masks/a.png' });
    const loaded = await checkReference(root, made, new FakeEngine(), CLASSES);
    expect(loaded).toMatchObject({ image, imageHash: made.imageHash });
    expect([...fromRuns(loaded.mask).data]).toEqual(half);
  });

  test('that have changed or gone since are named', async () => {
    const { root, image, mask, reference: made } = await referenceWith(half);
    await put(mask, encodeMaskPng(labels([...half].reverse()), CLASSES));
    await expect(checkReference(root, made, new FakeEngine(), CLASSES)).rejects.toThrow(
      `The reference mask ${mask} has changed since`,
    );
    await put(image, imageBytes('b'));
    await expect(checkReference(root, made, new FakeEngine(), CLASSES)).rejects.toThrow(
      `The reference image ${image} has changed since`,
    );
    const gone = { ...made, image: 'images/gone.png' };
    await expect(checkReference(root, gone, new FakeEngine(), CLASSES)).rejects.toThrow(
      /^The reference image .*images\/gone\.png does not exist\.$/,
    );
    await expect(makeReference(root, 1, image, join(root, 'gone'))).rejects.toThrow(/does not exist\.$/);
  });

  test.each([
    [half.map(() => 0), /is empty: mark the object in it\.$/],
    [half.map(() => 1), /covers the whole image/],
    [half.map((_, i) => 2 + (i % 2)), /has no pixels of class 1: it holds the values 2, 3/],
  ])('with a mask that says nothing are refused', async (values, message) => {
    const { root, reference: made } = await referenceWith(values);
    await expect(checkReference(root, made, new FakeEngine(), CLASSES)).rejects.toThrow(message);
  });
});
