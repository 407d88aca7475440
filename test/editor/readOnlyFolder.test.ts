/** An image whose masks could not be saved: said at once, and in the same words whatever is tried. */
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { CLASSES, labels, put, putImages, temporaryFolder } from '../dataset/fixtures';
import { listeningPage, openImage } from './fakeEditor';

// As the root of a container nobody can be refused a folder.
vi.mock('../../src/disk/permission', () => ({ readOnlyFolder: async (folder: string) => folder }));

it('shows image and mask, and refuses every edit with one sentence', async () => {
  const root = await temporaryFolder();
  await putImages(root, ['a.png']);
  const values = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels(values), CLASSES));
  const { open, values: shown } = await openImage(root, 'a.png');
  expect(shown()).toEqual(values);
  const sentence = `nothing can be saved in ${join(root, 'masks')}: allow writing there, or copy the images elsewhere.`;
  expect(open.facts.readOnly).toBe(sentence);
  const blank = labels(values.map(() => 0));
  const change = changeBetween(labels(values), blank);
  expect(() => open.paint(listeningPage(), { label: 'Eraser', change })).toThrow(sentence);
  await expect(open.segment(new AbortController().signal)).rejects.toThrow(sentence);
  await expect(open.loadMask(join(root, 'masks', 'a.png'))).rejects.toThrow(sentence);
});
