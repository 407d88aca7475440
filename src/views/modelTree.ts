/** The Models view: every encoder and segmenter, here or to be had, with its size, licence and state. */
import * as vscode from 'vscode';
import { Owner } from '../dispose';
import type { ModelClient } from '../downloads/modelClient';
import { modelBytes, sizeText } from '../models/modelDescription';
import type { ListedModel } from '../models/modelState';
import type { ModelStore } from '../models/modelStore';
import { viewId } from '../protocol/contributions';
import type { ModelName } from '../protocol/modelApi';
import type { DownloadJobs } from './downloadJobs';

export interface ModelNode {
  readonly model: ListedModel;
}

type Node = { readonly kind: 'encoder' | 'segmenter' } | ModelNode;

const ICONS: Readonly<Record<ListedModel['state'], string>> = {
  shipped: 'package',
  imported: 'package',
  downloaded: 'package',
  available: 'cloud',
  partial: 'cloud-download',
  damaged: 'error',
};

export class ModelsView extends Owner implements vscode.TreeDataProvider<Node> {
  private readonly changes = this.register(new vscode.EventEmitter<void>());
  readonly onDidChangeTreeData = this.changes.event;
  /** What the last check found: a sentence, or null for a model that is right. Empty before the first. */
  private readonly checked = new Map<string, string | null>();

  constructor(
    private readonly store: Pick<ModelStore, 'list'>,
    private readonly client: Pick<ModelClient, 'verify'>,
    private readonly jobs: DownloadJobs,
    private readonly defaults: () => Readonly<Record<ModelName['kind'], string>>,
  ) {
    super();
    this.register(jobs.onDidChange(() => this.changes.fire()));
    const view = this.register(vscode.window.createTreeView(viewId('models'), { treeDataProvider: this }));
    // The command line may have downloaded or removed something meanwhile.
    this.register(view.onDidChangeVisibility(({ visible }) => visible && this.changes.fire()));
  }

  /** Shows what is on disk now; what was found out about one model, or all, no longer holds. */
  refresh(name?: ModelName): void {
    if (name) this.checked.delete(keyOf(name));
    else this.checked.clear();
    this.changes.fire();
  }

  /**
   * Checks every file of the installed models, or of one, against its SHA-256; gives a sentence for each that is wrong.
   */
  async verify(only?: ModelName): Promise<readonly string[]> {
    const rows = await this.client.verify(only);
    for (const row of rows) this.checked.set(keyOf(row), row.problem ?? null);
    this.changes.fire();
    return rows.flatMap(({ problem }) => problem ?? []);
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return [{ kind: 'encoder' }, { kind: 'segmenter' }];
    if ('model' in node) return [];
    const models = (await this.store.list()).filter(({ entry }) => entry.kind === node.kind);
    // What can be used comes first.
    return [...models.filter(isReady), ...models.filter((model) => !isReady(model))].map((model) => ({ model }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    if (!('model' in node)) {
      const title = node.kind === 'encoder' ? 'Encoders' : 'Segmenters';
      return new vscode.TreeItem(title, vscode.TreeItemCollapsibleState.Expanded);
    }
    const { entry } = node.model;
    const problem = this.checked.get(keyOf(entry));
    const state = problem ? 'damaged' : node.model.state;
    const progress = this.jobs.textOf(entry);
    const isDefault = this.defaults()[entry.kind] === entry.id;
    const item = new vscode.TreeItem(entry.id);
    item.description = [
      ...(isDefault ? ['default'] : []),
      ...(progress === undefined
        ? [sizeText(modelBytes(entry)), entry.licence, stateText(node.model, state)]
        : [progress]),
    ].join(', ');
    item.contextValue = ['model', ...abilities(node.model, state, progress !== undefined)].join(' ');
    const icon = progress !== undefined ? 'sync~spin' : problem === null ? 'pass' : ICONS[state];
    item.iconPath = new vscode.ThemeIcon(icon);
    item.tooltip = tooltip(node.model, problem ?? undefined);
    item.accessibilityInformation = {
      label: `${entry.kind} ${entry.id}, ${item.description}${problem ? `, ${problem}` : ''}`,
    };
    return item;
  }
}

const keyOf = ({ kind, id }: ModelName): string => `${kind}/${id}`;

export const isReady = ({ state }: Pick<ListedModel, 'state'>): boolean =>
  state === 'shipped' || state === 'imported' || state === 'downloaded';

/** Whether its files can be had from the network. */
export const isOfficial = ({ entry }: ListedModel): boolean => entry.files.some(({ url }) => url !== undefined);

const stateText = ({ bytesHere }: ListedModel, state: ListedModel['state']): string =>
  state === 'partial' ? `${sizeText(bytesHere)} downloaded` : state === 'available' ? 'not downloaded' : state;

/** What the menus offer, as words of the item's context. */
function abilities(model: ListedModel, state: ListedModel['state'], isRunning: boolean): string[] {
  if (isRunning) return ['canCancel'];
  const official = isOfficial(model);
  const here = state !== 'available';
  return [
    ...(official && !isReady({ state }) ? ['canDownload'] : []),
    ...(here && (official || model.source === 'user') ? ['canRemove'] : []),
    ...(isReady({ state }) ? ['canUse'] : []),
    ...(here && state !== 'partial' ? ['canVerify'] : []),
  ];
}

function tooltip({ entry }: ListedModel, problem: string | undefined): vscode.MarkdownString {
  const files = entry.files.map(
    ({ file, sha256, bytes }) => `- \`${file}\`, ${sizeText(bytes)}, SHA-256 ${sha256 ? `\`${sha256}\`` : 'unknown'}`,
  );
  const hashes = entry.hashOrigin === 'third-party' ? ['The hashes come from public lists of others.'] : [];
  return new vscode.MarkdownString(
    [
      ...(problem ? [`**${problem}**`] : []),
      `**${entry.title}**`,
      `From ${entry.origin}; licence ${entry.licence}.`,
      ...(entry.notes === undefined ? [] : [entry.notes]),
      files.join('\n'),
      ...hashes,
    ].join('\n\n'),
  );
}
