/** Positive and negative points, answered by the segmenter. */
import { distance } from '../../src/core/geometry';
import type { PromptsEdit } from '../../src/protocol/editorApi';
import { movedPoint, type Touched } from '../promptDesk';
import { clampToImage, isInside, Tool, type ToolContext, type ToolPointer } from './tool';

/** ScreenPx that a press may wander and still be a click. */
const CLICK_SLACK = 3;

interface Drag extends Touched {
  readonly start: ToolPointer;
  moved: boolean;
}

export class PointTool extends Tool {
  private held: Drag | undefined;
  /** Whether the last two presses met a point that was there before: then a double press flips it. */
  private met: readonly [boolean, boolean] = [false, false];
  /** Index of the point that was touched last. */
  private selected: number | undefined;

  constructor(
    context: ToolContext,
    private readonly label: 0 | 1,
  ) {
    super(context);
  }

  override press(pointer: ToolPointer): void {
    const { desk, model, screen } = this.context;
    const hit = screen.hitPrompt(pointer.screenPx);
    const touched = hit && desk.touch(hit);
    this.met = [this.met[1], touched?.isNew === false];
    if (pointer.removes) {
      if (hit) desk.removeTouched(hit, pointer.since);
    } else if (touched) {
      this.selected = touched.index;
      this.held = { ...touched, start: pointer, moved: false };
    } else if (isInside(pointer.targetPx, model.labels.size)) {
      this.selected = desk.prompts.points.length;
      desk.add({ point: pointer.targetPx, label: this.labelFor(pointer) }, pointer.since);
    }
  }

  override drag(pointer: ToolPointer): void {
    const { held, context } = this;
    if (!held) return;
    held.moved ||= distance(pointer.screenPx, held.start.screenPx) > CLICK_SLACK;
    if (held.moved) context.desk.show(this.draggedTo(held, pointer));
  }

  override release(pointer: ToolPointer): void {
    const { held, context } = this;
    this.held = undefined;
    if (!held) return;
    if (held.moved) context.desk.ask('Move Point', this.draggedTo(held, pointer), pointer.since);
    else if (held.isNew) context.desk.ask('Adopt Automatic Points', held.prompts, pointer.since);
  }

  override doublePress(pointer: ToolPointer): void {
    if (this.met[0] && this.met[1]) this.flipAt(pointer);
  }

  /** Enter adds a point, or flips the one that is there. */
  override act(pointer: ToolPointer): void {
    if (pointer.removes || !this.flipAt(pointer)) super.act(pointer);
  }

  override cancel(): boolean {
    if (!this.held) return false;
    this.held = undefined;
    this.context.desk.show(null);
    return true;
  }

  override leave(): void {
    this.cancel();
    this.selected = undefined;
    super.leave();
  }

  override removeLast(): boolean {
    const { desk } = this.context;
    const last = desk.prompts.points.length - 1;
    desk.remove(last, performance.now());
    return last >= 0;
  }

  override removeSelected(): boolean {
    const { desk } = this.context;
    const { selected } = this;
    if (selected === undefined || !(selected in desk.prompts.points)) return false;
    this.selected = undefined;
    desk.remove(selected, performance.now());
    return true;
  }

  private flipAt({ screenPx, since }: ToolPointer): boolean {
    const { desk, screen } = this.context;
    const hit = screen.hitPrompt(screenPx);
    if (hit?.kind !== 'session') return false;
    desk.flip(hit.index, since);
    return true;
  }

  private draggedTo({ prompts, index }: Drag, pointer: ToolPointer): PromptsEdit {
    return movedPoint(prompts, index, clampToImage(pointer.targetPx, this.context.model.labels.size));
  }

  private labelFor({ opposite }: ToolPointer): 0 | 1 {
    return opposite ? (this.label === 1 ? 0 : 1) : this.label;
  }
}
