/** The Review view: every image with what is known of it, in the order in which a person should look. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { type NextStep, Outcome } from '../core/userError';
import { absolutePath } from '../dataset/files/folder';
import type { ProjectRoot } from '../dataset/projectRoot';
import type { Review } from '../dataset/review/review';
import {
  countStatuses,
  countToReview,
  describeCounts,
  isOpen,
  neighbourOf,
  nextToReview,
  type ReviewOrder,
  type ReviewRow,
  type StatusCounts,
  sortRows,
  sumCounts,
  toReview,
} from '../dataset/review/reviewOrder';
import { Owner } from '../dispose';
import { LabelDocumentHandle, type OpenPlace } from '../editor/openDocuments';
import type { Upcoming } from '../editor/prefetcher';
import type { LabelEditorProvider } from '../editor/provider';
import type { Projects } from '../projects';
import { commandId, focusOf, viewId } from '../protocol/contributions';
import { type ImageNode, type Node, rootOf, treeItem } from './reviewItems';

const ORDERS: readonly (vscode.QuickPickItem & { readonly order: ReviewOrder })[] = [
  { label: 'Trust', description: 'lowest first: how good the mask is expected to be', order: 'trust' },
  { label: 'IoU prediction', description: 'lowest first: how sure the outline is', order: 'iouPrediction' },
  { label: 'Status', description: 'automatic, absent, then what a person has judged', order: 'status' },
  { label: 'Name', order: 'name' },
];

/** Journal and masks change many times a second while a batch runs; the tree is drawn anew at most this often. */
const REDRAW_MS = 500;

export class ReviewView extends Owner implements vscode.TreeDataProvider<Node>, Upcoming {
  private readonly changes = this.register(new vscode.EventEmitter<void>());
  readonly onDidChangeTreeData = this.changes.event;
  private readonly tree: vscode.TreeView<Node>;
  private order: ReviewOrder = 'trust';
  /** Roots with something to review. */
  private readonly reviews = new Map<ProjectRoot, Promise<Review>>();
  /** Of the rows that they were counted in. */
  private readonly counts = new WeakMap<readonly ReviewRow[], StatusCounts>();
  private redraw: NodeJS.Timeout | undefined;

  constructor(
    private readonly projects: Projects,
    private readonly provider: LabelEditorProvider,
    private readonly log: vscode.LogOutputChannel,
  ) {
    super();
    this.tree = this.register(
      vscode.window.createTreeView<Node>(viewId('review'), { treeDataProvider: this, showCollapseAll: false }),
    );
    this.register(projects.onDidChange((root) => this.reviewChanged(root)));
    this.register(projects.onDidAdd(() => this.drawSoon()));
    this.register(this.tree.onDidChangeVisibility(() => this.drawSoon()));
    this.register({ dispose: () => clearTimeout(this.redraw) });
    this.register({
      dispose: () => {
        for (const review of this.reviews.values())
          void review.then((opened) => opened.dispose()).catch(() => undefined);
      },
    });
  }

  /** Looks at all images and masks again. */
  async refresh(): Promise<void> {
    for (const review of this.reviews.values()) await (await review).rescan();
    this.draw();
  }

  async askForOrder(): Promise<void> {
    const picked = await vscode.window.showQuickPick(ORDERS, { title: 'Sort the review by' });
    if (!picked) throw new vscode.CancellationError();
    this.order = picked.order;
    this.draw();
  }

  /**
   * The root that a person is in, or has chosen, else the first that has a reference, with its rows. Throws Outcome
   * where there is none.
   */
  async inUse(open: OpenPlace | undefined): Promise<{ root: ProjectRoot; rows: readonly ReviewRow[] }> {
    const root = open?.root ?? this.tree.selection.map(rootOf)[0] ?? (await this.first());
    if (!root) throw new Outcome('There is nothing to review yet: segment a folder first.', [SEGMENT_FOLDER]);
    const review = await this.reviewOf(root);
    // What was accepted a moment ago counts.
    await review.refresh();
    return { root, rows: review.rows };
  }

  /** Opens the next image that nobody has judged yet, after the open one or from the start. */
  async openNext(open: OpenPlace | undefined): Promise<void> {
    const { root, rows } = await this.inUse(open);
    const next = nextToReview(sortRows(rows, this.order), open ? placeIn(rows, open) : null);
    if (next) await this.openRow(root, next);
    // The open one may be the last that is left: a person has it before them.
    else if (rows.some(isOpen)) throw new Outcome('This is the last image to review: accept its mask, or correct it.');
    else throw await this.allReviewed(root, this.countsOf(rows));
  }

  /** Opens the image beside the open one, in the order of the view, whatever its status but for those that failed. */
  async openNeighbour(open: OpenPlace, step: 1 | -1): Promise<void> {
    const { rows } = await this.reviewOf(open.root);
    const { image, classId } = placeIn(rows, open);
    const next = neighbourOf(sortRows(rows, this.order).filter(isShown(classId)), image, step);
    if (!next) throw new Outcome('There is no other image to go to in this folder.');
    await this.openRow(open.root, next);
  }

  /** What a person hears at the end of a review: what was done, and what may come next. */
  private async allReviewed(root: ProjectRoot, { accepted, edited, failed }: StatusCounts): Promise<Outcome> {
    const done = accepted + edited;
    const name = basename(root.root);
    const said = done > 0 ? `All ${done} reviewed in ${name}` : `There is nothing to review in ${name} yet`;
    const also = failed > 0 ? `; ${failed} failed` : '';
    const others = await this.counted();
    const other = others.find((one) => one.root !== root && countToReview(one.counts) > 0)?.root;
    const maskFolder = vscode.Uri.file(await root.maskFolder());
    return new Outcome(`${said}${also}.`, [
      ...(failed > 0 ? [stepOf('Show Failed', focusOf('review'))] : []),
      ...(other ? [{ label: `Review ${basename(other.root)}`, take: () => this.openNext(startOf(other)) }] : []),
      ...(done > 0 ? [stepOf('Show Masks', revealing(maskFolder), maskFolder)] : []),
      SEGMENT_FOLDER,
    ]);
  }

  async upcoming(document: LabelDocumentHandle, count: number): Promise<readonly string[]> {
    const { root, image } = document.image.place;
    const rows = sortRows((await this.reviewOf(root)).rows, this.order);
    return toReview(rows, { image, classId: document.image.selectedClass }, count).map(({ image }) =>
      absolutePath(root.root, image),
    );
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (node === undefined) return this.top();
    if ('failed' in node) return [...node.failed];
    return 'row' in node ? [] : this.rowsOf(node);
  }

  getTreeItem(node: Node): Promise<vscode.TreeItem> {
    return treeItem(node);
  }

  private async top(): Promise<Node[]> {
    await this.projects.discovered();
    const able = await this.able();
    await this.recount();
    return able.length === 1 ? this.rowsOf(able[0]) : [...able];
  }

  /** Roots in use that have, or may get, something to review. */
  private async able(): Promise<readonly ProjectRoot[]> {
    const able: ProjectRoot[] = [];
    for (const root of this.projects.all) {
      const project = await root.project().catch(() => null);
      if (project !== null && (project.references.length > 0 || this.reviews.has(root))) able.push(root);
    }
    return able;
  }

  /** Failed images are in a row of their own above the others. */
  private async rowsOf(root: ProjectRoot): Promise<Node[]> {
    const { rows } = await this.reviewOf(root);
    const nodes = sortRows(rows, this.order).map(
      (row): ImageNode => ({ root, row, uri: vscode.Uri.file(absolutePath(root.root, row.image)) }),
    );
    const failed = nodes.filter(({ row }) => row.status === 'failed');
    const others = nodes.filter(({ row }) => row.status !== 'failed');
    return [...(failed.length > 0 ? [{ root, failed }] : []), ...others];
  }

  /** What every root in use has, whether the view shows it or not. One that cannot be read counts for nothing. */
  private async counted(): Promise<readonly { readonly root: ProjectRoot; readonly counts: StatusCounts }[]> {
    const counted: { root: ProjectRoot; counts: StatusCounts }[] = [];
    for (const root of await this.able()) {
      try {
        counted.push({ root, counts: this.countsOf((await this.reviewOf(root)).rows) });
      } catch (error) {
        this.log.debug(`${root.root} cannot be reviewed: ${String(error)}`);
      }
    }
    return counted;
  }

  private countsOf(rows: readonly ReviewRow[]): StatusCounts {
    const counts = this.counts.get(rows) ?? countStatuses(rows);
    this.counts.set(rows, counts);
    return counts;
  }

  private async recount(): Promise<void> {
    const counted = (await this.counted()).map(({ counts }) => counts);
    const sum = sumCounts(counted);
    const toReview = countToReview(sum);
    const hasRows = Object.values(sum).some((count) => count > 0);
    this.tree.message = hasRows ? describeCounts(sum) : (undefined as never);
    this.tree.badge = toReview > 0 ? { value: toReview, tooltip: `${toReview} masks to review` } : undefined;
  }

  private reviewOf(root: ProjectRoot): Promise<Review> {
    const known = this.reviews.get(root);
    if (known) return known;
    const opening = root.openReview();
    this.reviews.set(root, opening);
    opening.catch(() => this.reviews.delete(root));
    return opening;
  }

  private async first(): Promise<ProjectRoot | undefined> {
    for (const root of await this.projects.discovered()) {
      if ((await root.project()).references.length > 0) return root;
    }
    return undefined;
  }

  private async openRow(root: ProjectRoot, { image, classId }: ReviewRow): Promise<void> {
    const document = await this.provider.openAny(vscode.Uri.file(absolutePath(root.root, image)));
    if (!(document instanceof LabelDocumentHandle)) return;
    if (document.image.selectedClass !== classId) await document.image.selectClass(classId);
  }

  private async reviewChanged(root: ProjectRoot): Promise<void> {
    const review = this.reviews.get(root);
    try {
      if (review === undefined || (await (await review).refresh())) this.drawSoon();
    } catch (error) {
      this.log.error(`${root.root}: the review cannot be brought up to date: ${String(error)}`);
    }
  }

  private drawSoon(): void {
    this.redraw ??= setTimeout(() => {
      this.redraw = undefined;
      this.draw();
    }, REDRAW_MS);
  }

  /** Rows are asked for only where the view can be seen; its counts and its badge can be seen without it. */
  private draw(): void {
    this.changes.fire();
    if (!this.tree.visible) this.recount().catch((error: unknown) => this.log.error(String(error)));
  }
}

const stepOf = (label: string, command: string, ...parameters: readonly unknown[]): NextStep => ({
  label,
  take: () => vscode.commands.executeCommand(command, ...parameters),
});

const SEGMENT_FOLDER = stepOf('Segment Folder...', commandId('segmentFolder'));

/** The command that shows a folder: in the Explorer where that has it. */
const revealing = (folder: vscode.Uri): string =>
  vscode.workspace.getWorkspaceFolder(folder) ? 'revealInExplorer' : 'revealFileInOS';

/** Before the first image. */
const startOf = (root: ProjectRoot): OpenPlace => ({ root, image: '', classId: undefined });

/** The row of an open image: that of its class in use, or its first one. */
const placeIn = (rows: readonly ReviewRow[], { image, classId }: OpenPlace) => ({
  image,
  classId: classId ?? (rows.find((row) => row.image === image) ?? rows[0])?.classId ?? 0,
});

/** One row per image: that of the class in use. */
const isShown =
  (classId: number) =>
  (row: ReviewRow): boolean =>
    row.classId === classId;
