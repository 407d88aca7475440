/** In which order images are reviewed, and which one comes next. */
import type { JournalStatus } from '../journal/journal';

/**
 * What is known of a class in an image. `reference`: it is a labelled example of the class; `none`: nothing has been
 * drawn or looked for yet; the others as in the journal.
 */
export type ReviewStatus = JournalStatus | 'reference' | 'none';

/** One class in one image. */
export interface ReviewRow {
  /** Posix path relative to the root. */
  readonly image: string;
  readonly classId: number;
  readonly status: ReviewStatus;
  /** The Dice to be expected of the mask, 0 to 1; null where nobody has judged the mask that is there now. */
  readonly trust: number | null;
  /** The IoU to be expected, null where nothing says it of the mask that is there now. */
  readonly iouPrediction: number | null;
  /** One sentence, null unless failed. */
  readonly error: string | null;
  /** Absolute path of the image's mask. */
  readonly mask: string;
  /** Whether that file is there. */
  readonly hasMask: boolean;
}

export type ReviewOrder = 'trust' | 'iouPrediction' | 'name' | 'status';

/** What asks for a person comes first, what a person has seen to comes last. */
const STATUSES: readonly ReviewStatus[] = ['failed', 'auto', 'absent', 'none', 'edited', 'accepted', 'reference'];

/** Code-unit order of these keys is the order of names that people expect: case aside, and 2 before 10. */
export const nameKey = (path: string): string =>
  path.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, '0'));

/**
 * Rows in the order that is asked for: by trust, lowest first, then those without it by IoU prediction; by IoU
 * prediction, lowest first, those without one last; by status, and within one by trust; or by name.
 *
 * @param rows in the order of their names, which stays among equals
 */
export function sortRows(rows: readonly ReviewRow[], order: ReviewOrder): readonly ReviewRow[] {
  if (order === 'name') return rows;
  if (order === 'status') {
    return STATUSES.flatMap((status) =>
      sortRows(
        rows.filter((row) => row.status === status),
        'trust',
      ),
    );
  }
  const byPrediction = (a: ReviewRow, b: ReviewRow) => lowestFirst(a.iouPrediction, b.iouPrediction);
  if (order === 'iouPrediction') return [...rows].sort(byPrediction);
  return [...rows].sort(
    (a, b) => lowestFirst(a.trust, b.trust) || (a.trust === null && b.trust === null ? byPrediction(a, b) : 0),
  );
}

/** Negative where `a` comes first; null comes last. */
function lowestFirst(a: number | null, b: number | null): number {
  // Not by difference: that of two infinite ones is NaN.
  const [one, other] = [a ?? Number.POSITIVE_INFINITY, b ?? Number.POSITIVE_INFINITY];
  return one < other ? -1 : one > other ? 1 : 0;
}

export type StatusCounts = Readonly<Record<ReviewStatus, number>>;

/** How many rows have each status. */
export function countStatuses(rows: readonly Pick<ReviewRow, 'status'>[]): StatusCounts {
  const counts = noCounts();
  for (const { status } of rows) counts[status]++;
  return counts;
}

export function sumCounts(all: readonly StatusCounts[]): StatusCounts {
  const sum = noCounts();
  for (const counts of all) for (const status of STATUSES) sum[status] += counts[status];
  return sum;
}

const noCounts = (): Record<ReviewStatus, number> =>
  Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<ReviewStatus, number>;

/** Masks that a run has made, or found no object for, and nobody has judged. */
export const countToReview = ({ auto, absent }: StatusCounts): number => auto + absent;

/** "12 to review, 8 done, 3 failed, 5 not labelled yet", without what there is none of but for the first two. */
export function describeCounts(counts: StatusCounts): string {
  const { accepted, edited, failed, none } = counts;
  return [
    `${countToReview(counts)} to review`,
    `${accepted + edited} done`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(none > 0 ? [`${none} not labelled yet`] : []),
  ].join(', ');
}

/**
 * Whether a person has yet to judge or draw the mask. An image that failed gives nothing to judge: it is tried again.
 */
export const isOpen = ({ status }: ReviewRow): boolean => status === 'auto' || status === 'absent' || status === 'none';

/** Which row a person is at. */
type ReviewPlace = Pick<ReviewRow, 'image' | 'classId'>;

/**
 * The rows to review after `current`, at most `count`: the next ones in this order that are open, and on from the other
 * end when the list is through. `current` is never among them.
 *
 * @param current null: from the start
 * @param direction -1: backwards
 */
export function toReview(
  rows: readonly ReviewRow[],
  current: ReviewPlace | null,
  count: number,
  direction: 1 | -1 = 1,
): readonly ReviewRow[] {
  const at = rows.findIndex((row) => row.image === current?.image && row.classId === current.classId);
  const steps = at < 0 ? rows.length : rows.length - 1;
  const start = at >= 0 ? at : direction === 1 ? -1 : rows.length;
  const found: ReviewRow[] = [];
  for (let step = 1; step <= steps && found.length < count; step++) {
    const row = rows[(start + direction * step + rows.length) % rows.length];
    if (isOpen(row)) found.push(row);
  }
  return found;
}

/**
 * The row beside `current`, whatever its status but for failed ones, which it passes, and on from the other end; null
 * if there is no other.
 *
 * @param rows of one class
 */
export function neighbourOf(rows: readonly ReviewRow[], current: string, direction: 1 | -1): ReviewRow | null {
  const at = rows.findIndex(({ image }) => image === current);
  const start = at >= 0 ? at : direction === 1 ? -1 : rows.length;
  for (let step = 1; step <= rows.length; step++) {
    const row = rows[(start + direction * step + 2 * rows.length) % rows.length];
    if (row.status !== 'failed' && row.image !== current) return row;
  }
  return null;
}

/** The first of `toReview`, null if there is none. */
export const nextToReview = (
  rows: readonly ReviewRow[],
  current: ReviewPlace | null,
  direction: 1 | -1 = 1,
): ReviewRow | null => toReview(rows, current, 1, direction)[0] ?? null;
