/** Which automatic masks are worth making again because a person has taught the project something since. */
import type { JournalEntry } from './journalView';

/**
 * Whether what a run made of a class is trusted less than `below` and was taught by another set of reviewed masks than
 * the present one. What a person has judged never is; where a run found nothing, that counts as no trust.
 *
 * @param set digest of the masks that teach now, undefined where none does
 */
export function isDoubtful(
  { status, trust, taught }: Pick<JournalEntry, 'status' | 'trust' | 'taught'>,
  below: number,
  set: string | undefined,
): boolean {
  if (taught?.set === set) return false;
  if (status === 'absent') return (trust ?? 0) < below;
  return status === 'auto' && trust !== null && trust < below;
}
