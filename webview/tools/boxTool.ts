/** A box around the object, answered by the segmenter. A new one takes the place of the one before. */
import type { Box, Point } from '../../src/core/geometry';
import { Tool, type ToolPointer } from './tool';

/** Boxes with a side below this many screenPx are slips of the hand. */
const LEAST_SIDE = 3;

export class BoxTool extends Tool {
  private from: Point | undefined;

  override press(pointer: ToolPointer): void {
    if (pointer.opposite) this.context.desk.setBox(null, pointer.since);
    else this.from = pointer.targetPx;
  }

  override drag(pointer: ToolPointer): void {
    const box = this.boxTo(pointer.targetPx);
    if (box) this.context.screen.showDraft({ kind: 'box', box });
  }

  override release(pointer: ToolPointer): void {
    const { screen, desk } = this.context;
    const box = this.boxTo(pointer.targetPx);
    this.from = undefined;
    screen.showDraft(null);
    if (!box) return;
    const side = Math.min(box.right - box.left, box.bottom - box.top) * screen.viewport.scale;
    if (side >= LEAST_SIDE) desk.setBox(box, pointer.since);
  }

  /** Enter marks one corner, then the other. */
  override act(pointer: ToolPointer): void {
    if (this.from) this.release(pointer);
    else this.press(pointer);
  }

  override hover(pointer: ToolPointer | null): void {
    if (pointer) this.drag(pointer);
  }

  override cancel(): boolean {
    if (!this.from) return false;
    this.from = undefined;
    this.context.screen.showDraft(null);
    return true;
  }

  override leave(): void {
    this.from = undefined;
    super.leave();
  }

  override removeSelected(): boolean {
    const { desk } = this.context;
    if (!desk.prompts.box) return false;
    desk.setBox(null, performance.now());
    return true;
  }

  private boxTo(to: Point): Box | undefined {
    const { from } = this;
    if (!from) return undefined;
    const { width, height } = this.context.model.labels.size;
    const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    return {
      left: within(Math.min(from.x, to.x), width),
      top: within(Math.min(from.y, to.y), height),
      right: within(Math.max(from.x, to.x), width),
      bottom: within(Math.max(from.y, to.y), height),
    };
  }
}
