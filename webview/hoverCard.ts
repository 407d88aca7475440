/** Explains the prompt under the pointer. */
import type { Point, Size } from '../src/core/geometry';
import type { AutomaticResult, PromptSession } from '../src/protocol/editorApi';
import { element, rebuild, setShown } from './dom';
import { icon } from './icons';
import type { PromptHit } from './promptMarkers';
import { describeCandidate, nameOfLabel } from './words';

/** ScreenPx between the pointer and the card. */
const GAP = 14;

export class HoverCard {
  readonly element = element('div', { class: 'hover-card', role: 'tooltip', hidden: true });

  show(
    hit: PromptHit | null,
    at: Point,
    screen: Size,
    { automatic, session }: { automatic: AutomaticResult | null; session: PromptSession | null },
  ): void {
    const content = hit && contentOf(hit, automatic, session);
    setShown(this.element, content !== null);
    if (!content) return;
    const { title, label, reason, facts, hint } = content;
    rebuild(this.element, JSON.stringify(content), () => [
      element('div', { class: 'card-title' }, icon(label === 1 ? 'positive' : 'negative'), title),
      element('p', {}, reason),
      ...(facts.length > 0
        ? [element('dl', {}, ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]))]
        : []),
      element('p', { class: 'card-hint' }, hint),
    ]);
    const { offsetWidth: width, offsetHeight: height } = this.element;
    // To the right of and below the pointer, or on the other side where there is no room.
    const x = at.x + GAP + width <= screen.width ? at.x + GAP : at.x - GAP - width;
    const y = at.y + GAP + height <= screen.height ? at.y + GAP : at.y - GAP - height;
    this.element.style.transform = `translate(${Math.max(0, x)}px, ${Math.max(0, y)}px)`;
  }
}

function contentOf(hit: PromptHit, automatic: AutomaticResult | null, session: PromptSession | null) {
  if (hit.kind === 'session') {
    const prompt = session?.points[hit.index];
    if (!prompt) return null;
    return {
      title: nameOfLabel(prompt.label),
      label: prompt.label,
      reason: session?.origin === 'automatic' ? 'One of the points you go on from.' : 'Set by you.',
      facts: [] as [string, string][],
      hint: 'Drag to move, double-click to flip, Alt+click to remove',
    };
  }
  const candidate = automatic?.candidates[hit.index];
  if (!candidate) return null;
  return {
    ...describeCandidate(candidate),
    label: candidate.label,
    hint:
      candidate.reason === 'kept'
        ? 'With a point tool: click to go on from these points, Alt+click to leave this one out'
        : 'With a point tool: click to use it after all',
  };
}
