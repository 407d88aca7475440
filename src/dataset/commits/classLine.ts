/** What a commit tells the journal of one class in an image. */
import type { SegmentResult } from '../../protocol/engineApi';
import type { JournalLine } from '../journal/journal';

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

/** What a line says of a run's result; its mask is not known yet. */
export function resultLine(image: string, classId: number, run: string, result: SegmentResult): ClassLine {
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
    milliseconds: Math.round(result.times.total),
    error: null,
  };
}
