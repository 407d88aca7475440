/** What a commit tells the journal of one class in an image. */
import type { SegmentResult } from '../../protocol/engineApi';
import type { JournalLine, Taught } from '../journal/journal';

/** A journal line but for its kind and time. */
export type ClassLine = Omit<JournalLine, 'kind' | 'time'>;

/** What is not known of pixels that no run has made. */
export const UNKNOWN = {
  trust: null,
  trustParts: { iouPrediction: null },
  prompts: [],
  milliseconds: null,
  error: null,
} satisfies Partial<ClassLine>;

/** A run's result for one class of an image. */
export interface ClassResult {
  readonly classId: number;
  readonly result: SegmentResult;
  /** The reviewed masks that taught it, if any. */
  readonly taught?: Taught | undefined;
}

/** What a line says of a run's result; its mask is not known yet. */
export function resultLine(image: string, run: string, { classId, result, taught }: ClassResult): ClassLine {
  const { iouPrediction, trust, trustParts } = result;
  return {
    image,
    class: classId,
    run,
    status: result.outcome === 'absent' ? 'absent' : 'auto',
    file: result.file,
    mask: null,
    trust: trust ?? null,
    trustParts: { ...trustParts, iouPrediction: iouPrediction ?? null },
    prompts: result.prompts
      .filter(({ reason }) => reason === 'kept')
      .map(({ point, label, instance }) => ({ x: point.x, y: point.y, label, instance })),
    ...(taught && { taught }),
    milliseconds: Math.round(result.times.total),
    error: null,
  };
}
