/** Unsaved work: kept with every edit, found again whatever VS Code remembers, gone when it is saved. */
import { readdir, readFile, rm, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { changeBetween, type LabelChange } from '../../src/core/drawing/labelChange';
import { toLabelRuns } from '../../src/core/pixels/labelMap';
import { type DocumentState, LabelDocument } from '../../src/editor/document/labelDocument';
import { readBackup } from '../../src/editor/unsaved/backup';
import { UnsavedFolder } from '../../src/editor/unsaved/unsavedFolder';
import { UnsavedWork } from '../../src/editor/unsaved/unsavedWork';
import { exists, labels, put, putImages, SIZE, temporaryFolder } from '../dataset/fixtures';
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

const BLANK_STATE: DocumentState = { session: null, automatic: null, origins: new Map() };

const DOCUMENT = 'file:///images/a.png';

/** A document whose work is kept, as the provider has it. */
class Kept {
  readonly document: LabelDocument;
  work: UnsavedWork | undefined;
  maskHash: string | null = 'abc';

  constructor(restored?: DocumentState, values: readonly number[] = [...LABELS.data]) {
    this.document = new LabelDocument(labels(values), (change) => this.work?.changed(change), restored);
  }

  readonly source = () => ({
    dirty: this.document.dirty,
    work: { labels: this.document.labels, state: this.document.state, classId: 2, maskHash: this.maskHash },
  });

  paint(pixel: number, value: number) {
    return this.document.edit('Brush Stroke', strokeOf(this.document, pixel, value), {
      origins: new Map([[value, { by: 'person' }]]),
    });
  }

  keepIn(work: UnsavedWork): void {
    this.work = work;
    onTestFinished(() => work.close());
  }

  save(): void {
    this.document.checkpoint()();
    this.work?.changed(null);
  }
}

function strokeOf({ labels: before }: LabelDocument, pixel: number, value: number): LabelChange {
  const data = before.data.slice();
  data[pixel] = value;
  return changeBetween(before, { size: SIZE, data });
}

async function keptAt(path: string, restored?: DocumentState): Promise<Kept & { work: UnsavedWork }> {
  const kept = new Kept(restored);
  kept.keepIn(new UnsavedWork(path, kept.source));
  await kept.work?.kept();
  return kept as Kept & { work: UnsavedWork };
}

describe('a backup', () => {
  it('brings back labels, prompts and whose work they are', async () => {
    const path = join(await temporaryFolder(), 'not', 'there', 'yet');
    const { source } = await keptAt(path, STATE);
    expect((await readBackup(path)).work).toEqual(source().work);
  });

  it('has every edit, undo and redo as they come, without anybody asking', async () => {
    const path = join(await temporaryFolder(), 'work');
    const { document, work, source, paint } = await bound(path);
    const has = async () => (await readBackup(path)).work;
    expect(await exists(path)).toBe(false);
    const { edit } = paint(0, 2);
    await vi.waitFor(async () => expect(await has()).toEqual(source().work));
    paint(1, 2);
    document.setState({ session: STATE.session });
    paint(2, 0);
    await vi.waitFor(async () => expect(await has()).toEqual(source().work));
    document.undo(paint(3, 1).edit);
    await work.kept();
    expect(await has()).toEqual(source().work);
    document.setState({ session: null });
    document.redo(edit);
    await work.kept();
    expect((await has()).state.session).toBeNull();
  });

  it('goes as soon as nothing is unsaved, and comes back with the next edit', async () => {
    const path = join(await temporaryFolder(), 'work');
    const { document, work, save, paint } = await bound(path);
    const { edit } = paint(0, 2);
    await work.kept();
    document.undo(edit);
    await work.kept();
    expect(await exists(path)).toBe(false);
    paint(0, 2);
    await work.kept();
    expect(await exists(path)).toBe(true);
    save();
    await work.kept();
    expect(await exists(path)).toBe(false);
    paint(5, 2);
    await work.kept();
    expect((await readBackup(path)).work.labels.data[5]).toBe(2);
  });

  it('is written anew where somebody has removed it, or its steps have become many', async () => {
    const path = join(await temporaryFolder(), 'work');
    const { document, work, source, paint } = await bound(path);
    paint(0, 2);
    await work.kept();
    await rm(path);
    paint(1, 2);
    await work.kept();
    expect((await readBackup(path)).work).toEqual(source().work);
    const { length: small } = await readFile(path);
    const logits = { size: { width: 1000, height: 1000 }, data: new Float32Array(1_000_000) };
    for (let i = 0; i < 4; i++) {
      document.setState({ session: { ...STATE.session!, rounds: [{ points: [], box: null, logits }] } });
      await work.kept();
    }
    document.setState({ session: null });
    await work.kept();
    expect((await readFile(path)).length).toBeLessThan(2 * small);
    expect((await readBackup(path)).work).toEqual(source().work);
  });

  it('that a crash has torn gives all that is whole', async () => {
    const path = join(await temporaryFolder(), 'work');
    const { work, paint } = await bound(path);
    paint(0, 2);
    await work.kept();
    paint(1, 2);
    await work.kept();
    const { length } = await readFile(path);
    await truncate(path, length - 1);
    expect([...(await readBackup(path)).work.labels.data.subarray(0, 2)]).toEqual([2, 1]);
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

  it('of an image that has another size now is not put on it', async () => {
    const root = await temporaryFolder();
    await putImages(root, ['a.png']);
    const restored = { labels: labels([1, 1], { width: 2, height: 1 }), state: STATE, classId: 1, maskHash: null };
    const { open } = await openImage(root, 'a.png', undefined, { restored });
    expect(open.facts.dirty).toBe(false);
    expect(open.document.labels.size).toEqual(SIZE);
  });

  it('of the version before is read, and one that is foreign or gone is one clear sentence', async () => {
    const root = await temporaryFolder();
    const before = { labels: toLabelRuns(LABELS), state: STATE, classId: 2, maskHash: null };
    const old = await put(join(root, 'old'), serialize({ format: 'ap-medsam backup 1', ...before }));
    expect((await readBackup(old)).work).toEqual({ ...before, labels: LABELS });
    const torn = await put(join(root, 'torn'), 'half a ba');
    expect(await refusal(readBackup(torn))).toBe(`The unsaved edits kept in ${torn} cannot be read.`);
    const foreign = await put(join(root, 'foreign'), serialize({ format: 'other' }));
    expect(await refusal(readBackup(foreign))).toMatch(/cannot be read/);
    expect(await refusal(readBackup(join(root, 'gone')))).toMatch(/cannot be read/);
  });
});

/** A kept document with the methods of a test taken off it. */
async function bound(path: string) {
  const kept = await keptAt(path);
  const { document, work, source } = kept;
  return { document, work, source, paint: kept.paint.bind(kept), save: kept.save.bind(kept) };
}

describe('the folder of unsaved work', () => {
  const sessionIn = (folder: string, session: string) => new UnsavedFolder(folder, session, () => undefined);
  const filesIn = async (folder: string) => (await readdir(folder)).filter((name) => name.endsWith('.unsaved'));

  /** Work of a session that ended without a word: its process is gone, and so is its lock. */
  async function leftBehind(folder: string, session: string, pixel: number): Promise<string> {
    const kept = new Kept();
    kept.keepIn(await sessionIn(folder, session).keep(DOCUMENT, kept.source));
    kept.paint(pixel, 2);
    await kept.work!.kept();
    await rm(join(folder, `${session}.lock`));
    return kept.work!.path;
  }

  /** The next session opens the document. */
  async function reopened(folder: string, session: string, named?: string) {
    const here = sessionIn(folder, session);
    const found = await here.find(DOCUMENT, named);
    const kept = new Kept(found?.work.state ?? BLANK_STATE, [...(found?.work.labels ?? LABELS).data]);
    kept.keepIn(await here.keep(DOCUMENT, kept.source, found));
    return { kept, found, here };
  }

  it('has what a window left that ended otherwise than by saving, whatever VS Code names', async () => {
    const folder = await temporaryFolder();
    await leftBehind(folder, 'a1', 0);
    const { kept, found } = await reopened(folder, 'a2', join(folder, 'gone'));
    expect(found?.work.labels.data[0]).toBe(2);
    expect(await filesIn(folder)).toHaveLength(1);
    kept.paint(1, 2);
    await kept.work?.kept();
    await rm(join(folder, 'a2.lock'));
    const again = await reopened(folder, 'a3');
    expect([...again.found!.work.labels.data.subarray(0, 2)]).toEqual([2, 2]);
    again.kept.save();
    await again.kept.work?.kept();
    expect(await filesIn(folder)).toEqual([]);
  });

  it('takes the newest that can be read', async () => {
    const folder = await temporaryFolder();
    const older = await leftBehind(folder, 'a1', 0);
    await utimes(older, 1, 1);
    const newer = await leftBehind(folder, 'a2', 1);
    expect((await sessionIn(folder, 'a3').find(DOCUMENT))?.work.labels.data[1]).toBe(2);
    await put(newer, 'torn');
    expect((await sessionIn(folder, 'a3').find(DOCUMENT))?.work.labels.data[0]).toBe(2);
  });

  it('leaves alone what a window that lives has not saved, unless VS Code names it', async () => {
    const folder = await temporaryFolder();
    const other = new Kept();
    const theirs = sessionIn(folder, 'a1');
    other.keepIn(await theirs.keep(DOCUMENT, other.source));
    other.paint(0, 2);
    await other.work!.kept();
    expect(await sessionIn(folder, 'a2').find(DOCUMENT)).toBeUndefined();
    // A window that was killed may leave an extension host that waits for it.
    const { kept } = await reopened(folder, 'a2', other.work!.path);
    expect(kept.document.labels.data[0]).toBe(2);
    expect(await filesIn(folder)).toHaveLength(2);
    kept.save();
    await kept.work?.kept();
    expect(await filesIn(folder)).toEqual([]);
    // It was not forsaken after all.
    other.paint(1, 2);
    await other.work!.kept();
    expect(await filesIn(folder)).toHaveLength(1);
    theirs.end([]);
  });

  it('goes with what a person drops as the window ends, and with time', async () => {
    const folder = await temporaryFolder();
    const { kept, here } = await reopened(folder, 'a1');
    kept.paint(0, 2);
    await kept.work?.kept();
    here.end([DOCUMENT]);
    expect(await filesIn(folder)).toEqual([]);
    const orphan = await leftBehind(folder, 'a2', 0);
    const old = await put(join(folder, '12345678'), 'of version 0.1.0');
    const foreign = await put(join(folder, 'notes.txt'), 'not ours');
    await sessionIn(folder, 'a3').sweep([folder]);
    expect(await exists(orphan)).toBe(true);
    for (const path of [orphan, old, foreign]) await utimes(path, 1, 1);
    await sessionIn(folder, 'a3').sweep([await temporaryFolder()]);
    expect([await exists(orphan), await exists(foreign)]).toEqual([false, true]);
    const elsewhere = new UnsavedFolder(await temporaryFolder(), 'a4', () => undefined);
    await elsewhere.sweep([folder]);
    expect([await exists(old), await exists(foreign)]).toEqual([false, true]);
  });

  it('that cannot be used keeps no image from opening', async () => {
    const file = await put(join(await temporaryFolder(), 'file'), '');
    const { kept, found } = await reopened(join(file, 'folder'), 'a1');
    expect(found).toBeUndefined();
    kept.paint(0, 2);
    expect(await refusal(kept.work!.kept())).toMatch(/a file stands where/);
  });
});
