/** The view state that a page keeps, and the sentence that it shows. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Viewport } from '../../webview/canvas/viewport';
import { KeptView, placeOf, viewportAt } from '../../webview/document/keptView';
import { MessageLine } from '../../webview/document/messageLine';
import type { ViewState } from '../../webview/document/viewState';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function keptView(kept?: unknown) {
  const stored: ViewState[] = [];
  const onChange = vi.fn();
  const view = new KeptView({ getState: () => kept, setState: (state) => stored.push(state) }, onChange);
  return { view, stored, onChange };
}

describe('the kept view', () => {
  it('is stored a moment after it has changed, once for all changes of that moment', () => {
    const { view, stored, onChange } = keptView();
    view.set({ tool: 'brush' });
    view.setBrush({ diameter: 7 });
    view.setStyle({ maskVisible: false });
    expect([stored.length, onChange.mock.calls.length]).toEqual([0, 3]);
    vi.advanceTimersByTime(1000);
    expect(stored).toHaveLength(1);
    expect(stored[0]).toMatchObject({ tool: 'brush', brush: { diameter: 7 }, style: { maskVisible: false } });
    view.set({ tool: 'pan' });
    vi.advanceTimersByTime(1000);
    expect(stored.map(({ tool }) => tool)).toEqual(['brush', 'pan']);
  });

  it('is stored at once, and not again, where the page may be gone in the next moment', () => {
    const { view, stored } = keptView({ tool: 'fill' });
    view.foldSection('Layers', true);
    view.foldSection('Result', true);
    view.foldSection('Layers', true);
    view.keepNow();
    expect(stored).toMatchObject([{ tool: 'fill', folded: ['Result', 'Layers'] }]);
    vi.advanceTimersByTime(1000);
    expect(stored).toHaveLength(1);
    view.foldSection('Result', false);
    expect(view.state.folded).toEqual(['Layers']);
  });
});

describe('the place in an image', () => {
  const screen = { width: 400, height: 300 };
  const whole = Viewport.fit({ width: 800, height: 800 }, screen);

  it('is found again by the next page, whatever the screen was', () => {
    const there = whole.zoomedAt({ x: 100, y: 60 }, 5);
    const place = placeOf(there)!;
    const again = viewportAt(place, Viewport.fit(whole.target, { width: 500, height: 200 }));
    expect(again.scale).toBeCloseTo(there.scale);
    expect(again.toTarget({ x: 250, y: 100 }).x).toBeCloseTo(place.centre.x, 0);
    expect(again.toTarget({ x: 250, y: 100 }).y).toBeCloseTo(place.centre.y, 0);
  });

  it('is none where the whole image is shown, and means nothing in an image of another size', () => {
    expect(placeOf(whole)).toBeNull();
    expect(viewportAt(null, whole)).toBe(whole);
    const other = Viewport.fit({ width: 640, height: 480 }, screen);
    expect(viewportAt(placeOf(whole.zoomedAt({ x: 0, y: 0 }, 3)), other)).toBe(other);
  });
});

describe('the message', () => {
  it('is the host`s last one, but for a while that of the page', () => {
    const onChange = vi.fn();
    const line = new MessageLine(onChange);
    expect(line.shown.text).toBe('');
    line.say({ text: 'Segmenting...', kind: 'busy' });
    line.remark({ text: 'Add a class first.', kind: 'plain' });
    expect(line.shown.text).toBe('Add a class first.');
    vi.advanceTimersByTime(5000);
    line.remark({ text: 'This segmenter takes no boxes.', kind: 'plain' });
    vi.advanceTimersByTime(5000);
    expect(line.shown.text).toBe('This segmenter takes no boxes.');
    vi.advanceTimersByTime(5000);
    expect(line.shown).toEqual({ text: 'Segmenting...', kind: 'busy' });
    expect(onChange).toHaveBeenCalledTimes(4);
  });

  it('of the host takes the place of the page`s at once', () => {
    const line = new MessageLine(() => undefined);
    line.remark({ text: 'Add a class first.', kind: 'plain' });
    line.say({ text: 'Accepted', kind: 'plain' });
    expect(line.shown.text).toBe('Accepted');
  });
});
