/** What the journal has of the automatic result that a mask on disk is, for pages that are opened later. */
import type { JournalLine } from '../../dataset/journal/journal';
import type { JournalView } from '../../dataset/journal/journalView';
import type { AutomaticResult } from '../../protocol/editorApi';

/**
 * The automatic result of a class that the mask with this hash (null: none) holds, null where a person has drawn the
 * class, or somebody has changed the file that the journal knows nothing of. Throws UserError if the journal cannot be
 * read.
 *
 * @param image posix path relative to the root
 */
export async function recordedResult(
  journal: JournalView,
  image: string,
  classId: number,
  maskHash: string | null,
): Promise<AutomaticResult | null> {
  const entry = journal.entry(image, classId);
  if (entry === undefined || entry.status === 'edited' || entry.status === 'failed') return null;
  const isKnown = maskHash === null ? entry.mask === null : journal.knowsMask(image, maskHash);
  if (!isKnown) return null;
  const line = await journal.line(image, classId);
  return line ? resultOf(line) : null;
}

function resultOf({ class: classId, prompts, trust, trustParts, milliseconds, run, mask }: JournalLine) {
  const { iouPrediction, ...parts } = trustParts;
  // What was accepted without ever having been judged is nobody's result.
  if (run === null && trust === null) return null;
  return {
    classId,
    candidates: prompts.map(({ x, y, label, instance }) => ({
      point: { x, y },
      label,
      instance,
      reason: 'kept' as const,
    })),
    heatMap: null,
    trust,
    trustParts: parts,
    iouPrediction,
    outcome: mask === null ? ('absent' as const) : ('mask' as const),
    notes: [],
    times: milliseconds === null ? {} : { total: milliseconds },
    device: null,
  };
}
