/** Opening an image: as a document, as what says why it cannot be shown, and with what a window left unsaved. */
import { readFile, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Uri } from 'vscode';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { JournalViews } from '../../src/dataset/journal/journalView';
import { PROJECT_DEFAULTS } from '../../src/dataset/project/setUp';
import { ProjectRoot } from '../../src/dataset/projectRoot';
import { LabelDocumentHandle, OpenDocuments, placeOf, UnreadableDocument } from '../../src/editor/openDocuments';
import { Opening } from '../../src/editor/opening';
import type { NamedBackup } from '../../src/editor/unsaved/restoring';
import { UnsavedFolder } from '../../src/editor/unsaved/unsavedFolder';
import { encodeMaskPng } from '../../src/formats/maskPng';
import { CLASSES, labels, put, putImages, temporaryFolder } from '../dataset/fixtures';
import { refusal } from '../refusal';
import { FakeEditorEngine, listeningPage } from './fakeEditor';

const BLANK = new Array(12).fill(0);
const PAINTED = [1, 1, ...BLANK.slice(2)];

const uriOf = (path: string) => ({ fsPath: path, path, toString: () => `file://${path}` }) as Uri;

/** Windows that open `a.png` of one folder one after the other. */
async function folderOfOne() {
  const root = await temporaryFolder();
  await putImages(root, ['a.png']);
  const unsaved = await temporaryFolder();
  const path = join(root, 'a.png');
  const uri = uriOf(path);
  const projectRoot = new ProjectRoot(root, new JournalViews(), () => PROJECT_DEFAULTS);

  /** @param session hexadecimal */
  function window(session: string, engine = new FakeEditorEngine(), locked: string | null = null) {
    const said: string[] = [];
    const edited: [LabelDocumentHandle, string][] = [];
    const folder = new UnsavedFolder(unsaved, session, (line) => said.push(`log: ${line}`));
    onTestFinished(() => folder.end([]));
    const opening = new Opening({
      engines: { of: () => engine.api },
      projects: { at: async () => projectRoot },
      unsaved: folder,
      localFile: async ({ fsPath }) => ({ path: fsPath, locked }),
      onEngine: () => undefined,
      onEdit: (document, { label }) => edited.push([document, label]),
      inform: (text) => said.push(`inform: ${text}`),
      warn: (text) => said.push(`warn: ${text}`),
      log: () => undefined,
    });
    return { opening, said, edited, engine };
  }

  async function labelled(opening: Opening, named?: NamedBackup): Promise<LabelDocumentHandle> {
    const document = await opening.open(uri, named);
    if (!(document instanceof LabelDocumentHandle)) throw new Error('expected an image that can be shown');
    onTestFinished(() => document.dispose());
    return document;
  }

  /** Unsaved work of a window that ended without a word; gives the path of its file. */
  async function leftBehind(session: string): Promise<string> {
    const document = await labelled(window(session).opening);
    document.image.paint(listeningPage(), { label: 'Brush', change: changeBetween(labels(BLANK), labels(PAINTED)) });
    await document.unsaved?.kept();
    document.dispose();
    await rm(join(unsaved, `${session}.lock`));
    return document.unsaved!.path;
  }

  return { root, path, uri, window, labelled, leftBehind };
}

describe('opening', () => {
  it('gives the document, whose edits are reported as its own', async () => {
    const { window, labelled, root } = await folderOfOne();
    const { opening, said, edited } = window('a1');
    const document = await labelled(opening);
    expect(placeOf(document)).toMatchObject({ image: 'a.png', classId: 1 });
    const change = changeBetween(labels(BLANK), labels(PAINTED));
    document.image.paint(listeningPage(), { label: 'Brush', change });
    expect(edited).toEqual([[document, 'Brush']]);
    expect([document.isMistaken, said]).toEqual([false, []]);
    expect(document.image.place.mask).toBe(join(root, 'masks', 'a.png'));
  });

  it('says how a mask was read, where that is worth a word', async () => {
    const { window, labelled, root } = await folderOfOne();
    const { opening, said, engine } = window('a1');
    await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels(PAINTED), CLASSES));
    const { readLabels } = engine.api;
    Object.assign(engine.api, {
      readLabels: async (request: Parameters<typeof readLabels>[0]) => ({
        ...(await readLabels(request)),
        notes: ['of 16 bits'],
      }),
    });
    await labelled(opening);
    expect(said).toEqual(['inform: a.png: of 16 bits.']);
  });

  it('gives what says why an image cannot be shown, but keeps a backup of it for another day', async () => {
    const { window, uri } = await folderOfOne();
    const { opening, engine } = window('a1');
    engine.broken = 'a.png is damaged.';
    const document = await opening.open(uri);
    expect(document).toMatchObject({ problem: 'a.png is damaged.', place: { image: 'a.png' } });
    expect(placeOf(document)?.classId).toBeUndefined();
    expect(() => document.image).toThrow('a.png is damaged.');
    expect(await refusal(opening.open(uri, { path: '/gone', madeAt: undefined }))).toBe('a.png is damaged.');
  });

  it('of what cannot be labelled keeps nothing, and leaves unsaved work where it is', async () => {
    const { window, labelled, leftBehind } = await folderOfOne();
    const path = await leftBehind('a1');
    const { opening, said } = window('a2', undefined, 'not trusted');
    const document = await labelled(opening);
    expect([document.unsaved, document.image.document.dirty, said]).toEqual([undefined, false, []]);
    expect((await readFile(path)).length).toBeGreaterThan(0);
  });
});

describe('unsaved work', () => {
  it('that VS Code has forgotten is back, and VS Code is to be told', async () => {
    const { window, labelled, leftBehind } = await folderOfOne();
    await leftBehind('a1');
    const { opening, said } = window('a2');
    const document = await labelled(opening);
    expect([...document.image.document.labels.data]).toEqual(PAINTED);
    expect(document.isMistaken).toBe(true);
    expect(said).toEqual(['warn: Edits of a.png that had not been saved when VS Code ended are back.']);
  });

  it('that VS Code names is back without a word', async () => {
    const { window, labelled, leftBehind } = await folderOfOne();
    const path = await leftBehind('a1');
    const { opening, said } = window('a2');
    const document = await labelled(opening, { path, madeAt: Date.now() });
    expect([document.image.document.dirty, document.isMistaken, said]).toEqual([true, false, []]);
  });

  it('of an image of another size is told of, not shown', async () => {
    const { window, labelled, leftBehind } = await folderOfOne();
    await leftBehind('a1');
    const engine = new FakeEditorEngine();
    engine.size = { width: 2, height: 2 };
    const { opening, said } = window('a2', engine);
    const document = await labelled(opening);
    expect([document.image.document.dirty, document.isMistaken]).toEqual([false, false]);
    expect(said).toEqual(['warn: Unsaved edits of a.png were not restored: they are of an image of 4 x 3 pixels.']);
  });

  it('that is gone is told of, unless the mask was saved since', async () => {
    const { window, labelled, root } = await folderOfOne();
    const first = window('a1');
    const named = { path: '/gone', madeAt: 5_000_000 };
    const lost =
      'warn: Unsaved edits of a.png are lost: their backup is gone or cannot be read. The mask on the disk is shown.';
    expect((await labelled(first.opening, named)).isMistaken).toBe(true);
    expect(first.said.at(-1)).toBe(lost);
    const mask = await put(join(root, 'masks', 'a.png'), encodeMaskPng(labels(PAINTED), CLASSES));
    for (const [seconds, told] of [
      [4000, true],
      [6000, false],
    ] as const) {
      await utimes(mask, seconds, seconds);
      const { opening, said } = window(`b${seconds}`);
      await labelled(opening, named);
      expect(said.includes(lost)).toBe(told);
    }
    const nameless = window('a4');
    await labelled(nameless.opening, { ...named, madeAt: undefined });
    expect(nameless.said).toContain(lost);
  });
});

describe('open documents', () => {
  it('are found by their file until they are disposed', async () => {
    const { window, labelled, uri } = await folderOfOne();
    const documents = new OpenDocuments();
    const problem = documents.add(new UnreadableDocument(uri, 'a.png is damaged.', null));
    expect([documents.of(uri), documents.readableOf(uri)]).toEqual([problem, undefined]);
    const document = documents.add(await labelled(window('a1').opening));
    expect(documents.of(uri)).toBe(document);
    document.dispose();
    expect([documents.of(uri), documents.readable.length]).toEqual([problem, 0]);
  });

  it('are dropped with what they have not saved where their tabs are there but clean', async () => {
    const { window, labelled } = await folderOfOne();
    const documents = new OpenDocuments();
    const document = documents.add(await labelled(window('a1').opening));
    const dropped = (...tabs: boolean[]) => documents.dropped(() => tabs.map((isDirty) => ({ isDirty }))).length;
    document.isBackedUp = true;
    expect(dropped(false)).toBe(0);
    const change = changeBetween(labels(BLANK), labels(PAINTED));
    document.image.paint(listeningPage(), { label: 'Brush', change });
    expect([dropped(), dropped(true, false), dropped(false, false)]).toEqual([0, 0, 1]);
    document.isBackedUp = false;
    expect(dropped(false)).toBe(0);
  });
});
