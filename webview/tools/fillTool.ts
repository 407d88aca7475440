/** Fills the region under the pointer, or takes it away. */
import { floodFill } from '../../src/core/drawing/floodFill';
import { Tool, type ToolPointer } from './tool';

export class FillTool extends Tool {
  override press({ targetPx, opposite }: ToolPointer): void {
    const { model, say } = this.context;
    const { labels, facts } = model;
    const under = model.pixelAt(targetPx);
    if (!under) return;
    const value = opposite ? 0 : facts.classId;
    if (under.value !== value) {
      model.paint(opposite ? 'Remove Region' : 'Fill', () => floodFill(labels, targetPx, value));
    } else if (opposite) {
      say('There is nothing to take away here.');
    } else {
      say(`This region is ${facts.classes.find(({ id }) => id === value)?.name ?? 'of the class'} already.`);
    }
  }
}
