/** Explains the prompt under the pointer. */
import { distance, type Point, type Size } from '../../src/core/geometry';
import type { AutomaticResult, PromptSession } from '../../src/protocol/editorApi';
import { type PromptHit, sameHit } from '../canvas/promptMarkers';
import { element, rebuild, setShown } from './dom';
import { icon } from './icons';
import { describeCandidate, nameOfLabel } from './words';

/** ScreenPx between the pointer and the card, so that the largest marker under the pointer stays visible. */
const GAP = 18;

/** Milliseconds that the pointer rests on a prompt before it is explained. */
const REST_MS = 350;

/** ScreenPx that the pointer goes away from where it has just acted before anything there is explained. */
const LEAVE_PX = 16;

/** What of the document the card tells of. */
interface Told {
  readonly automatic: AutomaticResult | null;
  readonly session: PromptSession | null;
}

export class HoverCard {
  readonly element = element('div', { class: 'hover-card', role: 'tooltip', hidden: true });
  private acted: Point | null = null;
  private hit: PromptHit | null = null;
  private draw: () => void = () => undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isOpen = false;

  /** Somebody has acted here, and wants to see what came of it. */
  stayAwayFrom(screenPx: Point): void {
    this.acted = screenPx;
    this.close();
  }

  /** Explains the prompt under the pointer once it rests there; null closes the card. */
  show(hit: PromptHit | null, at: Point, screen: Size, told: Told): void {
    if (this.acted && distance(at, this.acted) > LEAVE_PX) this.acted = null;
    if (hit === null || this.acted) {
      this.close();
      return;
    }
    this.draw = () => this.place(contentOf(hit, told.automatic, told.session), at, screen);
    if (!sameHit(hit, this.hit)) {
      this.close();
      this.hit = hit;
      this.timer = setTimeout(() => {
        this.isOpen = true;
        this.draw();
      }, REST_MS);
    } else if (this.isOpen) this.draw();
  }

  private close(): void {
    clearTimeout(this.timer);
    this.hit = null;
    this.isOpen = false;
    setShown(this.element, false);
  }

  private place(content: ReturnType<typeof contentOf>, at: Point, screen: Size): void {
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
    const corner = cornerBeside(at, { width, height }, screen);
    setShown(this.element, corner !== null);
    if (corner) this.element.style.transform = `translate(${corner.x}px, ${corner.y}px)`;
  }
}

/**
 * Upper left corner of a card of `size` that leaves the point free: to the right of and below it, or on the other side
 * where there is no room, along the border of the screen if need be. Null where the screen has no such place.
 */
function cornerBeside(at: Point, size: Size, screen: Size): Point | null {
  const along = (place: number, length: number, room: number) => {
    if (place + GAP + length <= room) return { start: place + GAP, isFree: true };
    if (place - GAP - length >= 0) return { start: place - GAP - length, isFree: true };
    return { start: Math.max(0, room - length), isFree: false };
  };
  const x = along(at.x, size.width, screen.width);
  const y = along(at.y, size.height, screen.height);
  return x.isFree || y.isFree ? { x: x.start, y: y.start } : null;
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
      hint: 'Drag to move, double-click to flip, right-click or Delete to remove',
    };
  }
  const candidate = automatic?.candidates[hit.index];
  if (!candidate) return null;
  return {
    ...describeCandidate(candidate),
    label: candidate.label,
    hint:
      candidate.reason === 'kept'
        ? 'With a point tool: click to go on from these points, right-click to leave this one out'
        : 'With a point tool: click to use it after all',
  };
}
