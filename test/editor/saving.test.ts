/** Saving an open image: its mask and journal, and what a person decides where another mask is there by now. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { MaskFolderGrants } from '../../src/dataset/files/maskFolderGrants';
import { JournalViews } from '../../src/dataset/journal/journalView';
import { PROJECT_DEFAULTS } from '../../src/dataset/project/setUp';
import { type ConflictChoice, PersonMasks } from '../../src/editor/image/saving';
import { decodeMaskPng, encodeMaskPng } from '../../src/formats/maskPng';
import { CLASSES, labels, put, putImages, temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';
import { listeningPage, openImage } from './fakeEditor';

const BLANK = new Array(12).fill(0);
const MINE = [1, 1, ...BLANK.slice(2)];
const THEIRS = [0, 0, 1, 1, ...BLANK.slice(4)];

/** An image with unsaved edits, over a mask that somebody else has changed since where `theirs` is given. */
async function edited(theirs?: readonly number[]) {
  const root = await temporaryFolder();
  await putImages(root, ['a.png']);
  const mask = join(root, 'masks', 'a.png');
  const { open } = await openImage(root, 'a.png');
  onTestFinished(() => open.dispose());
  open.paint(listeningPage(), { label: 'Brush', change: changeBetween(labels(BLANK), labels(MINE)) });
  const putTheirs = (values: readonly number[]) => put(mask, encodeMaskPng(labels(values), CLASSES));
  if (theirs) await putTheirs(theirs);
  const journals = new JournalViews();
  const grants = new MaskFolderGrants(await temporaryFolder(), async () => true);
  const masks = new PersonMasks({ session: 'a1', journals, defaults: PROJECT_DEFAULTS, grants });
  onTestFinished(() => masks.dispose());
  const onDisk = async () => [...decodeMaskPng(await readFile(mask), mask).data];
  return { open, masks, mask, putTheirs, onDisk };
}

const nobody = async (): Promise<never> => {
  throw new Error('expected nobody to be asked');
};

it('writes what was painted, and asks nobody where the mask is the one that was opened', async () => {
  const { open, masks, onDisk } = await edited();
  await masks.save(open, nobody);
  expect(await onDisk()).toEqual(MINE);
  expect(open.facts).toMatchObject({ dirty: false, status: 'edited' });
});

it.each([
  ['overwrite', MINE],
  ['reload', THEIRS],
] as const)('does as told where another mask is there: %s', async (choice, expected) => {
  const { open, masks, mask, onDisk } = await edited(THEIRS);
  const asked: string[] = [];
  await masks.save(open, async (about): Promise<ConflictChoice> => {
    asked.push(about);
    return choice;
  });
  expect(asked).toEqual([mask]);
  expect(await onDisk()).toEqual(expected);
  expect([...open.document.labels.data]).toEqual(expected);
  expect(open.facts).toMatchObject({ dirty: false, changedOnDisk: false });
});

it('leaves mask and edits as they are where the person wants neither', async () => {
  const { open, masks, onDisk } = await edited(THEIRS);
  const cancel = async () => {
    throw new Error('cancelled');
  };
  await expect(masks.save(open, cancel)).rejects.toThrow('cancelled');
  expect(await onDisk()).toEqual(THEIRS);
  expect(open.document.dirty).toBe(true);
});

it('gives up where the mask is replaced again while the person decides', async () => {
  const { open, masks, putTheirs, onDisk } = await edited(THEIRS);
  const third = [...BLANK.slice(1), 1];
  const saved = masks.save(open, async () => {
    await putTheirs(third);
    return 'overwrite';
  });
  expect(await refusal(saved)).toMatch(/is being changed by another program all the time: nothing was written\.$/);
  expect(await onDisk()).toEqual(third);
  expect(open.document.dirty).toBe(true);
});
