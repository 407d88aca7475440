/** Watches single files by VS Code, which watches folders. */
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { Owner } from '../dispose';

/** Files change several times while they are written; one look is enough. */
const SETTLE_MS = 100;

/** Calls `look` a moment after the file has changed, come or gone, until it is disposed. */
export function watchFile(path: string, look: () => void): Owner {
  const owner = new Owner();
  // The whole folder, filtered: a name may hold what a pattern means otherwise.
  const pattern = new vscode.RelativePattern(vscode.Uri.file(dirname(path)), '*');
  const watcher = owner.register(vscode.workspace.createFileSystemWatcher(pattern));
  let settle: NodeJS.Timeout | undefined;
  const seen = (uri: vscode.Uri) => {
    if (uri.fsPath !== path) return;
    clearTimeout(settle);
    settle = setTimeout(look, SETTLE_MS);
  };
  watcher.onDidChange(seen);
  watcher.onDidCreate(seen);
  watcher.onDidDelete(seen);
  owner.register({ dispose: () => clearTimeout(settle) });
  return owner;
}
