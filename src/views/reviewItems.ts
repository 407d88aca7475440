/** Rows of the Review view: images, those that failed together, and folders; and what each looks like. */
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { absolutePath } from '../dataset/files/folder';
import type { ProjectRoot } from '../dataset/projectRoot';
import type { ReviewRow, ReviewStatus } from '../dataset/review/reviewOrder';
import { EDITOR_TYPE } from '../protocol/contributions';

/** A row of the view; commands of its menu take the file. */
export interface ImageNode {
  readonly root: ProjectRoot;
  readonly row: ReviewRow;
  readonly uri: vscode.Uri;
}

/** The images of a root that failed: they are tried again, not reviewed. */
export interface FailedNode {
  readonly root: ProjectRoot;
  readonly failed: readonly ImageNode[];
}

export type Node = ProjectRoot | FailedNode | ImageNode;

const ICONS: Readonly<
  Record<ReviewStatus, { readonly icon: string; readonly colour?: string; readonly says: string }>
> = {
  auto: { icon: 'sparkle', says: 'automatic' },
  accepted: { icon: 'pass-filled', colour: 'testing.iconPassed', says: 'accepted' },
  edited: { icon: 'edit', colour: 'testing.iconPassed', says: 'edited by a person' },
  absent: { icon: 'circle-slash', says: 'probably absent' },
  failed: { icon: 'error', colour: 'testing.iconFailed', says: 'failed' },
  reference: { icon: 'bookmark', says: 'reference' },
  none: { icon: 'circle-outline', says: 'not labelled yet' },
};

export const rootOf = (node: Node): ProjectRoot => ('row' in node || 'failed' in node ? node.root : node);

export async function treeItem(node: Node): Promise<vscode.TreeItem> {
  if ('failed' in node) return failedItem(node);
  return 'row' in node ? imageItem(node) : rootItem(node);
}

function rootItem({ root }: ProjectRoot): vscode.TreeItem {
  const item = new vscode.TreeItem(basename(root), vscode.TreeItemCollapsibleState.Expanded);
  item.iconPath = vscode.ThemeIcon.Folder;
  item.description = vscode.workspace.asRelativePath(root);
  return item;
}

async function imageItem({ root, row, uri }: ImageNode): Promise<vscode.TreeItem> {
  const { classes } = await root.project();
  const { icon, colour, says } = ICONS[row.status];
  const className = classes.length > 1 ? classes.find(({ id }) => id === row.classId)?.name : undefined;
  const trust = row.trust === null ? undefined : `trust ${row.trust.toFixed(2)}`;
  const prediction = row.iouPrediction === null ? undefined : `IoU prediction ${row.iouPrediction.toFixed(2)}`;
  const reason = row.error === null ? undefined : reasonOf(root, row.image, row.error);
  const about = [className, reason ?? trust ?? prediction ?? says].filter((part) => part !== undefined).join(', ');
  const item = new vscode.TreeItem(basename(row.image));
  item.id = `${root.root}\n${row.classId}\n${row.image}`;
  item.iconPath = new vscode.ThemeIcon(icon, colour === undefined ? undefined : new vscode.ThemeColor(colour));
  item.description = dirname(row.image) === '.' ? about : `${about}  ${dirname(row.image)}`;
  item.tooltip = row.error ?? [row.image, says, trust, prediction].filter(Boolean).join('\n');
  item.contextValue = `image ${row.status}`;
  item.accessibilityInformation = {
    label: [basename(row.image), says, reason ?? trust ?? prediction].filter(Boolean).join(', '),
  };
  item.command = { title: 'Open', command: 'vscode.openWith', arguments: [uri, EDITOR_TYPE] };
  return item;
}

function failedItem({ root, failed }: FailedNode): vscode.TreeItem {
  const item = new vscode.TreeItem(`${failed.length} failed`, vscode.TreeItemCollapsibleState.Collapsed);
  item.id = `${root.root}\nfailed`;
  item.iconPath = new vscode.ThemeIcon('error', new vscode.ThemeColor('testing.iconFailed'));
  item.tooltip = 'There is no mask to review for these images. Each says why; the next run tries them again.';
  item.contextValue = 'failed';
  return item;
}

/** A sentence without the path that it begins with: the row has the name before it. */
function reasonOf(root: ProjectRoot, image: string, error: string): string {
  const path = absolutePath(root.root, image);
  return error.startsWith(path) ? error.slice(path.length).replace(/^:? /, '') : error;
}
