/** The canvas of one layer. While nothing is on it, it is neither touched nor shown, and costs the browser nothing. */

export type Context = CanvasRenderingContext2D;

export class Sheet {
  readonly context: Context;
  private readonly canvas = document.createElement('canvas');
  private isBlank = true;

  /** Adds a canvas on top of what the surface has. Pointer events go through it to the surface. */
  constructor(surface: HTMLElement) {
    this.canvas.setAttribute('aria-hidden', 'true');
    Object.assign(this.canvas.style, {
      position: 'absolute',
      inset: '0',
      width: '100%',
      height: '100%',
      pointerEvents: 'none',
    });
    surface.append(this.canvas);
    const context = this.canvas.getContext('2d');
    if (!context) throw new Error('the browser gives no canvas context');
    this.context = context;
  }

  /** To be followed by `drawn` where something is put on the canvas again, and by `show` in any case. */
  clear(): void {
    if (!this.isBlank) this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.isBlank = true;
  }

  drawn(): void {
    this.isBlank = false;
  }

  /** Shows the canvas if there is something on it. */
  show(): void {
    const visibility = this.isBlank ? 'hidden' : '';
    if (this.canvas.style.visibility !== visibility) this.canvas.style.visibility = visibility;
  }
}
