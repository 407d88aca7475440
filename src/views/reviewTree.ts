/** The Review view: every image with what is known of it, in the order in which a person should look. */
import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { UserError } from '../core/userError';
import { absolutePath } from '../dataset/folder';
import type { ProjectRoot } from '../dataset/projectRoot';
import type { Review } from '../dataset/review';
import {
  countStatuses,
  nextToReview,
  type ReviewOrder,
  type ReviewRow,
  type ReviewStatus,
  sortRows,
  toReview,
} from '../dataset/reviewOrder';
import { Owner } from '../dispose';
import type { Upcoming } from '../editor/prefetcher';
import { type LabelDocumentHandle, type LabelEditorProvider, VIEW_TYPE } from '../editor/provider';
import type { Projects } from '../projects';

/** A row of the view; commands of its menu take the file. */
interface ImageNode {
  readonly root: ProjectRoot;
  readonly row: ReviewRow;
  readonly uri: vscode.Uri;
}

type Node = ProjectRoot | ImageNode;

const ORDERS: readonly (vscode.QuickPickItem & { readonly order: ReviewOrder })[] = [
  { label: 'Trust', description: 'lowest first: how good the mask is expected to be', order: 'trust' },
  { label: 'IoU prediction', description: 'lowest first: how sure the outline is', order: 'iouPrediction' },
  { label: 'Status', description: 'failed, automatic, absent, then what a person has judged', order: 'status' },
  { label: 'Name', order: 'name' },
];

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

/** Journal and masks change many times a second while a batch runs; the tree is drawn anew at most this often. */
const REDRAW_MS = 500;

export class ReviewView extends Owner implements vscode.TreeDataProvider<Node>, Upcoming {
  private readonly changes = this.register(new vscode.EventEmitter<void>());
  readonly onDidChangeTreeData = this.changes.event;
  private readonly tree: vscode.TreeView<Node>;
  private order: ReviewOrder = 'trust';
  /** Roots with something to review. */
  private readonly reviews = new Map<ProjectRoot, Review>();
  private redraw: NodeJS.Timeout | undefined;

  constructor(
    private readonly projects: Projects,
    private readonly provider: LabelEditorProvider,
    private readonly log: vscode.LogOutputChannel,
  ) {
    super();
    this.tree = this.register(
      vscode.window.createTreeView<Node>('apMedSam.review', { treeDataProvider: this, showCollapseAll: false }),
    );
    this.register(projects.onDidChange((root) => this.reviewChanged(root)));
    this.register(projects.onDidAdd(() => this.drawSoon()));
    this.register(this.tree.onDidChangeVisibility(() => this.drawSoon()));
    this.register({ dispose: () => clearTimeout(this.redraw) });
    this.register({ dispose: () => this.reviews.forEach((review) => void review.dispose()) });
  }

  /** Looks at all images and masks again. */
  async refresh(): Promise<void> {
    for (const review of this.reviews.values()) await review.rescan();
    this.changes.fire();
  }

  async askForOrder(): Promise<void> {
    const picked = await vscode.window.showQuickPick(ORDERS, { title: 'Sort the review by' });
    if (!picked) throw new vscode.CancellationError();
    this.order = picked.order;
    this.changes.fire();
  }

  /** Opens the next image that nobody has judged yet, after the open one or from the start. */
  async openNext(document: LabelDocumentHandle | undefined): Promise<void> {
    const root = document?.image.place.root ?? this.tree.selection.map(rootOf)[0] ?? (await this.first());
    if (!root) throw new UserError('There is nothing to review yet: segment a folder first.');
    const rows = sortRows((await this.reviewOf(root)).rows, this.order);
    const next = nextToReview(rows, document ? placeOf(document) : null);
    if (!next) throw new UserError(`Nothing is left to review in ${root.root}.`);
    await this.openRow(root, next);
  }

  /** Opens the image beside the open one, in the order of the view, whatever its status. */
  async openNeighbour(document: LabelDocumentHandle, step: 1 | -1): Promise<void> {
    const { root } = document.image.place;
    const place = placeOf(document);
    const rows = sortRows((await this.reviewOf(root)).rows, this.order).filter(isShown(place.classId));
    const at = rows.findIndex(({ image }) => image === place.image);
    const next = rows[(at + step + rows.length) % rows.length];
    if (next && next.image !== place.image) await this.openRow(root, next);
    else document.image.say('There is no other image in this folder.');
  }

  async upcoming(document: LabelDocumentHandle, count: number): Promise<readonly string[]> {
    const { root } = document.image.place;
    const rows = sortRows((await this.reviewOf(root)).rows, this.order);
    return toReview(rows, placeOf(document), count).map(({ image }) => absolutePath(root.root, image));
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return this.top();
    return 'row' in node ? [] : this.imagesOf(node);
  }

  async getTreeItem(node: Node): Promise<vscode.TreeItem> {
    if (!('row' in node)) {
      const item = new vscode.TreeItem(basename(node.root), vscode.TreeItemCollapsibleState.Expanded);
      item.iconPath = vscode.ThemeIcon.Folder;
      item.description = vscode.workspace.asRelativePath(node.root);
      return item;
    }
    const { root, row, uri } = node;
    const { classes } = await root.project();
    const { icon, colour, says } = ICONS[row.status];
    const className = classes.length > 1 ? classes.find(({ id }) => id === row.classId)?.name : undefined;
    const trust = row.trust === null ? undefined : `trust ${row.trust.toFixed(2)}`;
    const prediction = row.iouPrediction === null ? undefined : `IoU prediction ${row.iouPrediction.toFixed(2)}`;
    const about = [className, trust ?? prediction ?? says].filter((part) => part !== undefined).join(', ');
    const item = new vscode.TreeItem(basename(row.image));
    item.id = `${root.root}\n${row.classId}\n${row.image}`;
    item.iconPath = new vscode.ThemeIcon(icon, colour === undefined ? undefined : new vscode.ThemeColor(colour));
    item.description = dirname(row.image) === '.' ? about : `${about}  ${dirname(row.image)}`;
    item.tooltip = row.error ?? [row.image, says, trust, prediction].filter(Boolean).join('\n');
    item.contextValue = `image ${row.status}`;
    item.accessibilityInformation = {
      label: [basename(row.image), says, trust ?? prediction].filter(Boolean).join(', '),
    };
    item.command = { title: 'Open', command: 'vscode.openWith', arguments: [uri, VIEW_TYPE] };
    return item;
  }

  private async top(): Promise<Node[]> {
    const able: ProjectRoot[] = [];
    for (const root of await this.projects.discovered()) {
      const project = await root.project().catch(() => null);
      if (project !== null && (project.references.length > 0 || this.reviews.has(root))) able.push(root);
    }
    if (able.length !== 1) {
      this.tree.message = undefined as never;
      return able;
    }
    return this.imagesOf(able[0]);
  }

  private async imagesOf(root: ProjectRoot): Promise<Node[]> {
    const { rows } = await this.reviewOf(root);
    const counts = countStatuses(rows);
    const open = counts.auto + counts.absent + counts.failed;
    const seen = counts.accepted + counts.edited;
    this.tree.message =
      rows.length > 0 ? `${open} to review, ${seen} done, ${counts.none} not labelled yet` : (undefined as never);
    this.tree.badge = open > 0 ? { value: open, tooltip: `${open} masks to review` } : undefined;
    return sortRows(rows, this.order).map((row) => ({
      root,
      row,
      uri: vscode.Uri.file(absolutePath(root.root, row.image)),
    }));
  }

  private async reviewOf(root: ProjectRoot): Promise<Review> {
    let review = this.reviews.get(root);
    if (review === undefined) {
      review = await root.openReview();
      this.reviews.set(root, review);
    }
    return review;
  }

  private async first(): Promise<ProjectRoot | undefined> {
    for (const root of await this.projects.discovered()) {
      if ((await root.project()).references.length > 0) return root;
    }
    return undefined;
  }

  private async openRow(root: ProjectRoot, { image, classId }: ReviewRow): Promise<void> {
    const document = await this.provider.show(vscode.Uri.file(absolutePath(root.root, image)));
    if (document.image.selectedClass !== classId) await document.image.selectClass(classId);
  }

  private async reviewChanged(root: ProjectRoot): Promise<void> {
    const review = this.reviews.get(root);
    try {
      if (review === undefined || (await review.refresh())) this.drawSoon();
    } catch (error) {
      this.log.error(`${root.root}: the review cannot be brought up to date: ${String(error)}`);
    }
  }

  private drawSoon(): void {
    this.redraw ??= setTimeout(() => {
      this.redraw = undefined;
      this.changes.fire();
    }, REDRAW_MS);
  }
}

const rootOf = (node: Node): ProjectRoot => ('row' in node ? node.root : node);

const placeOf = ({ image }: LabelDocumentHandle) => ({ image: image.place.image, classId: image.selectedClass });

/** One row per image: that of the class in use. */
const isShown =
  (classId: number) =>
  (row: ReviewRow): boolean =>
    row.classId === classId;
