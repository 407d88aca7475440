/** Which of two journal lines about one class in one image counts. */
import { BATCH_WRITER_PREFIX, isPersons, type JournalLine, type JournalStatus, type LinePosition } from './journal';

/**
 * How new a line is. In one file the later line is the newer one. Across files the time decides, and a line counts as
 * no older than those before it in its own file: so the clock of a machine that was ahead for a while does no harm.
 */
export interface Stamp extends LinePosition {
  readonly time: string;
}

export interface Stamped<T> {
  readonly value: T;
  readonly stamp: Stamp;
}

/**
 * How new a line is at its place.
 *
 * @param known what is known of the same class in the same image
 */
export function stampOf(
  { time }: JournalLine,
  at: LinePosition,
  known: readonly (Stamped<unknown> | undefined)[],
): Stamp {
  const isBefore = (stamp: Stamp) => stamp.file === at.file && stamp.offset < at.offset;
  const before = known.flatMap((one) => (one !== undefined && isBefore(one.stamp) ? [one.stamp.time] : []));
  return { ...at, time: [time, ...before].reduce((a, b) => (a < b ? b : a)) };
}

export const isNewer = (one: Stamp, other: Stamp): boolean =>
  one.file === other.file ? one.offset > other.offset : one.time > other.time;

/**
 * Whether one line counts and not the other. A person's judgement gives way to what a person does later, such as asking
 * for a run on that image, and not to a run on the folder.
 */
export function beats(one: Stamped<Judgement>, other: Stamped<Judgement>): boolean {
  const isJudged = isPersons(one.value.status);
  if (isJudged === isPersons(other.value.status)) return !isNewer(other.stamp, one.stamp);
  return isOfPerson((isJudged ? other : one).stamp) ? !isNewer(other.stamp, one.stamp) : isJudged;
}

/** Whether a person has written the line, with the image in view. */
export const isOfPerson = ({ file }: LinePosition): boolean => !file.startsWith(BATCH_WRITER_PREFIX);

interface Judgement {
  readonly status: JournalStatus;
}
