/** A copy of a shipped sample set, to try things on. */
import { constants } from 'node:fs';
import { copyFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { UserError } from '../core/userError';
import { makeFolder } from '../disk/atomicFile';

/** The sets in models/samples, as a person is asked. */
const SETS = [
  { label: 'Nuclei', description: '10 images, fluorescence microscopy (CC0)', folder: 'nuclei' },
  { label: 'Vertebrae', description: '8 images, lumbar MRI (SPIDER, CC BY 4.0)', folder: 'vertebrae' },
] as const;

/**
 * Copies the images of a set to a folder of the person's choice, and opens it. Nothing that is there is written over.
 */
export async function openSamples(samplesDir: string): Promise<void> {
  const set = await vscode.window.showQuickPick(SETS, { title: 'Sample set to copy' });
  if (!set) throw new vscode.CancellationError();
  const parent = await vscode.window.showOpenDialog({
    canSelectFolders: true,
    canSelectFiles: false,
    openLabel: 'Copy Here',
    title: `Where should the folder "ap-medsam-${set.folder}" go?`,
  });
  if (!parent) throw new vscode.CancellationError();
  const folder = join(parent[0].fsPath, `ap-medsam-${set.folder}`);
  await copySet(join(samplesDir, set.folder, 'images'), join(folder, 'images'));
  await vscode.commands.executeCommand('vscode.openFolder', vscode.Uri.file(folder));
}

async function copySet(from: string, to: string): Promise<void> {
  const there = await stat(to).catch(() => null);
  if (there !== null && !there.isDirectory()) throw new UserError(`${to} is a file; expected room for a folder.`);
  await makeFolder(to);
  for (const name of await readdir(from)) {
    await copyFile(join(from, name), join(to, name), constants.COPYFILE_EXCL).catch((error: NodeJS.ErrnoException) => {
      // From an earlier visit: it may have been changed since, and is the person's.
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
