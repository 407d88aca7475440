/** Brush and eraser. */
import { Stroke } from '../../src/core/drawing/brush';
import { classInk, eraserInk, type Ink } from '../../src/core/drawing/ink';
import type { Point } from '../../src/core/geometry';
import { Tool, type ToolContext, type ToolPointer } from './tool';

export class BrushTool extends Tool {
  override readonly cursor = 'none';
  private stroke: Stroke | undefined;
  private erases = false;
  /** The last position shown, for a brush whose size changes under it. */
  private centre: Point | undefined;

  constructor(
    context: ToolContext,
    private readonly isEraser: boolean,
  ) {
    super(context);
  }

  override press(pointer: ToolPointer): void {
    const { model, brush } = this.context;
    this.release();
    this.erases = this.isEraser !== pointer.opposite;
    model.startStroke();
    this.stroke = new Stroke(model.labels, this.ink(), brush.diameter / 2);
    this.drag(pointer);
  }

  override drag(pointer: ToolPointer): void {
    const box = this.stroke?.moveTo(pointer.targetPx);
    if (box) this.context.screen.labelsChanged(box);
    this.show(pointer.targetPx);
  }

  override release(): void {
    const { stroke } = this;
    if (!stroke) return;
    this.stroke = undefined;
    this.context.model.endStroke(this.erases ? 'Erase' : 'Brush', stroke.change());
    this.erases = this.isEraser;
    this.refresh();
  }

  override hover(pointer: ToolPointer | null): void {
    if (this.stroke) {
      // Put down with the keyboard.
      if (pointer) this.drag(pointer);
      return;
    }
    this.erases = this.isEraser !== (pointer?.opposite ?? false);
    if (pointer) this.show(pointer.targetPx);
    else this.hide();
  }

  /** Enter puts the brush down or lifts it up. */
  override act(pointer: ToolPointer): void {
    if (this.stroke) this.release();
    else this.press(pointer);
  }

  override refresh(): void {
    if (this.centre) this.show(this.centre);
  }

  override cancel(): boolean {
    const { stroke } = this;
    if (!stroke) return false;
    this.stroke = undefined;
    this.context.model.dropStroke(stroke.change());
    return true;
  }

  override leave(): void {
    this.release();
    this.hide();
  }

  override abandon(): void {
    this.stroke = undefined;
  }

  private ink(): Ink {
    const { brush, model } = this.context;
    const { classId } = model.facts;
    return this.erases ? eraserInk(classId, brush.erasesAll) : classInk(classId, brush.overOthers);
  }

  private show(centre: Point): void {
    this.centre = centre;
    const radius = this.context.brush.diameter / 2;
    this.context.screen.showDraft({ kind: 'cursor', centre, radius, erases: this.erases });
  }

  private hide(): void {
    this.centre = undefined;
    this.context.screen.showDraft(null);
  }
}
