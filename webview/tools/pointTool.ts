/** Sets positive and negative points, answered by the segmenter. */
import { isInside } from '../document/pageModel';
import { Tool, type ToolContext, type ToolPointer } from './tool';

export class PointTool extends Tool {
  override readonly adopts = true;

  constructor(
    context: ToolContext,
    private readonly label: 0 | 1,
  ) {
    super(context);
  }

  override press(pointer: ToolPointer): void {
    const { desk, model } = this.context;
    if (!isInside(pointer.targetPx, model.labels.size)) return;
    desk.selected = desk.prompts.points.length;
    desk.add({ point: pointer.targetPx, label: this.labelFor(pointer) }, pointer.since);
  }

  override removeLast(): boolean {
    const { desk } = this.context;
    const last = desk.prompts.points.length - 1;
    desk.remove(last, performance.now());
    return last >= 0;
  }

  private labelFor({ opposite }: ToolPointer): 0 | 1 {
    return opposite ? (this.label === 1 ? 0 : 1) : this.label;
  }
}
