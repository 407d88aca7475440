/** On top of all else: the highlighted prompt, and what a tool is drawing. */
import type { Point } from '../../src/core/geometry';
import type { Draft } from './draft';
import { strokeBox, strokeHighlight, strokeTwice } from './promptLayer';
import type { Marker } from './promptMarkers';
import type { Context, Sheet } from './sheet';
import type { DeviceFrame } from './viewport';

const LINE = '#ffffff';
/** What would be taken away, or where a polygon would close. */
const ACCENT = '#ffd23f';

const DASHES = [6, 4];

/** ScreenPx. */
const VERTEX_RADIUS = 3.5;
const CLOSING_RADIUS = 7;

export class DraftLayer {
  constructor(private readonly sheet: Sheet) {}

  draw(frame: DeviceFrame, pixelRatio: number, highlighted: Marker | null, draft: Draft | null): void {
    const { sheet } = this;
    const { context } = sheet;
    sheet.clear();
    if (!highlighted && !draft) return;
    sheet.drawn();
    if (highlighted) strokeHighlight(context, frame, pixelRatio, highlighted);
    if (draft?.kind === 'cursor') this.drawCursor(frame, pixelRatio, draft);
    if (draft?.kind === 'polygon') this.drawPolygon(frame, pixelRatio, draft);
    if (draft?.kind === 'box') strokeBox(context, frame, pixelRatio, draft.box, DASHES);
  }

  private drawCursor(frame: DeviceFrame, pixelRatio: number, draft: Draft & { kind: 'cursor' }): void {
    const { context } = this.sheet;
    const { x, y } = toDevice(frame, draft.centre);
    context.beginPath();
    context.arc(x, y, Math.max(1, draft.radius * frame.scale), 0, 2 * Math.PI);
    strokeTwice(context, pixelRatio, draft.erases ? ACCENT : LINE, 1.25, draft.erases ? [4, 3] : []);
  }

  private drawPolygon(frame: DeviceFrame, pixelRatio: number, { points, closing }: Draft & { kind: 'polygon' }): void {
    if (points.length === 0) return;
    const { context } = this.sheet;
    const corners = points.map((point) => toDevice(frame, point));
    context.beginPath();
    for (const { x, y } of corners) context.lineTo(x, y);
    if (closing) context.closePath();
    strokeTwice(context, pixelRatio, LINE, 1.5);
    context.beginPath();
    for (const { x, y } of corners) addDot(context, x, y, VERTEX_RADIUS * pixelRatio);
    context.fillStyle = LINE;
    strokeTwice(context, pixelRatio, LINE, 1);
    context.fill();
    if (!closing) return;
    context.beginPath();
    addDot(context, corners[0].x, corners[0].y, CLOSING_RADIUS * pixelRatio);
    strokeTwice(context, pixelRatio, ACCENT, 2);
  }
}

const toDevice = ({ left, top, scale }: DeviceFrame, { x, y }: Point): Point => ({
  x: left + x * scale,
  y: top + y * scale,
});

function addDot(context: Context, x: number, y: number, radius: number): void {
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, 2 * Math.PI);
}
