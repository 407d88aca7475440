/** Fills the region under the pointer, or takes it away. */
import { floodFill } from '../../src/core/drawing/floodFill';
import { isInside, Tool, type ToolPointer } from './tool';

export class FillTool extends Tool {
  override press({ targetPx, opposite }: ToolPointer): void {
    const { model, say } = this.context;
    const { labels, facts } = model;
    if (!isInside(targetPx, labels.size)) return;
    const value = opposite ? 0 : facts.classId;
    const under = labels.data[Math.floor(targetPx.y) * labels.size.width + Math.floor(targetPx.x)];
    if (under !== value) {
      model.paint(opposite ? 'Remove Region' : 'Fill', () => floodFill(labels, targetPx, value));
    } else if (opposite) {
      say('There is nothing to take away here.');
    } else {
      say(`This region is ${facts.classes.find(({ id }) => id === value)?.name ?? 'of the class'} already.`);
    }
  }
}
