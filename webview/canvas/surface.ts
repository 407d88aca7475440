/** The element that holds all canvases of the viewer: it gets the focus and all events, and its size is theirs. */
import type { Size } from '../../src/core/geometry';

export function makeSurface(): HTMLElement {
  const surface = document.createElement('div');
  surface.className = 'viewer';
  surface.tabIndex = 0;
  surface.setAttribute('role', 'application');
  surface.setAttribute('aria-roledescription', 'canvas');
  surface.setAttribute('aria-label', 'Image with its labels');
  Object.assign(surface.style, {
    position: 'relative',
    width: '100%',
    height: '100%',
    overflow: 'hidden',
    isolation: 'isolate',
    outline: 'none',
    touchAction: 'none',
    userSelect: 'none',
    background: 'var(--vscode-editor-background)',
  });
  return surface;
}

/** Tells of each new size: in screenPx, and what that is in devicePx. */
export function watchSize(surface: HTMLElement, onSize: (screenPx: Size, devicePx: Size) => void): ResizeObserver {
  const observer = new ResizeObserver(([entry]) => {
    const { width, height } = entry.contentRect;
    const expected = devicePxOf({ width, height });
    const [box] = entry.devicePixelContentBoxSize ?? [];
    // It differs by less than one devicePx, but under an emulated pixel ratio, which it does not know.
    const isMeasured =
      box && Math.abs(box.inlineSize - expected.width) <= 1 && Math.abs(box.blockSize - expected.height) <= 1;
    onSize({ width, height }, isMeasured ? { width: box.inlineSize, height: box.blockSize } : expected);
  });
  try {
    observer.observe(surface, { box: 'device-pixel-content-box' });
  } catch {
    // Browsers that cannot tell devicePx are asked for CSS pixels.
    observer.observe(surface);
  }
  return observer;
}

/** A size in screenPx, in devicePx. */
export const devicePxOf = ({ width, height }: Size): Size => ({
  width: Math.round(width * devicePixelRatio),
  height: Math.round(height * devicePixelRatio),
});

/** The browser's own ring would lie under the canvases. */
export function addFocusRing(surface: HTMLElement): void {
  const ring = document.createElement('div');
  Object.assign(ring.style, {
    position: 'absolute',
    inset: '0',
    border: '1px solid var(--vscode-focusBorder, currentColor)',
    pointerEvents: 'none',
    display: 'none',
  });
  surface.append(ring);
  surface.addEventListener('focus', () => {
    ring.style.display = surface.matches(':focus-visible') ? '' : 'none';
  });
  surface.addEventListener('blur', () => {
    ring.style.display = 'none';
  });
}
