/** Tells the journal once which masks a set is made of that lines of results name by its digest. */
import type { JournalWriter } from '../journal/journal';
import type { JournalView } from '../journal/journalView';
import type { TeachingMasks } from '../project/reviewedMasks';

export async function tellTeaching(journal: JournalWriter, view: JournalView, masks: TeachingMasks): Promise<void> {
  if (view.knowsTeaching(masks.set)) return;
  view.mergeTeaching(masks);
  await journal.append({ kind: 'teaching', ...masks, time: new Date().toISOString() });
}
