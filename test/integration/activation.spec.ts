/** What the extension costs before it is used. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import * as vscode from 'vscode';
import { say } from './say';
import { discard, extension, home, imageIn, sampleFolder } from './workspace';

describe('the extension', () => {
  it('activates, and loads nothing native', async () => {
    const started = performance.now();
    await extension().activate();
    say(`activation: ${(performance.now() - started).toFixed(0)} ms`);
    assert.equal(extension().isActive, true);
    const native = process.report.getReport() as unknown as { sharedObjects: string[] };
    const ours = native.sharedObjects.filter((file) => /onnxruntime|sharp|libvips/.test(file));
    assert.deepEqual(ours, []);
  });

  it('runs with a home of its own that it has not touched', () => {
    assert.ok(existsSync(home()));
    assert.deepEqual(readdirSync(home()), []);
  });
});

describe('a folder of samples', () => {
  it('lies in the workspace, and goes again', async () => {
    const folder = await sampleFolder([1, 4]);
    assert.ok(vscode.workspace.getWorkspaceFolder(folder));
    assert.deepEqual(readdirSync(vscode.Uri.joinPath(folder, 'images').fsPath), ['nuclei_01.png', 'nuclei_04.png']);
    const original = vscode.Uri.joinPath(extension().extensionUri, 'models/samples/nuclei/images/nuclei_04.png');
    assert.deepEqual(readFileSync(imageIn(folder, 4).fsPath), readFileSync(original.fsPath));
    await vscode.commands.executeCommand('vscode.open', imageIn(folder, 1));
    await discard(folder);
    assert.equal(existsSync(folder.fsPath), false);
    assert.equal(vscode.window.tabGroups.all.flatMap((group) => group.tabs).length, 0);
  });
});
