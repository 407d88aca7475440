import { describe, expect, it } from 'vitest';
import type { PromptCandidate, PromptReason } from '../../src/core/prompting/prompts';
import type { AutomaticResult, PromptSession } from '../../src/protocol/editorApi';
import { MARKER_RADIUS, markerAt, markersOf, sameHit } from '../../webview/canvas/promptMarkers';
import { Viewport } from '../../webview/canvas/viewport';
import { wheelAction } from '../../webview/canvas/wheel';

const candidate = (x: number, y: number, label: 0 | 1, reason: PromptReason): PromptCandidate => ({
  point: { x, y },
  label,
  reason,
  source: 'forward',
  instance: 0,
  targetPatch: 0,
  referencePatch: 0,
  backPatch: 0,
  forwardDistance: 0,
  backwardDistance: 0,
});

const automatic: AutomaticResult = {
  classId: 1,
  candidates: [
    candidate(100, 100, 1, 'kept'),
    candidate(200, 100, 0, 'thinned'),
    candidate(300, 100, 0, 'kept'),
    candidate(400, 100, 1, 'outlier'),
  ],
  heatMap: null,
  trust: null,
  trustParts: {},
  iouPrediction: null,
  outcome: 'mask',
  notes: [],
  times: {},
  device: 'cpu',
};

const session: PromptSession = {
  classId: 1,
  points: [
    { point: { x: 110, y: 120 }, label: 1 },
    { point: { x: 500, y: 500 }, label: 0 },
  ],
  box: null,
  origin: 'automatic',
  base: { size: { width: 1000, height: 700 }, runs: Uint32Array.of(700_000) },
  iouPrediction: null,
};

const ALL = { promptsVisible: true, rejectedVisible: true };
const seen = (markers: ReturnType<typeof markersOf>): string[] =>
  markers.map(({ look, hit, label }) => `${look} ${hit.kind} ${hit.index} ${label}`);

describe('markersOf', () => {
  it('has rejected candidates lowest, and as many as are to be seen', () => {
    expect(seen(markersOf(automatic, null, ALL))).toEqual([
      'rejected candidate 1 0',
      'rejected candidate 3 1',
      'kept candidate 0 1',
      'kept candidate 2 0',
    ]);
    expect(seen(markersOf(automatic, null, { promptsVisible: true, rejectedVisible: false }))).toEqual([
      'kept candidate 0 1',
      'kept candidate 2 0',
    ]);
    expect(markersOf(automatic, session, { promptsVisible: false, rejectedVisible: true })).toEqual([]);
    expect(markersOf(null, null, ALL)).toEqual([]);
  });

  it('has the points of a session instead of the kept candidates', () => {
    expect(seen(markersOf(automatic, session, ALL))).toEqual([
      'rejected candidate 1 0',
      'rejected candidate 3 1',
      'session session 0 1',
      'session session 1 0',
    ]);
    expect(seen(markersOf(null, session, ALL))).toHaveLength(2);
  });
});

describe('markerAt', () => {
  const viewport = Viewport.fit({ width: 1000, height: 700 }, { width: 1000, height: 700 }).actual(1);
  const markers = markersOf(automatic, null, ALL);
  const at = (x: number, y: number, zoomed = viewport) => {
    const screenPx = zoomed.toScreen({ x, y });
    return (dx: number, dy: number) =>
      markerAt(markers, zoomed, { x: screenPx.x + dx, y: screenPx.y + dy })?.hit ?? null;
  };

  it('finds a marker within its size on screen, at any zoom', () => {
    for (const zoomed of [
      viewport,
      viewport.zoomedAt({ x: 100, y: 100 }, 10),
      viewport.zoomedAt({ x: 0, y: 0 }, 0.5),
    ]) {
      const near = at(100, 100, zoomed);
      expect(near(0, 0)).toEqual({ kind: 'candidate', index: 0 });
      expect(near(-MARKER_RADIUS.kept, 0)).toEqual({ kind: 'candidate', index: 0 });
      expect(near(0, -MARKER_RADIUS.kept - 6)).toBeNull();
    }
    expect(at(200, 100)(MARKER_RADIUS.rejected, 0)).toEqual({ kind: 'candidate', index: 1 });
    expect(at(200, 100)(MARKER_RADIUS.rejected + 6, 0)).toBeNull();
  });

  it('takes the nearest of several, and of equals the one on top', () => {
    const crowd = markersOf(
      {
        ...automatic,
        candidates: [candidate(100, 100, 1, 'kept'), candidate(112, 100, 1, 'thinned'), candidate(100, 100, 0, 'kept')],
      },
      null,
      ALL,
    );
    const hit = (x: number, y: number) => markerAt(crowd, viewport, viewport.toScreen({ x, y }))?.hit.index;
    expect(hit(112, 100)).toBe(1);
    expect(hit(103, 100)).toBe(2);
    expect(hit(100, 100)).toBe(2);
  });
});

describe('sameHit', () => {
  it('compares kind and index', () => {
    expect(sameHit(null, null)).toBe(true);
    expect(sameHit({ kind: 'session', index: 1 }, { kind: 'session', index: 1 })).toBe(true);
    expect(sameHit({ kind: 'session', index: 1 }, { kind: 'candidate', index: 1 })).toBe(false);
    expect(sameHit({ kind: 'session', index: 1 }, null)).toBe(false);
  });
});

describe('wheelAction', () => {
  const turn = { deltaX: 0, deltaY: 0, deltaMode: 0, ctrlKey: false, shiftKey: false };
  const factor = (change: Partial<typeof turn>): number => {
    const action = wheelAction({ ...turn, ...change });
    return action.kind === 'zoom' ? action.factor : Number.NaN;
  };

  it('zooms in upwards, and back by the same', () => {
    expect(factor({ deltaY: -100 })).toBeGreaterThan(1.2);
    expect(factor({ deltaY: -100 }) * factor({ deltaY: 100 })).toBeCloseTo(1, 9);
    expect(factor({ deltaY: -3, deltaMode: 1 })).toBeCloseTo(factor({ deltaY: -48 }), 9);
  });

  it('zooms more by a pinch than by the same turn of the wheel, and as by the wheel with ctrl', () => {
    expect(factor({ deltaY: -5, ctrlKey: true })).toBeGreaterThan(factor({ deltaY: -5 }));
    expect(factor({ deltaY: -100, ctrlKey: true })).toBe(factor({ deltaY: -100 }));
  });

  it('is at most doubled or halved by one event', () => {
    expect(factor({ deltaY: -1e6 })).toBe(2);
    expect(factor({ deltaY: 40, deltaMode: 2 })).toBe(0.5);
  });

  it('moves sideways with shift, and by a wheel that tilts', () => {
    expect(wheelAction({ ...turn, deltaY: 100, shiftKey: true })).toEqual({ kind: 'pan', dx: -100, dy: 0 });
    expect(wheelAction({ ...turn, deltaX: 100, shiftKey: true })).toEqual({ kind: 'pan', dx: -100, dy: 0 });
    expect(wheelAction({ ...turn, deltaX: -30 })).toEqual({ kind: 'pan', dx: 30, dy: 0 });
  });
});
