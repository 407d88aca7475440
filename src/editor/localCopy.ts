/** Images that are no files on this machine (a commit of Git, a virtual file system), for looking at. */
import { createHash } from 'node:crypto';
import { extname, join } from 'node:path';
import * as vscode from 'vscode';
import { removeIfPresent, writeAtomic } from '../disk/atomicFile';
import type { Owner } from '../dispose';

/** Path of a copy, which is removed with its owner. Rejects as reading the URI does. */
export async function localCopy(uri: vscode.Uri, folder: string, owner: Owner): Promise<string> {
  const content = await vscode.workspace.fs.readFile(uri);
  const name = createHash('sha256').update(uri.toString()).digest('hex').slice(0, 32);
  const path = join(folder, `${name}${extname(uri.path)}`);
  await writeAtomic(path, content);
  owner.register({ dispose: () => void removeIfPresent(path).catch(() => undefined) });
  return path;
}
