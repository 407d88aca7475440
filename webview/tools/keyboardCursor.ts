/** The keyboard's cursor: a crosshair that arrows move over the image, for tools that have a use for a place. */
import type { Point } from '../../src/core/geometry';
import type { Viewer } from '../canvas/viewer';

/** ScreenPx that an arrow key moves the cursor by, or one targetPx where that is more. */
const CURSOR_STEP = 4;
/** ScreenPx between the cursor and the border of the canvas at which the image begins to move along. */
const CURSOR_MARGIN = 32;

export class KeyboardCursor {
  /** TargetPx while it is shown. */
  private at: Point | undefined;
  private readonly crosshair: HTMLElement;

  constructor(
    private readonly viewer: Pick<Viewer, 'viewport' | 'setViewport'>,
    container: HTMLElement,
  ) {
    this.crosshair = document.createElement('div');
    this.crosshair.className = 'keyboard-cursor';
    this.crosshair.hidden = true;
    container.append(this.crosshair);
  }

  /** Centre of the pixel that it is on, in targetPx; undefined while it is hidden. */
  get targetPx(): Point | undefined {
    return this.at;
  }

  /**
   * Moves by one step, `times` over, and the image along with it; one that was hidden is shown where it starts.
   *
   * @param start targetPx; undefined: the middle of what is visible
   * @returns where it is now, in targetPx
   */
  move(direction: Point, times: number, start: Point | undefined): Point {
    const { viewport } = this.viewer;
    const { width, height } = viewport.target;
    const step = this.at ? Math.max(1, Math.round(CURSOR_STEP / viewport.scale)) * times : 0;
    const from = this.at ?? start ?? this.middle();
    const within = (value: number, pixels: number) => Math.min(pixels - 1, Math.max(0, Math.floor(value))) + 0.5;
    const to = { x: within(from.x + direction.x * step, width), y: within(from.y + direction.y * step, height) };
    this.at = to;
    this.follow(to);
    this.place();
    return to;
  }

  hide(): void {
    this.at = undefined;
    this.place();
  }

  /** Puts the crosshair where its place in the image is on screen now. */
  place(): void {
    this.crosshair.hidden = !this.at;
    if (!this.at) return;
    const { x, y } = this.viewer.viewport.toScreen(this.at);
    this.crosshair.style.transform = `translate(${x}px, ${y}px)`;
  }

  private middle(): Point {
    const { left, top, right, bottom } = this.viewer.viewport.visible();
    return { x: (left + right) / 2, y: (top + bottom) / 2 };
  }

  private follow(targetPx: Point): void {
    const { viewport } = this.viewer;
    const { x, y } = viewport.toScreen(targetPx);
    const beyond = (at: number, length: number) =>
      Math.max(0, CURSOR_MARGIN - at) - Math.max(0, at - (length - CURSOR_MARGIN));
    const dx = beyond(x, viewport.screen.width);
    const dy = beyond(y, viewport.screen.height);
    if (dx !== 0 || dy !== 0) this.viewer.setViewport(viewport.panned(dx, dy));
  }
}
