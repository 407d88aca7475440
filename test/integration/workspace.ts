/** Files for specs: folders with copies of the samples inside the folder that the window has open. */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import { copySamples, sampleFile, sampleName } from '../vscode/samples';

export const EXTENSION_ID = 'ap-medsam.ap-medsam';

/** The extension under test, active or not. */
export function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension(EXTENSION_ID);
  if (found === undefined) throw new Error(`${EXTENSION_ID} is not installed`);
  return found;
}

/** A new folder of the open workspace with these samples (numbers from 1 to 10) in `images/`. */
export async function sampleFolder(numbers: readonly number[]): Promise<vscode.Uri> {
  const folder = await mkdtemp(path.join(workspaceRoot(), 'samples-'));
  await copySamples(extension().extensionPath, folder, numbers);
  return vscode.Uri.file(folder);
}

/** Image of a folder made by `sampleFolder`. */
export const imageIn = (folder: vscode.Uri, n: number): vscode.Uri =>
  vscode.Uri.joinPath(folder, 'images', sampleName(n));

/** Puts the known mask of the n-th sample beside the images as `masks/<name>` and returns it. */
export async function addKnownMask(folder: vscode.Uri, n: number): Promise<vscode.Uri> {
  const mask = vscode.Uri.joinPath(folder, 'masks', sampleName(n));
  await mkdir(path.dirname(mask.fsPath), { recursive: true });
  await copyFile(sampleFile(extension().extensionPath, 'masks', n), mask.fsPath);
  return mask;
}

/** Closes every editor without saving, then removes the folder. */
export async function discard(folder: vscode.Uri): Promise<void> {
  for (const tab of vscode.window.tabGroups.all.flatMap((group) => group.tabs)) {
    if (tab.isDirty) await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  }
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  await rm(folder.fsPath, { recursive: true, force: true, maxRetries: 5 });
}

/** Home of models and cache of this run, empty at its start. */
export const home = (): string => {
  const folder = process.env.AP_MEDSAM_HOME;
  if (!folder) throw new Error('AP_MEDSAM_HOME is not set: a test must not touch the home of a person');
  return folder;
};

function workspaceRoot(): string {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  if (folder === undefined) throw new Error('the window has no folder open');
  return folder.uri.fsPath;
}
