/** Which prompts are on screen, how each looks, and which one is under the pointer. */
import type { Point } from '../../src/core/geometry';
import type { AutomaticResult, PromptSession } from '../../src/protocol/editorApi';
import type { Viewport } from './viewport';

/** A prompt on screen: point `index` of the session, or candidate `index` of the automatic result. */
export type PromptHit =
  | { readonly kind: 'session'; readonly index: number }
  | { readonly kind: 'candidate'; readonly index: number };

export type MarkerLook = 'session' | 'kept' | 'rejected';

export interface Marker {
  readonly hit: PromptHit;
  /** In targetPx. */
  readonly point: Point;
  /** 1 foreground, 0 background. */
  readonly label: 0 | 1;
  readonly look: MarkerLook;
}

/** Half the width of a marker, in screenPx, whatever the zoom. */
export const MARKER_RADIUS: Readonly<Record<MarkerLook, number>> = { session: 8, kept: 6.5, rejected: 3.75 };

/** ScreenPx by which a marker may be missed. */
const SLACK = 4;

/** Markers in the order they are painted: rejected ones lowest, the session's on top. */
export function markersOf(
  automatic: AutomaticResult | null,
  session: PromptSession | null,
  visible: { readonly promptsVisible: boolean; readonly rejectedVisible: boolean },
): Marker[] {
  if (!visible.promptsVisible) return [];
  const candidates = (automatic?.candidates ?? []).map(
    ({ point, label, reason }, index): Marker => ({
      hit: { kind: 'candidate', index },
      point,
      label,
      look: reason === 'kept' ? 'kept' : 'rejected',
    }),
  );
  const rejected = visible.rejectedVisible ? candidates.filter(({ look }) => look === 'rejected') : [];
  const asked = session
    ? session.points.map(
        ({ point, label }, index): Marker => ({ hit: { kind: 'session', index }, point, label, look: 'session' }),
      )
    : candidates.filter(({ look }) => look === 'kept');
  return [...rejected, ...asked];
}

/**
 * The marker at a point of the screen: the one it is nearest to, measured by the size of each, so that a small marker
 * beside a large one can be pointed at too. Of equals the one painted last.
 */
export function markerAt(markers: readonly Marker[], viewport: Viewport, screenPx: Point): Marker | null {
  let nearest: Marker | null = null;
  let least = 1;
  for (const marker of markers) {
    const { x, y } = viewport.toScreen(marker.point);
    const away = Math.hypot(x - screenPx.x, y - screenPx.y) / (MARKER_RADIUS[marker.look] + SLACK);
    if (away > least) continue;
    nearest = marker;
    least = away;
  }
  return nearest;
}

export const sameHit = (a: PromptHit | null, b: PromptHit | null): boolean =>
  a === b || (a !== null && b !== null && a.kind === b.kind && a.index === b.index);
