/** Unsaved work on its way through a hot exit. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readBackup, writeBackup } from '../../src/editor/backup';
import type { DocumentState } from '../../src/editor/labelDocument';
import { labels, put, putImages, SIZE, temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';
import { openImage } from './fakeEditor';

const LABELS = labels([0, 1, 1, 2, 0, 0, 0, 255, 0, 0, 0, 0]);

const STATE: DocumentState = {
  session: {
    classId: 1,
    points: [{ point: { x: 1.5, y: 0.25 }, label: 0 }],
    box: { left: 0, top: 0, right: 2, bottom: 2 },
    origin: 'automatic',
    base: { size: SIZE, runs: Uint32Array.of(12) },
    iouPrediction: 0.5,
    maskPrompt: { size: { width: 1, height: 2 }, data: Float32Array.of(-1, 2) },
    answerPrior: { size: { width: 1, height: 1 }, data: Float32Array.of(0.5) },
    rounds: [{ points: [], box: null, logits: { size: { width: 1, height: 1 }, data: Float32Array.of(3) } }],
  },
  automatic: null,
  origins: new Map([[1, { by: 'person' }]]),
};

describe('a backup', () => {
  it('brings back labels, prompts and whose work they are', async () => {
    const path = join(await temporaryFolder(), 'not', 'there', 'yet');
    const kept = { labels: LABELS, state: STATE, classId: 2, maskHash: 'abc' };
    await writeBackup(path, kept);
    expect(await readBackup(path)).toEqual(kept);
  });

  it('makes an open image that has unsaved work, and knows a mask that changed meanwhile', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.png']);
    const restored = { labels: LABELS, state: STATE, classId: 1, maskHash: 'of a mask that is gone' };
    const { open, values } = await openImage(root, 'a.png', undefined, { restored });
    expect(values()).toEqual([...LABELS.data]);
    expect(open.facts).toMatchObject({ dirty: true, changedOnDisk: true });
    expect(open.document.state.session?.points).toEqual(STATE.session?.points);
  });

  it('that is torn, foreign or gone is one clear sentence', async () => {
    const root = await temporaryFolder();
    const torn = await put(join(root, 'torn'), 'half a ba');
    expect(await refusal(readBackup(torn))).toBe(`The unsaved edits kept in ${torn} cannot be read.`);
    const { serialize } = await import('node:v8');
    const foreign = await put(join(root, 'foreign'), serialize({ format: 'other' }));
    expect(await refusal(readBackup(foreign))).toBe(`${foreign} is no backup of this version of AP-MedSAM.`);
    expect(await refusal(readBackup(join(root, 'gone')))).toMatch(/cannot be read/);
  });
});
