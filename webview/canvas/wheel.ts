/**
 * What the wheel does: it zooms, with shift it moves the image sideways. A pinch on a trackpad arrives as wheel with
 * ctrl.
 */

type WheelAction =
  | { readonly kind: 'zoom'; readonly factor: number }
  /** In screenPx. */
  | { readonly kind: 'pan'; readonly dx: number; readonly dy: number };

/** Pixels that a line and a page of the wheel stand for. */
const LINE = 16;
const PAGE = 400;

/** Pixels of wheel that double the zoom; a notch is about 100. */
const DOUBLING = 300;

/** The same for a pinch, which comes in steps of a few pixels. */
const PINCH_DOUBLING = 70;

/** Ctrl with more than this is a wheel: no pinch is that fast. */
const FASTEST_PINCH = 50;

/** One event zooms by no more than this, whatever a free-running wheel says. */
const MOST = 2;

/** What counts of a wheel event. */
interface WheelTurn {
  readonly deltaX: number;
  readonly deltaY: number;
  /** Of pixels (0), lines (1) or pages (2). */
  readonly deltaMode: number;
  readonly ctrlKey: boolean;
  readonly shiftKey: boolean;
}

export function wheelAction(event: WheelTurn): WheelAction {
  const unit = [1, LINE, PAGE][event.deltaMode] ?? 1;
  const deltaX = event.deltaX * unit;
  const deltaY = event.deltaY * unit;
  // Some systems turn the wheel sideways under shift, others leave that to the page.
  if (event.shiftKey && !event.ctrlKey) return { kind: 'pan', dx: -(deltaX || deltaY), dy: 0 };
  if (deltaY === 0) return { kind: 'pan', dx: -deltaX, dy: 0 };
  const isPinch = event.ctrlKey && Math.abs(deltaY) < FASTEST_PINCH;
  const factor = 2 ** (-deltaY / (isPinch ? PINCH_DOUBLING : DOUBLING));
  return { kind: 'zoom', factor: Math.min(MOST, Math.max(1 / MOST, factor)) };
}
