/** The custom editor contract: open, edit, undo, save, revert, backup, and whose work the journal says it is. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import * as vscode from 'vscode';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { blankLabels, classRuns, type LabelMap } from '../../src/core/pixels/labelMap';
import { fromRuns } from '../../src/core/pixels/mask';
import { dice } from '../../src/core/pixels/maskMetrics';
import type { LabelDocumentHandle } from '../../src/editor/openDocuments';
import type { EngineClient } from '../../src/engineClient/client';
import { decodeMaskPng } from '../../src/formats/maskPng';
import { binaryMaskOf } from '../masks';
import { activeTab, api, journalOf, listener, maskOf, until } from './editing';
import { addKnownMask, discard, imageIn, sampleFolder } from './workspace';

/** The labels with a square of class 1. */
function withSquare(labels: LabelMap, left: number, top: number, side: number): LabelMap {
  const data = labels.data.slice();
  for (let y = top; y < top + side; y++)
    data.fill(1, y * labels.size.width + left, y * labels.size.width + left + side);
  return { size: labels.size, data };
}

function paintSquare({ image }: LabelDocumentHandle, left = 10, top = 20, side = 30): void {
  const change = changeBetween(image.document.labels, withSquare(image.document.labels, left, top, side));
  image.paint(listener(), { label: 'Brush Stroke', change });
}

const foreground = ({ data }: LabelMap): number => data.reduce((sum, value) => sum + (value === 1 ? 1 : 0), 0);

describe('the label editor', () => {
  let folder: vscode.Uri;
  let first: vscode.Uri;

  beforeEach(async () => {
    folder = await sampleFolder([1, 2]);
    first = imageIn(folder, 1);
  });
  afterEach(() => discard(folder));

  it('registers every command that package.json promises', async () => {
    const { provider } = await api();
    assert.ok(provider);
    const { contributes } = JSON.parse(
      readFileSync(
        path.join(vscode.extensions.getExtension('ap-medsam.ap-medsam')!.extensionPath, 'package.json'),
        'utf8',
      ),
    ) as { contributes: { commands: { command: string }[] } };
    const known = new Set(await vscode.commands.getCommands(true));
    assert.deepEqual(
      contributes.commands.map(({ command }) => command).filter((command) => !known.has(command)),
      [],
    );
  });

  it('opens an image without a mask, clean and blank', async () => {
    const { provider } = await api();
    const document = await provider.show(first);
    assert.equal(activeTab()?.isDirty, false);
    assert.deepEqual(document.image.size, { width: 360, height: 360 });
    assert.equal(foreground(document.image.document.labels), 0);
    assert.equal(existsSync(path.join(folder.fsPath, '.apmedsam')), false);
  });

  it('saves what was painted as a palette PNG, as a person`s, and never touches the image', async () => {
    const { provider } = await api();
    const before = await readFile(first.fsPath);
    const document = await provider.show(first);
    paintSquare(document);
    await until(() => activeTab()?.isDirty === true);
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => activeTab()?.isDirty === false);
    const mask = await readFile(maskOf(folder, 1));
    assert.equal(foreground(decodeMaskPng(mask, 'mask')), 900);
    assert.deepEqual(await readFile(first.fsPath), before);
    const [line] = (await journalOf(folder)).filter(({ kind }) => kind === 'done');
    assert.deepEqual([line.image, line.class, line.status], ['images/nuclei_01.png', 1, 'edited']);
    assert.equal(document.image.facts.status, 'edited');
  });

  it('undoes and redoes through VS Code`s own stack, and is clean again at what was saved', async () => {
    const { provider } = await api();
    const document = await provider.show(first);
    paintSquare(document, 0, 0, 10);
    paintSquare(document, 50, 50, 10);
    await until(() => activeTab()?.isDirty === true);
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => activeTab()?.isDirty === false);
    await vscode.commands.executeCommand('undo');
    await until(() => foreground(document.image.document.labels) === 100);
    assert.equal(activeTab()?.isDirty, true);
    await vscode.commands.executeCommand('undo');
    await until(() => foreground(document.image.document.labels) === 0);
    await vscode.commands.executeCommand('redo');
    await vscode.commands.executeCommand('redo');
    await until(() => foreground(document.image.document.labels) === 200);
    await until(() => activeTab()?.isDirty === false);
    assert.equal(document.image.document.dirty, false);
  });

  it('reverts to what is on disk', async () => {
    const { provider } = await api();
    await addKnownMask(folder, 1);
    const document = await provider.show(first);
    const known = foreground(document.image.document.labels);
    assert.ok(known > 1000);
    paintSquare(document, 0, 0, 100);
    await until(() => activeTab()?.isDirty === true);
    await vscode.commands.executeCommand('workbench.action.files.revert');
    await until(() => foreground(document.image.document.labels) === known);
    assert.equal(activeTab()?.isDirty, false);
  });

  it('keeps unsaved work in a backup, which a new document is made of', async () => {
    const { provider } = await api();
    const document = await provider.show(first);
    paintSquare(document);
    const backup = await provider.backupCustomDocument(document);
    const file = vscode.Uri.parse(backup.id).fsPath;
    assert.ok(existsSync(file));
    const restored = await provider.openCustomDocument(first, { backupId: backup.id, untitledDocumentData: undefined });
    assert.equal(foreground(restored.image.document.labels), 900);
    assert.equal(restored.image.document.dirty, true);
    restored.dispose();
    backup.delete();
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => !existsSync(file));
  });

  it('saves a copy only where no image is', async () => {
    const { provider } = await api();
    const document = await provider.show(first);
    paintSquare(document);
    for (const image of [first, imageIn(folder, 2)]) {
      const before = await readFile(image.fsPath);
      await assert.rejects(provider.saveCustomDocumentAs(document, image), /image/);
      assert.deepEqual(await readFile(image.fsPath), before);
    }
    const copy = vscode.Uri.joinPath(folder, 'masks', 'copy.png');
    await provider.saveCustomDocumentAs(document, copy);
    assert.equal(foreground(decodeMaskPng(await readFile(copy.fsPath), 'copy')), 900);
  });

  it('keeps what it cannot save', async () => {
    const { provider } = await api();
    const document = await provider.show(first);
    await writeFile(path.join(folder.fsPath, 'masks'), 'a file where the folder of masks should be');
    paintSquare(document);
    await until(() => activeTab()?.isDirty === true);
    await assert.rejects(
      provider.save(document),
      (error: Error) =>
        error instanceof Error && /a file stands where/.test(error.message) && error.name === 'UserError',
    );
    assert.equal(document.image.document.dirty, true);
    assert.equal(foreground(document.image.document.labels), 900);
  });

  it('shows files that are not on this disk, and lets nobody label them', async () => {
    const { provider } = await api();
    const content = await readFile(first.fsPath);
    const scheme = 'apmedsamtest';
    const refuse = () => {
      throw vscode.FileSystemError.NoPermissions();
    };
    const files: vscode.FileSystemProvider = {
      onDidChangeFile: () => new vscode.Disposable(() => undefined),
      watch: () => new vscode.Disposable(() => undefined),
      stat: () => ({ type: vscode.FileType.File, ctime: 0, mtime: 0, size: content.length }),
      readFile: () => content,
      readDirectory: () => [],
      createDirectory: refuse,
      writeFile: refuse,
      delete: refuse,
      rename: refuse,
    };
    const registration = vscode.workspace.registerFileSystemProvider(scheme, files);
    try {
      const document = await provider.show(vscode.Uri.from({ scheme, path: '/elsewhere/a.png' }));
      assert.deepEqual(document.image.size, { width: 360, height: 360 });
      assert.match(document.image.readOnly ?? '', /not files on this machine/);
      assert.throws(() => paintSquare(document), /not files on this machine/);
    } finally {
      await vscode.commands.executeCommand('workbench.action.closeAllEditors');
      registration.dispose();
    }
  });
});

describe('a reference and Segment Image', () => {
  let folder: vscode.Uri;
  beforeEach(async () => {
    folder = await sampleFolder([1, 2, 3]);
    await addKnownMask(folder, 1);
    await vscode.commands.executeCommand('apMedSam.useAsReference', imageIn(folder, 1));
  });
  afterEach(() => discard(folder));

  const knownMask = async (n: number) => {
    const file = await addKnownMask(folder, n);
    const known = binaryMaskOf(decodeMaskPng(await readFile(file.fsPath), 'known'), 1);
    await vscode.workspace.fs.delete(file);
    return known;
  };

  it('a reference from files stands in project.json, with a copy of its mask', async () => {
    const project = JSON.parse(await readFile(path.join(folder.fsPath, '.apmedsam/project.json'), 'utf8'));
    assert.equal(project.references.length, 1);
    assert.equal(project.references[0].image, 'images/nuclei_01.png');
    assert.ok(existsSync(path.join(folder.fsPath, '.apmedsam/references', `${project.references[0].maskHash}.png`)));
  });

  it('segments an image as one edit; undo and redo ask no engine', async () => {
    const { provider } = await api();
    const known = await knownMask(2);
    const document = await provider.show(imageIn(folder, 2));
    await vscode.commands.executeCommand('apMedSam.segmentImage');
    await until(() => activeTab()?.isDirty === true);
    const { labels } = document.image.document;
    const found = fromRuns(classRuns(labels, 1));
    assert.ok(dice(found, known) > 0.85, `Dice ${dice(found, known)}`);
    const { automatic, session } = document.image.document.state;
    assert.ok(automatic!.candidates.length > session!.points.length);
    await vscode.commands.executeCommand('undo');
    await until(() => foreground(document.image.document.labels) === 0);
    const started = performance.now();
    await vscode.commands.executeCommand('redo');
    await until(() => foreground(document.image.document.labels) > 0);
    assert.ok(performance.now() - started < 5000);
    assert.deepEqual(document.image.document.labels.data, labels.data);
  });

  it('saved untouched is automatic, moved is edited, accepted is accepted', async () => {
    const { provider } = await api();
    const document = await provider.show(imageIn(folder, 2));
    await vscode.commands.executeCommand('apMedSam.segmentImage');
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => document.image.facts.status === 'auto');
    const { points } = document.image.document.state.session!;
    const moved = points.map((one, i) => (i === 0 ? { ...one, point: { x: one.point.x + 3, y: one.point.y } } : one));
    await document.image.prompt({ label: 'Move Point', prompts: { points: moved, box: null } });
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => document.image.facts.status === 'edited');
    await vscode.commands.executeCommand('apMedSam.acceptMask');
    await until(() => document.image.facts.status === 'accepted');
    // An answer that a person asks for is no edit by hand, and what was accepted comes back with it.
    await vscode.commands.executeCommand('apMedSam.segmentImage');
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => document.image.facts.status === 'auto');
    await vscode.commands.executeCommand('undo');
    await until(() => activeTab()?.isDirty === true);
    await vscode.commands.executeCommand('workbench.action.files.save');
    await until(() => document.image.facts.status === 'accepted');
    const statuses = (await journalOf(folder)).filter(({ kind }) => kind === 'done').map(({ status }) => status);
    assert.deepEqual(statuses, ['auto', 'edited', 'accepted', 'auto', 'accepted']);
  });

  it('gives exactly the mask of Segment Image when no point was moved', async () => {
    const { provider } = await api();
    const document = await provider.show(imageIn(folder, 3));
    await vscode.commands.executeCommand('apMedSam.segmentImage');
    const automatic = document.image.document.labels.data.slice();
    const { points } = document.image.document.state.session!;
    await document.image.prompt({ label: 'Again', prompts: { points, box: null } });
    assert.deepEqual(document.image.document.labels.data, automatic);
  });

  it('answers although its engine is killed meanwhile', async () => {
    const { provider, engines } = await api();
    const document = await provider.show(imageIn(folder, 2));
    const ask = (x: number) =>
      document.image.prompt({
        label: 'Add Point',
        prompts: { points: [{ point: { x, y: 180 }, label: 1 }], box: null },
      });
    await ask(180);
    const client = engines.of({ encoder: 'embedded', segmenter: 'embedded' }) as EngineClient;
    const before = client.pid!;
    const answer = ask(190);
    process.kill(before, 'SIGKILL');
    assert.equal((await answer).asked, true);
    assert.notEqual(client.pid, before);
    assert.ok(foreground(document.image.document.labels) > 0);
  });

  it('notices that the reference has changed', async () => {
    const { provider } = await api();
    await writeFile(imageIn(folder, 1).fsPath, await readFile(imageIn(folder, 3).fsPath));
    const document = await provider.show(imageIn(folder, 2));
    await assert.rejects(document.image.segment(new AbortController().signal), /has changed since/);
    assert.equal(foreground(document.image.document.labels), 0);
    assert.deepEqual(blankLabels(document.image.size).data, document.image.document.labels.data);
  });
});
