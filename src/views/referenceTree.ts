/** The References view: classes with their references, each with its state. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { ProjectClass } from '../dataset/project/project';
import { listReferences, type ReferenceState } from '../dataset/project/references';
import type { ProjectRoot } from '../dataset/projectRoot';
import { Owner } from '../dispose';
import type { Projects } from '../projects';
import { EDITOR_TYPE, viewId } from '../protocol/contributions';
import { classIcon } from './classIcon';

export interface ReferenceNode {
  readonly root: ProjectRoot;
  readonly reference: ReferenceState;
}

type Node = ProjectRoot | { readonly root: ProjectRoot; readonly of: ProjectClass } | ReferenceNode;

export class ReferencesView extends Owner implements vscode.TreeDataProvider<Node> {
  private readonly changes = this.register(new vscode.EventEmitter<void>());
  readonly onDidChangeTreeData = this.changes.event;

  constructor(private readonly projects: Projects) {
    super();
    this.register(projects.onDidChange(() => this.changes.fire()));
    this.register(projects.onDidAdd(() => this.changes.fire()));
    this.register(vscode.window.createTreeView(viewId('references'), { treeDataProvider: this }));
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return this.roots();
    if ('reference' in node) return [];
    if (!('of' in node)) return classesOf(node);
    const references = await listReferences(node.root.root, node.root.hashes);
    return references
      .filter((reference) => reference.class.id === node.of.id)
      .map((reference) => ({ root: node.root, reference }));
  }

  async getTreeItem(node: Node): Promise<vscode.TreeItem> {
    if ('reference' in node) return referenceItem(node.reference);
    if ('of' in node) {
      const item = new vscode.TreeItem(node.of.name, vscode.TreeItemCollapsibleState.Expanded);
      item.iconPath = classIcon(node.of.colour);
      item.description = `class ${node.of.id}`;
      return item;
    }
    const item = new vscode.TreeItem(basename(node.root), vscode.TreeItemCollapsibleState.Expanded);
    item.description = vscode.workspace.asRelativePath(node.root);
    item.iconPath = vscode.ThemeIcon.Folder;
    return item;
  }

  /** Roots with references; a single one shows its classes at once. */
  private async roots(): Promise<Node[]> {
    const able: ProjectRoot[] = [];
    for (const root of await this.projects.discovered()) {
      const project = await root.project().catch(() => null);
      if (project !== null && project.references.length > 0) able.push(root);
    }
    return able.length === 1 ? classesOf(able[0]) : able;
  }
}

async function classesOf(root: ProjectRoot): Promise<Node[]> {
  const { classes, references } = await root.project();
  return classes.filter(({ id }) => references.some((one) => one.class === id)).map((of) => ({ root, of }));
}

function referenceItem({ image, mask, condition, sentence, usable, used }: ReferenceState): vscode.TreeItem {
  const item = new vscode.TreeItem(basename(image));
  item.contextValue = 'reference';
  item.description = [condition === 'ok' ? '' : condition, used ? '' : 'not used'].filter(Boolean).join(', ');
  item.iconPath = new vscode.ThemeIcon(usable ? (condition === 'ok' ? 'bookmark' : 'info') : 'warning');
  const why = used ? '' : '\nThe strategy of this project uses fewer references: the first ones of the class.';
  item.tooltip = sentence ?? `${image}\nmask: ${mask}${why}`;
  item.accessibilityInformation = { label: `reference ${basename(image)}, ${item.description || 'ok'}` };
  if (condition !== 'image missing') {
    item.command = { title: 'Open', command: 'vscode.openWith', arguments: [vscode.Uri.file(image), EDITOR_TYPE] };
  }
  return item;
}
