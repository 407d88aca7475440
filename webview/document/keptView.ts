/** The view state of a page, kept for the next page of the same editor, and where in the image it is. */
import type { Viewport } from '../canvas/viewport';
import { readViewState, type ViewPlace, type ViewState } from './viewState';

/** Where a page keeps its view state; VS Code gives it to the next page of the same editor. */
export interface StateStore {
  getState(): unknown;
  setState(state: ViewState): void;
}

/** Milliseconds that the store may be behind: the view state changes with every frame of a pan. */
const KEEP_AFTER = 250;

export class KeptView {
  private current: ViewState;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: StateStore,
    private readonly onChange: () => void,
  ) {
    this.current = readViewState(store.getState());
  }

  get state(): ViewState {
    return this.current;
  }

  set(changes: Partial<ViewState>): void {
    this.current = { ...this.current, ...changes };
    this.timer ??= setTimeout(() => this.keepNow(), KEEP_AFTER);
    this.onChange();
  }

  setBrush(settings: Partial<ViewState['brush']>): void {
    this.set({ brush: { ...this.current.brush, ...settings } });
  }

  setStyle(style: Partial<ViewState['style']>): void {
    this.set({ style: { ...this.current.style, ...style } });
  }

  foldSection(name: string, isFolded: boolean): void {
    const others = this.current.folded.filter((other) => other !== name);
    this.set({ folded: isFolded ? [...others, name] : others });
  }

  /** The page may be gone in the next moment. */
  keepNow(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.store.setState(this.current);
  }
}

/** Where a viewport is; null where it shows the whole image. */
export function placeOf(viewport: Viewport): ViewPlace | null {
  const { screen, target, scale } = viewport;
  const centre = viewport.toTarget({ x: screen.width / 2, y: screen.height / 2 });
  return viewport.isFitted ? null : { target, scale, centre };
}

/** The viewport at a place; as it is where the place is in an image of another size. */
export function viewportAt(place: ViewPlace | null, viewport: Viewport): Viewport {
  const { target } = viewport;
  if (!place || place.target.width !== target.width || place.target.height !== target.height) return viewport;
  // `actual` takes any number of devicePx per screenPx.
  return viewport.actual(1 / place.scale).centredOn(place.centre);
}
