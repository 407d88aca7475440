/** Label the Doubtful Again: what a person has taught a project since goes to the masks that are trusted least. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { Outcome } from '../core/userError';
import { presentTeachings } from '../dataset/batch/presentTeachings';
import { absolutePath } from '../dataset/files/folder';
import { isDoubtful } from '../dataset/journal/doubtful';
import type { JournalEntry } from '../dataset/journal/journalView';
import type { Teaching } from '../dataset/project/reviewedMasks';
import { chooseReference, projectStrategy } from '../dataset/project/setUp';
import type { ProjectRoot } from '../dataset/projectRoot';
import type { Engines } from '../editor/engines/engines';
import { commandId } from '../protocol/contributions';
import type { ReviewView } from '../views/reviewTree';
import { requireModels } from './modelActions';
import { type FolderContext, runFolder } from './segmentFolder';

interface DoubtfulContext extends FolderContext {
  readonly review: ReviewView;
  readonly engines: Engines;
}

/** Trusts that are offered as the limit, with how many masks are below. Chosen, not measured; the last takes all. */
const LIMITS = [0.5, 0.7, 0.9, 1];

/** A mask that may be labelled again. */
interface Doubtful {
  readonly image: string;
  readonly entry: JournalEntry;
  /** Digest of the reviewed masks that teach its class now. */
  readonly set: string | undefined;
}

/** Asks how doubtful masks are to be, saying how many there are, and labels these again. */
export async function labelDoubtful(context: DoubtfulContext): Promise<void> {
  const { provider, review, grants, models } = context;
  const { root, rows } = await review.inUse(provider.activePlace);
  const project = await root.project();
  await grants.require(root.root, project.maskFolder);
  await requireModels(models, project);
  const teachings = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: 'Counting the doubtful masks' },
    () => teachingsOf(context, root),
  );
  const journal = await root.journal();
  const open = rows.filter(
    ({ status, classId }) => (status === 'auto' || status === 'absent') && teachings.has(classId),
  );
  const doubtful = open.flatMap(({ image, classId }): Doubtful[] => {
    const entry = journal.entry(image, classId);
    const set = teachings.get(classId)!.masks?.set;
    return entry !== undefined && isDoubtful(entry, Number.POSITIVE_INFINITY, set) ? [{ image, entry, set }] : [];
  });
  const below = await askForLimit(root, doubtful, open.length, teachings);
  const again = doubtful.filter(({ entry, set }) => isDoubtful(entry, below, set));
  const images = [...new Set(again.map(({ image }) => absolutePath(root.root, image)))];
  const classes = project.classes.filter(({ id }) => teachings.has(id));
  await runFolder(context, root, images, classes, below);
}

async function teachingsOf({ engines }: DoubtfulContext, root: ProjectRoot): Promise<ReadonlyMap<number, Teaching>> {
  const project = await root.project();
  const engine = engines.of(project);
  const { references } = await chooseReference(root.root, project, {
    image: undefined,
    mask: undefined,
    classNames: [],
  });
  const { strategy } = projectStrategy(root.root, project);
  const reviewed = await root.reviewedSource(engine);
  return presentTeachings({ engine, root: root.root, project, strategy, reviewed }, references);
}

/** @param all automatic masks that nobody has judged, doubtful or not */
async function askForLimit(
  root: ProjectRoot,
  doubtful: readonly Doubtful[],
  all: number,
  teachings: ReadonlyMap<number, Teaching>,
): Promise<number> {
  const reviewed = [...teachings.values()].reduce((sum, { masks }) => sum + (masks?.masks.length ?? 0), 0);
  const counted = LIMITS.map((limit) => ({
    limit,
    count: doubtful.filter(({ entry, set }) => isDoubtful(entry, limit, set)).length,
  })).filter(({ count }, index, list) => count > (list[index - 1]?.count ?? 0));
  if (counted.length === 0) {
    throw new Outcome(
      `Nothing in ${basename(root.root)} to label again: all masks that you have accepted or edited were known when the others were labelled.`,
      [{ label: 'Review Next', take: () => vscode.commands.executeCommand(commandId('reviewNext')) }],
    );
  }
  const picked = await vscode.window.showQuickPick(
    counted.map(({ limit, count }) => ({
      label: limit === 1 ? 'All of them' : `Trust below ${limit}`,
      description: `${count} of ${all} automatic masks`,
      limit,
    })),
    {
      title: `Label the doubtful masks of ${basename(root.root)} again`,
      placeHolder: `Learnt from ${reviewed} reviewed ${reviewed === 1 ? 'mask' : 'masks'}, which stay as they are`,
    },
  );
  if (!picked) throw new vscode.CancellationError();
  return picked.limit;
}
