/**
 * What lies under the picture: a checkerboard for its transparent parts and an edge around it, in the theme's colours.
 */
import type { Viewport } from './viewport';

/** ScreenPx of one field of the checkerboard. */
const FIELD = 8;

/** ScreenPx by which the edge lies off screen where the picture goes on. */
const OFF_SCREEN = 4;

export class Backdrop {
  private readonly element = document.createElement('div');

  constructor(parent: HTMLElement) {
    const { style } = this.element;
    style.position = 'absolute';
    style.left = '0';
    style.top = '0';
    const field = 'color-mix(in srgb, var(--vscode-foreground, #808080) 12%, transparent)';
    style.backgroundImage = `repeating-conic-gradient(${field} 0 25%, transparent 0 50%)`;
    style.backgroundSize = `${2 * FIELD}px ${2 * FIELD}px`;
    // Without high contrast, VS Code leaves the first of these undefined.
    const line = 'color-mix(in srgb, var(--vscode-foreground, #808080) 35%, transparent)';
    style.outline = `1px solid var(--vscode-contrastBorder, ${line})`;
    parent.append(this.element);
  }

  place(viewport: Viewport): void {
    const { screen, target, pixelRatio } = viewport;
    const start = viewport.toScreen({ x: 0, y: 0 });
    const end = viewport.toScreen({ x: target.width, y: target.height });
    const left = Math.max(-OFF_SCREEN, start.x);
    const top = Math.max(-OFF_SCREEN, start.y);
    const snap = (length: number) => Math.round(length * pixelRatio) / pixelRatio;
    const { style } = this.element;
    style.transform = `translate(${left}px, ${top}px)`;
    style.width = `${snap(Math.min(screen.width + OFF_SCREEN, end.x) - left)}px`;
    style.height = `${snap(Math.min(screen.height + OFF_SCREEN, end.y) - top)}px`;
    // The fields stay where they are on screen, also while the cut edge of a large picture moves.
    style.backgroundPosition = `${-left}px ${-top}px`;
  }
}
