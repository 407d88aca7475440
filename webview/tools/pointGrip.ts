/**
 * Points that are worked on obey in every tool: they are dragged, flipped and removed where they are, and only a press
 * beside them is the tool's. Automatic ones that nobody works on yet are taken up with a point tool.
 */
import { distance } from '../../src/core/geometry';
import type { PromptsEdit } from '../../src/protocol/editorApi';
import { movedPoint, type Touched } from '../document/promptDesk';
import { clampToImage, type ToolContext, type ToolPointer } from './tool';

/** ScreenPx that a press may wander and still be a click. */
const CLICK_SLACK = 3;

interface Drag extends Touched {
  readonly start: ToolPointer;
  moved: boolean;
}

export class PointGrip {
  private held: Drag | undefined;
  /** Whether the last two presses met a point that was there before: then a double press flips it. */
  private met: readonly [boolean, boolean] = [false, false];

  constructor(private readonly context: Pick<ToolContext, 'desk' | 'model' | 'screen'>) {}

  /** Whether a press would be for a point. @param adopts automatic ones that are not worked on too */
  isOver({ screenPx }: Pick<ToolPointer, 'screenPx'>, adopts: boolean): boolean {
    return this.touch(screenPx, adopts) !== null;
  }

  /** Takes the press if there is a point under it, and says so. With the other button, or Shift, the point goes. */
  press(pointer: ToolPointer, adopts: boolean): boolean {
    const { desk } = this.context;
    const touched = this.touch(pointer.screenPx, adopts);
    this.met = [this.met[1], touched?.isNew === false];
    desk.selected = touched?.index;
    if (!touched) return false;
    if (pointer.opposite) desk.removeTouched(touched, pointer.since);
    else this.held = { ...touched, start: pointer, moved: false };
    return true;
  }

  drag(pointer: ToolPointer): void {
    const { held } = this;
    if (!held) return;
    held.moved ||= distance(pointer.screenPx, held.start.screenPx) > CLICK_SLACK;
    if (held.moved) this.context.desk.show(this.draggedTo(held, pointer));
  }

  release(pointer: ToolPointer): void {
    const { held } = this;
    const { desk } = this.context;
    this.held = undefined;
    if (!held) return;
    if (held.moved) desk.ask('Move Point', this.draggedTo(held, pointer), pointer.since);
    else if (held.isNew) desk.ask('Adopt Automatic Points', held.prompts, pointer.since);
  }

  /** Flips the point that both presses met; says whether the double press was for one. */
  doublePress(pointer: ToolPointer): boolean {
    if (!this.met[1]) return false;
    if (this.met[0]) this.flipAt(pointer);
    return true;
  }

  /** Enter at the keyboard's cursor: flips the point there, or as a press does. */
  act(pointer: ToolPointer, adopts: boolean): boolean {
    if (!pointer.opposite && this.flipAt(pointer)) return true;
    if (!this.press(pointer, adopts)) return false;
    this.release(pointer);
    return true;
  }

  /** Lets go of what is being dragged, which goes back; says whether there was anything. */
  cancel(): boolean {
    if (!this.held) return false;
    this.held = undefined;
    this.context.desk.show(null);
    return true;
  }

  private touch(screenPx: ToolPointer['screenPx'], adopts: boolean): Touched | null {
    const { desk, screen } = this.context;
    const hit = screen.hitPrompt(screenPx);
    return hit && (adopts || hit.kind === 'session') ? desk.touch(hit) : null;
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
}
