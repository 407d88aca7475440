/** Images as files on this machine: those that are none (a commit of Git, a virtual file system) are copied. */
import { createHash } from 'node:crypto';
import { extname, join } from 'node:path';
import * as vscode from 'vscode';
import { removeIfPresent, writeAtomic } from '../disk/atomicFile';
import type { Owner } from '../dispose';
import { NEEDS_TRUST } from './image/openImage';
import type { LocalFile } from './opening';

/**
 * The image as a file on this machine, and why it cannot be labelled there, if so. Rejects as reading the URI does.
 *
 * @param copies folder for copies, each of which is removed with its owner
 */
export async function localFile(uri: vscode.Uri, copies: string, owner: Owner): Promise<LocalFile> {
  if (!vscode.workspace.isTrusted) return { path: uri.fsPath, locked: NEEDS_TRUST };
  if (uri.scheme === 'file') return { path: uri.fsPath, locked: null };
  const path = await localCopy(uri, copies, owner);
  const locked = `${uri.scheme}: images can be looked at, not labelled: they are not files on this machine.`;
  return { path, locked };
}

async function localCopy(uri: vscode.Uri, folder: string, owner: Owner): Promise<string> {
  const content = await vscode.workspace.fs.readFile(uri);
  const name = createHash('sha256').update(uri.toString()).digest('hex').slice(0, 32);
  const path = join(folder, `${name}${extname(uri.path)}`);
  await writeAtomic(path, content);
  owner.register({ dispose: () => void removeIfPresent(path).catch(() => undefined) });
  return path;
}
