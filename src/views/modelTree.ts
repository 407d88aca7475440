/** The Models view: every installed encoder and segmenter with its size, licence and state. */
import * as vscode from 'vscode';
import { Owner } from '../dispose';
import type { ModelStore, VerifiedModel } from '../engine/modelStore';

type Node = { readonly kind: 'encoder' | 'segmenter' } | { readonly model: VerifiedModel };

export class ModelsView extends Owner implements vscode.TreeDataProvider<Node> {
  private readonly changes = this.register(new vscode.EventEmitter<void>());
  readonly onDidChangeTreeData = this.changes.event;
  /** What the last check found; null before the first. */
  private verified: readonly VerifiedModel[] | null = null;

  constructor(private readonly store: Pick<ModelStore, 'list' | 'verify'>) {
    super();
    this.register(vscode.window.createTreeView('apMedSam.models', { treeDataProvider: this }));
  }

  refresh(): void {
    this.verified = null;
    this.changes.fire();
  }

  /** Checks every file against its SHA-256; gives the models with a problem. */
  async verify(): Promise<readonly VerifiedModel[]> {
    this.verified = await this.store.verify();
    this.changes.fire();
    return this.verified.filter(({ problem }) => problem !== undefined);
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return [{ kind: 'encoder' }, { kind: 'segmenter' }];
    if (!('kind' in node)) return [];
    const models = this.verified ?? (await this.store.list());
    return models.filter(({ entry }) => entry.kind === node.kind).map((model) => ({ model }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    if ('kind' in node) {
      const title = node.kind === 'encoder' ? 'Encoders' : 'Segmenters';
      return new vscode.TreeItem(title, vscode.TreeItemCollapsibleState.Expanded);
    }
    const { entry, source, problem } = node.model;
    const bytes = entry.files.reduce((sum, file) => sum + file.bytes, 0);
    const item = new vscode.TreeItem(entry.id);
    item.description = `${(bytes / 1e6).toFixed(1)} MB, ${entry.licence}, ${source === 'shipped' ? 'shipped' : 'imported'}`;
    item.contextValue = `model ${source}`;
    const icon = problem !== undefined ? 'error' : this.verified ? 'pass' : 'package';
    item.iconPath = new vscode.ThemeIcon(icon);
    const files = entry.files.map(({ file, sha256 }) => `- \`${file}\`, SHA-256 \`${sha256}\``);
    const notes = entry.notes === undefined ? [] : [entry.notes];
    const state = problem === undefined ? [] : [`**${problem}**`];
    item.tooltip = new vscode.MarkdownString([...state, `**${entry.title}**`, ...notes, files.join('\n')].join('\n\n'));
    item.accessibilityInformation = {
      label: `${entry.kind} ${entry.id}, ${item.description}${problem ? `, ${problem}` : ''}`,
    };
    return item;
  }
}
