/** All tools of the canvas. */
import type { Point } from '../../src/core/geometry';
import type { CanvasTool } from '../../src/protocol/contributions';
import { BoxTool } from './boxTool';
import { BrushTool } from './brushTool';
import { FillTool } from './fillTool';
import { PointTool } from './pointTool';
import { PolygonTool } from './polygonTool';
import { PanTool, type Tool, type ToolContext } from './tool';

/** @param polygon corners of one that an earlier page has left unfinished, in targetPx */
export function makeTools(context: ToolContext, polygon: readonly Point[]): Readonly<Record<CanvasTool, Tool>> {
  const polygonTool = new PolygonTool(context);
  polygonTool.resume(polygon);
  return {
    pan: new PanTool(context),
    positive: new PointTool(context, 1),
    negative: new PointTool(context, 0),
    box: new BoxTool(context),
    brush: new BrushTool(context, false),
    eraser: new BrushTool(context, true),
    polygon: polygonTool,
    fill: new FillTool(context),
  };
}
