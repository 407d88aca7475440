/** Segment Folder: which folders, which class, then the runner process with progress that can be cancelled. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { Outcome, UserError } from '../core/userError';
import { countsText, finished } from '../dataset/batch/batchProgress';
import { absolutePath, scanFolder } from '../dataset/files/folder';
import type { MaskFolderGrants } from '../dataset/files/maskFolderGrants';
import type { ProjectClass } from '../dataset/project/project';
import type { ProjectRoot } from '../dataset/projectRoot';
import type { LabelEditorProvider } from '../editor/provider';
import type { Projects } from '../projects';
import { commandId, focusOf } from '../protocol/contributions';
import type { FolderProgress, FolderSummary, LearnFrom } from '../protocol/runnerApi';
import type { RunnerClient } from '../runner/runnerClient';
import { signalOf, tell } from './failable';
import { type ModelContext, requireModels } from './modelActions';
import type { Reports } from './reports';

export interface FolderContext {
  readonly provider: LabelEditorProvider;
  readonly projects: Projects;
  readonly runner: RunnerClient;
  readonly reports: Reports;
  readonly models: ModelContext;
  readonly grants: MaskFolderGrants;
  readonly log: vscode.LogOutputChannel;
  readonly overwrite: () => 'replace-auto' | 'skip';
  readonly learnFrom: () => LearnFrom;
  /** Called while a run goes on, undefined at its end. */
  readonly onRun: (text: string | undefined) => void;
}

/** @param uris folders and images; asked for where there are none */
export async function segmentFolder(context: FolderContext, uris: readonly vscode.Uri[]): Promise<void> {
  const targets = uris.length > 0 ? uris : await askForFolder();
  if (targets.some(({ scheme }) => scheme !== 'file')) {
    throw new UserError('Only folders on this machine can be segmented.');
  }
  const groups = new Map<ProjectRoot, string[]>();
  for (const { fsPath } of targets) {
    const root = await context.projects.at(fsPath);
    groups.set(root, [...(groups.get(root) ?? []), fsPath]);
  }
  for (const [root, paths] of groups) {
    // Asked here: the process that writes cannot.
    await context.grants.require(root.root, (await root.project()).maskFolder);
    const classes = await askForClasses(context, root, paths);
    await requireModels(context.models, await root.project());
    await runFolder(context, root, paths, classes);
  }
}

async function askForFolder(): Promise<vscode.Uri[]> {
  const first = vscode.workspace.workspaceFolders?.[0]?.uri;
  const chosen = await vscode.window.showOpenDialog({
    canSelectFolders: true,
    canSelectFiles: false,
    canSelectMany: true,
    openLabel: 'Segment',
    title: 'Folder to segment',
    ...(first && { defaultUri: first }),
  });
  if (!chosen) throw new vscode.CancellationError();
  return chosen;
}

/** The classes to segment: the only one that has a reference, or of several those that the person leaves ticked. */
async function askForClasses(
  { provider }: FolderContext,
  root: ProjectRoot,
  targets: readonly string[],
): Promise<readonly ProjectClass[]> {
  const { classes, references } = await root.project();
  const able = classes.filter(({ id }) => references.some((reference) => reference.class === id));
  if (able.length === 0) throw await noReference(provider, root, targets);
  if (able.length === 1) return able;
  const picked = await vscode.window.showQuickPick(
    able.map((one) => ({ label: one.name, description: `class ${one.id}`, picked: true, one })),
    {
      canPickMany: true,
      title: 'Classes to segment',
      placeHolder: 'In one pass; where classes meet, the surer one gets the pixel',
    },
  );
  if (!picked || picked.length === 0) throw new vscode.CancellationError();
  return picked.map(({ one }) => one);
}

/** What is missing and how it is made. Throws where there is no image to make it in. */
async function noReference(
  provider: LabelEditorProvider,
  root: ProjectRoot,
  targets: readonly string[],
): Promise<Outcome> {
  const { images, failures } = await scanFolder(root.root, { maskFolder: await root.maskFolder(), targets });
  if (images.length === 0) throw new UserError(failures[0].message);
  const first = vscode.Uri.file(absolutePath(root.root, images[0]));
  const folder = vscode.Uri.file(root.root);
  return new Outcome(
    `${basename(root.root)} has no reference yet: mark the object in one image and choose "Use as Reference". The other images are labelled from it.`,
    [
      { label: 'Open First Image', take: () => provider.openAny(first) },
      {
        label: 'Use Mask File...',
        take: () => vscode.commands.executeCommand(commandId('setReferenceFromFiles'), folder),
      },
    ],
  );
}

/**
 * Labels targets of one root, with progress that can be cancelled, and says what came of it.
 *
 * @param againBelow makes doubtful masks again that are trusted less than this, and says so
 */
export async function runFolder(
  context: FolderContext,
  root: ProjectRoot,
  targets: string[],
  classes: readonly ProjectClass[],
  againBelow?: number,
): Promise<void> {
  const { provider, projects, runner, log } = context;
  const names = `${vscode.workspace.asRelativePath(targets[0])}${targets.length > 1 ? ` and ${targets.length - 1} more` : ''}`;
  const title = againBelow === undefined ? `Segmenting ${names}` : `Labelling ${names} again`;
  // Whoever asks for masks again means those that are there.
  const how =
    againBelow === undefined ? { overwrite: context.overwrite() } : { overwrite: 'replace-auto' as const, againBelow };
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  try {
    const summary = await vscode.window.withProgress(options, async (progress, token) => {
      progress.report({ message: 'loading the models and learning the reference...' });
      context.onRun('starting');
      let before = 0;
      return runner.labelFolder(
        { targets, classNames: classes.map(({ name }) => name), learnFrom: context.learnFrom(), ...how },
        {
          signal: signalOf(token),
          onNote: (note) => log.info(`${root.root}: ${note}`),
          onProgress: (now) => {
            const count = finished(now);
            const increment = now.total > 0 ? ((count - before) / now.total) * 100 : 0;
            before = count;
            const text = progressText(now);
            progress.report({ message: text, increment });
            context.onRun(`${count}/${now.total}`);
            if (now.images.length === 0) return;
            const images = new Set(now.images);
            void provider.masksChanged(({ place }) => place.root === root && images.has(place.image));
          },
        },
      );
    });
    log.info(`${root.root}: ${summaryText(summary)} (${summary.device ?? 'not started'}, ${summary.engines} engines)`);
    showSummary(context, root, summary);
  } catch (error) {
    tell(log, error);
  } finally {
    context.onRun(undefined);
    projects.changed(root);
  }
}

/** "120 of 500, 13.1 images/s, 0:29 left, 2 failed". */
function progressText(now: FolderProgress): string {
  const rate = now.imagesPerSecond === null ? [] : [`${now.imagesPerSecond.toFixed(1)} images/s`];
  const left = now.etaSeconds === null ? [] : [`${clock(now.etaSeconds)} left`];
  const failed = now.failed > 0 ? [`${now.failed} failed`] : [];
  return [`${finished(now)} of ${now.total}`, ...rate, ...left, ...failed].join(', ');
}

function summaryText(summary: FolderSummary): string {
  const { done, absent, seconds, cancelled } = summary;
  const rate = done + absent > 0 && seconds > 0 ? ` (${((done + absent) / seconds).toFixed(1)} images/s)` : '';
  return `${cancelled ? 'Stopped: ' : ''}${countsText(summary)} in ${clock(seconds)}${rate}.${cancelled ? ' Segment the folder again to go on.' : ''}`;
}

/** Minutes and seconds. */
function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

function showSummary({ reports, log }: FolderContext, root: ProjectRoot, summary: FolderSummary): void {
  const review = 'Review';
  const failures = 'Show Failures';
  const hasFailures = summary.failures.length > 0;
  const show = hasFailures ? vscode.window.showWarningMessage : vscode.window.showInformationMessage;
  void show(summaryText(summary), ...(hasFailures ? [failures] : []), review).then(async (choice) => {
    try {
      if (choice === review) await vscode.commands.executeCommand(focusOf('review'));
      if (choice === failures) await reports.show(`Failures in ${basename(root.root)}`, failureReport(root, summary));
    } catch (error) {
      tell(log, error);
    }
  });
}

function failureReport({ root }: ProjectRoot, summary: FolderSummary): string {
  return [
    `# ${summary.failures.length} of ${summary.total} images failed`,
    '',
    `In ${root}. Nothing was written for these; they are tried again by the next run.`,
    '',
    ...summary.failures.map(({ image, message }) => `- **${image}**: ${message}`),
    ...summary.nested.map((folder) => `- **${folder}** was left out: it is a project of its own.`),
    ...(summary.brokenLines > 0 ? [`- ${summary.brokenLines} damaged lines of the journal were left out.`] : []),
    '',
  ].join('\n');
}
