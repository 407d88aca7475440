/** A polygon by its corners, filled when it is closed. */

import { classInk, eraserInk } from '../../src/core/drawing/ink';
import { fillPolygon } from '../../src/core/drawing/polygon';
import { distance, type Point } from '../../src/core/geometry';
import { Tool, type ToolPointer } from './tool';

/** ScreenPx around a corner within which a press means that corner. */
const REACH = 8;

/** ScreenPx by which the second press of a double click may miss the first. */
const SAME_PLACE = 3;

export class PolygonTool extends Tool {
  private points: readonly Point[] = [];
  private pointer: Point | undefined;

  /** Takes up a polygon that an earlier page has left unfinished. */
  resume(points: readonly Point[]): void {
    this.points = points;
  }

  override press(pointer: ToolPointer): void {
    const corner = this.clamped(pointer.targetPx);
    this.pointer = corner;
    if (this.isAtFirst(corner)) this.finish(pointer.opposite);
    else if (!this.isAtLast(corner)) this.set([...this.points, corner]);
  }

  override hover(pointer: ToolPointer | null): void {
    this.pointer = pointer ? this.clamped(pointer.targetPx) : undefined;
    this.show();
  }

  override drag(pointer: ToolPointer): void {
    this.hover(pointer);
  }

  override doublePress(pointer: ToolPointer): void {
    if (this.points.length > 0) this.finish(pointer.opposite);
  }

  /** Enter adds a corner; where the last one is already it closes, as a double click does. */
  override act(pointer: ToolPointer): void {
    if (this.isAtLast(this.clamped(pointer.targetPx))) this.finish(pointer.opposite);
    else this.press(pointer);
  }

  override finish(opposite: boolean): boolean {
    const { model, brush, say } = this.context;
    if (this.points.length === 0) return false;
    if (this.points.length < 3) {
      say('A polygon needs three corners.');
      return true;
    }
    const { classId } = model.facts;
    const ink = opposite ? eraserInk(classId, brush.erasesAll) : classInk(classId, brush.overOthers);
    const { points } = this;
    model.paint(opposite ? 'Erase Polygon' : 'Polygon', (labels) => fillPolygon(labels, points, ink));
    this.set([]);
    return true;
  }

  override cancel(): boolean {
    if (this.points.length === 0) return false;
    this.set([]);
    return true;
  }

  override removeLast(): boolean {
    if (this.points.length === 0) return false;
    this.set(this.points.slice(0, -1));
    return true;
  }

  override enter(): void {
    this.show();
  }

  override leave(): void {
    this.pointer = undefined;
    super.leave();
  }

  /** The corners are no pixels: they outlast what is below them. */
  override abandon(): void {}

  private set(points: readonly Point[]): void {
    this.points = points;
    this.context.keepPolygon(points);
    this.show();
  }

  private show(): void {
    const { points, pointer, context } = this;
    if (points.length === 0) context.screen.showDraft(null);
    else {
      const closing = pointer !== undefined && this.isAtFirst(pointer);
      const open = pointer && !closing && !this.isAtLast(pointer) ? [...points, pointer] : points;
      context.screen.showDraft({ kind: 'polygon', points: open, closing });
    }
  }

  private isAtFirst(point: Point): boolean {
    return this.points.length >= 3 && this.isNear(point, this.points[0], REACH);
  }

  private isAtLast(point: Point): boolean {
    const last = this.points.at(-1);
    return last !== undefined && this.isNear(point, last, SAME_PLACE);
  }

  private isNear(a: Point, b: Point, screenPx: number): boolean {
    return distance(a, b) * this.context.screen.viewport.scale <= screenPx;
  }

  /** Corners may lie on the image's very border, so that a polygon can reach into its corners. */
  private clamped({ x, y }: Point): Point {
    const { width, height } = this.context.model.labels.size;
    return { x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
  }
}
