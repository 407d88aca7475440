/** The roots in use: one ProjectRoot for each, found by path, watched on disk. */
import { join } from 'node:path';
import * as vscode from 'vscode';
import { findRoot, PROJECT_FOLDER } from './dataset/files/folder';
import type { JournalViews } from './dataset/journal/journalView';
import type { ProjectDefaults } from './dataset/project/setUp';
import { ProjectRoot } from './dataset/projectRoot';
import { Owner } from './dispose';
import type { LearnFrom } from './protocol/runnerApi';

/** Changes of a journal come many at a time; each listener looks once for all that have come meanwhile. */
const SETTLE_MS = 200;

/** Projects that are looked for in a workspace; more would be slow to watch. */
const MOST_PROJECTS = 100;

export class Projects extends Owner {
  private readonly roots = new Map<string, ProjectRoot>();
  private readonly changes = this.register(new vscode.EventEmitter<ProjectRoot>());
  private readonly arrivals = this.register(new vscode.EventEmitter<void>());
  private discovery: Promise<void> | undefined;
  private readonly pending = new Map<string, NodeJS.Timeout>();

  /** Project or journal of a root have changed. */
  readonly onDidChange = this.changes.event;
  /** A root is in use that was not before. */
  readonly onDidAdd = this.arrivals.event;

  /**
   * @param defaults what a new project starts with
   * @param learnFrom what classes are learnt from
   */
  constructor(
    private readonly journals: JournalViews,
    private readonly defaults: () => ProjectDefaults,
    private readonly learnFrom: () => LearnFrom,
  ) {
    super();
    this.register({ dispose: () => this.pending.forEach(clearTimeout) });
  }

  get all(): readonly ProjectRoot[] {
    return [...this.roots.values()];
  }

  /** The root of a folder or image. Throws UserError if there is nothing at `path`. */
  async at(path: string): Promise<ProjectRoot> {
    return this.use(await findRoot(path));
  }

  /** All roots, those of projects that the workspace's folders hold among them. The first call looks for these. */
  async discovered(): Promise<readonly ProjectRoot[]> {
    this.discovery ??= this.discover();
    await this.discovery;
    return this.all;
  }

  /** Reads the project anew and tells everybody, as its change on disk would a little later. */
  changed(root: ProjectRoot): void {
    root.forget();
    this.changes.fire(root);
  }

  private async discover(): Promise<void> {
    const files = await vscode.workspace.findFiles(`**/${PROJECT_FOLDER}/project.json`, null, MOST_PROJECTS);
    for (const file of files) this.use(join(file.fsPath, '..', '..'));
  }

  private use(path: string): ProjectRoot {
    const known = this.roots.get(path);
    if (known) return known;
    const root = new ProjectRoot(path, this.journals, this.defaults, this.learnFrom);
    this.roots.set(path, root);
    const pattern = new vscode.RelativePattern(vscode.Uri.file(join(path, PROJECT_FOLDER)), '**');
    const watcher = this.register(vscode.workspace.createFileSystemWatcher(pattern));
    const settle = () => {
      // Not put off by further changes: while a run goes on they never end.
      if (this.pending.has(path)) return;
      const look = () => {
        this.pending.delete(path);
        this.changed(root);
      };
      this.pending.set(path, setTimeout(look, SETTLE_MS));
    };
    watcher.onDidChange(settle);
    watcher.onDidCreate(settle);
    watcher.onDidDelete(settle);
    this.arrivals.fire();
    return root;
  }
}
