/** What the page calls things. */
import type { PromptReason, PromptSource } from '../../src/core/prompting/prompts';
import type { CanvasTool } from '../../src/protocol/contributions';
import type { AutomaticPrompt, DocumentFacts } from '../../src/protocol/editorApi';

/** Name and key of a tool, and what a hand does with it. The keys are VS Code's key bindings for the canvas. */
export const TOOL_WORDS: Readonly<Record<CanvasTool, { name: string; key: string; hint: string }>> = {
  pan: { name: 'Pan', key: 'V', hint: 'Drag to move, wheel to zoom; with any other tool hold Space' },
  positive: {
    name: 'Positive point',
    key: 'Q',
    hint: 'Click what belongs; right-click what does not; drag a point to move it; right-click it to remove it',
  },
  negative: {
    name: 'Negative point',
    key: 'E',
    hint: 'Click what does not belong; right-click what does; drag a point to move it; right-click it to remove it',
  },
  box: { name: 'Box', key: 'R', hint: 'Drag a box around the object; right-click removes it' },
  brush: { name: 'Brush', key: 'B', hint: 'Drag to paint; right button erases' },
  eraser: { name: 'Eraser', key: 'X', hint: 'Drag to erase; right button paints' },
  polygon: { name: 'Polygon', key: 'P', hint: 'Click corners; Enter or double-click closes; with Shift it erases' },
  fill: { name: 'Fill', key: 'G', hint: 'Click a region to fill it; right-click to take it away' },
};

export const STATUS_WORDS: Readonly<Record<NonNullable<DocumentFacts['status']>, string>> = {
  auto: 'Automatic, not reviewed',
  accepted: 'Accepted',
  edited: 'Edited by a person',
  absent: 'Object absent',
  failed: 'Failed',
};

/** Short, for lists. */
export const REASON_NAMES: Readonly<Record<PromptReason, string>> = {
  kept: 'kept',
  'failed backward': 'failed the check back',
  outlier: 'outlier',
  'too close to a positive': 'too close to a positive',
  thinned: 'thinned out',
  inconsistent: 'inconsistent',
};

const REASONS: Readonly<Record<PromptReason, string>> = {
  kept: 'Kept: the segmenter was asked with it.',
  'failed backward': 'Dropped: matched back, it does not land in the part of the reference that it came from.',
  outlier: 'Dropped: it looks unlike the other points of its kind.',
  'too close to a positive': 'Dropped: it lies too close to a positive point.',
  thinned: 'Dropped: another point nearby stands for it.',
  inconsistent: 'Dropped: too few matches came back, so none of them was used.',
};

const SOURCES: Readonly<Record<PromptSource, string>> = {
  forward: 'nearest match of a reference patch',
  hard: 'least like the object of all places',
  instance: 'positive point of another instance',
};

export const nameOfLabel = (label: 0 | 1): string => (label === 1 ? 'Positive point' : 'Negative point');

/** Title and lines of the card that explains an automatic prompt. */
export function describeCandidate({ label, reason, source, forwardDistance, backwardDistance }: AutomaticPrompt): {
  title: string;
  reason: string;
  facts: [string, string][];
} {
  return {
    title: nameOfLabel(label),
    reason: REASONS[reason],
    facts: [
      ...(source ? [['Source', SOURCES[source]] as [string, string]] : []),
      ...distanceFact('Forward distance', forwardDistance),
      ...distanceFact('Backward distance', backwardDistance),
    ],
  };
}

/** How many candidates were kept, of each label, and how many were dropped for each reason, most frequent first. */
export function countCandidates(candidates: readonly AutomaticPrompt[]): {
  readonly positive: number;
  readonly negative: number;
  readonly dropped: readonly { readonly reason: PromptReason; readonly count: number }[];
} {
  const kept = candidates.filter(({ reason }) => reason === 'kept');
  const counts = new Map<PromptReason, number>();
  for (const { reason } of candidates) if (reason !== 'kept') counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return {
    positive: kept.filter(({ label }) => label === 1).length,
    negative: kept.filter(({ label }) => label === 0).length,
    dropped: [...counts].map(([reason, count]) => ({ reason, count })).sort((a, b) => b.count - a.count),
  };
}

const distanceFact = (name: string, distance: number | undefined): [string, string][] =>
  distance === undefined ? [] : [[name, formatDistance(distance)]];

const formatDistance = (distance: number): string => (Number.isFinite(distance) ? distance.toFixed(3) : 'none');

/** An IoU prediction, or a word where there is none. */
export const formatPrediction = (value: number | null): string => (value === null ? 'not asked' : value.toFixed(2));

/** Trust, or words where nobody judged. */
export const formatTrust = (value: number | null): string => (value === null ? 'not judged' : value.toFixed(2));

/** What trust is made of. Journals of earlier versions hold more, which never counted and is not shown. */
const TRUST_PARTS: readonly (readonly [part: string, name: string])[] = [
  ['forwardSimilarity', 'Similarity to the reference'],
  ['priorContrast', 'Stands out from the rest'],
  ['stability', 'Sharpness of the outline'],
  ['borderKept', 'Keeps off the border'],
];

/** Rows that say what trust was made of; parts that could not be had are left out. */
export function trustRows(parts: Readonly<Record<string, number | null>>): [string, string][] {
  return TRUST_PARTS.flatMap(([part, name]): [string, string][] => {
    const value = parts[part];
    return value === null || value === undefined ? [] : [[name, value.toFixed(2)]];
  });
}

/** "12.4 %", and "< 0.1 %" for a few pixels. */
export function formatShare(share: number): string {
  if (share === 0) return '0 %';
  const percent = share * 100;
  return percent < 0.1 ? '< 0.1 %' : `${percent.toFixed(1)} %`;
}

/** "50 %" of devicePx per targetPx. */
export function formatZoom(devicePxPerTargetPx: number): string {
  const percent = devicePxPerTargetPx * 100;
  return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** "85 ms", "1.2 s". */
export const formatTime = (milliseconds: number): string =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;

export const formatCount = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
