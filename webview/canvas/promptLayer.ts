/**
 * Prompts as markers of constant size. Positive ones are round and have a plus, negative ones are square with a minus.
 */
import { type Box, type Size, sameSize } from '../../src/core/geometry';
import { MARKER_RADIUS, type Marker, type MarkerLook } from './promptMarkers';
import type { Context, Sheet } from './sheet';
import type { DeviceFrame } from './viewport';

const GREEN = '#1a9c46';
const RED = '#d9302c';
const LIGHT = '#ffffff';
/** Around everything, so that it shows on any picture. */
const DARK = 'rgb(0 0 0 / 75%)';

/** ScreenPx around a marker that its lines take. */
const PADDING = 2;

/** ScreenPx by which the canvas is larger than the screen on each side, so that the image can move under it. */
const MARGIN = 200;

/** What was drawn last. */
interface Drawn {
  readonly frame: DeviceFrame;
  readonly pixelRatio: number;
  readonly markers: readonly Marker[];
  readonly box: Box | null;
}

export class PromptLayer {
  /** Drawn once for each look, since there may be thousands of each. */
  private readonly sprites = new Map<string, ImageBitmap>();
  private drawn: Drawn | null = null;

  constructor(private readonly sheet: Sheet) {}

  /** Draws the markers, or only moves what is drawn where the image has moved a little. */
  draw(frame: DeviceFrame, pixelRatio: number, markers: readonly Marker[], box: Box | null): void {
    const { sheet, drawn } = this;
    const { context } = sheet;
    const margin = Math.round(MARGIN * pixelRatio);
    if (drawn && drawn.markers === markers && drawn.box === box && sameScreen(drawn, frame, pixelRatio)) {
      const dx = frame.left - drawn.frame.left;
      const dy = frame.top - drawn.frame.top;
      if (Math.abs(dx) <= margin && Math.abs(dy) <= margin) {
        context.canvas.style.transform = `translate(${dx / pixelRatio}px, ${dy / pixelRatio}px)`;
        return;
      }
    }
    if (drawn?.pixelRatio !== pixelRatio) this.sprites.clear();
    this.drawn = { frame, pixelRatio, markers, box };
    const size = { width: frame.size.width + 2 * margin, height: frame.size.height + 2 * margin };
    fitCanvas(context.canvas, size, margin, pixelRatio);
    sheet.clear();
    if (markers.length === 0 && box === null) return;
    sheet.drawn();
    const wide = { size, scale: frame.scale, left: frame.left + margin, top: frame.top + margin };
    if (box !== null) strokeBox(context, wide, pixelRatio, box, []);
    for (const { point, look, label } of markers) {
      const sprite = this.sprite(look, label, pixelRatio);
      const x = Math.round(wide.left + point.x * wide.scale - sprite.width / 2);
      const y = Math.round(wide.top + point.y * wide.scale - sprite.height / 2);
      if (x < size.width && y < size.height && x > -sprite.width && y > -sprite.height) context.drawImage(sprite, x, y);
    }
  }

  private sprite(look: MarkerLook, label: 0 | 1, pixelRatio: number): ImageBitmap {
    const name = `${look}${label}`;
    let sprite = this.sprites.get(name);
    if (!sprite) {
      sprite = drawSprite(look, label, pixelRatio);
      this.sprites.set(name, sprite);
    }
    return sprite;
  }
}

const sameScreen = ({ frame, pixelRatio }: Drawn, other: DeviceFrame, otherRatio: number): boolean =>
  sameSize(frame.size, other.size) && frame.scale === other.scale && pixelRatio === otherRatio;

/** Lays a canvas of `size` devicePx over the screen, reaching `margin` devicePx over it on each side. */
function fitCanvas(canvas: HTMLCanvasElement, size: Size, margin: number, pixelRatio: number): void {
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
  Object.assign(canvas.style, {
    inset: `${-margin / pixelRatio}px auto auto ${-margin / pixelRatio}px`,
    width: `${size.width / pixelRatio}px`,
    height: `${size.height / pixelRatio}px`,
    transform: '',
  });
}

/** A ring around a marker that is hovered or chosen by key. */
export function strokeHighlight(context: Context, frame: DeviceFrame, pixelRatio: number, marker: Marker): void {
  const x = frame.left + marker.point.x * frame.scale;
  const y = frame.top + marker.point.y * frame.scale;
  context.beginPath();
  context.arc(x, y, (MARKER_RADIUS[marker.look] + 5) * pixelRatio, 0, 2 * Math.PI);
  strokeTwice(context, pixelRatio, LIGHT, 2.5);
}

/** The outline of a box (targetPx). */
export function strokeBox(
  context: Context,
  frame: DeviceFrame,
  pixelRatio: number,
  box: Box,
  dashes: readonly number[],
): void {
  const left = Math.round(frame.left + box.left * frame.scale);
  const top = Math.round(frame.top + box.top * frame.scale);
  const right = Math.round(frame.left + box.right * frame.scale);
  const bottom = Math.round(frame.top + box.bottom * frame.scale);
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  strokeTwice(context, pixelRatio, LIGHT, 1.5, dashes);
}

/** Strokes the current path in a colour with a dark rim on both sides; widths and dashes in screenPx. */
export function strokeTwice(
  context: Context | OffscreenCanvasRenderingContext2D,
  pixelRatio: number,
  colour: string,
  width: number,
  dashes: readonly number[] = [],
  rim = 1,
): void {
  context.strokeStyle = DARK;
  context.lineWidth = (width + 2 * rim) * pixelRatio;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width * pixelRatio;
  context.setLineDash(dashes.map((length) => length * pixelRatio));
  context.stroke();
  context.setLineDash([]);
}

function drawSprite(look: MarkerLook, label: 0 | 1, pixelRatio: number): ImageBitmap {
  const radius = MARKER_RADIUS[look];
  const side = 2 * Math.ceil((radius + PADDING) * pixelRatio);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('the browser gives no more canvas contexts');
  const colour = label === 1 ? GREEN : RED;
  const centre = side / 2;
  const r = radius * pixelRatio;
  context.beginPath();
  if (label === 1) context.arc(centre, centre, r, 0, 2 * Math.PI);
  // A square of about the area of the circle.
  else context.rect(centre - 0.88 * r, centre - 0.88 * r, 1.76 * r, 1.76 * r);
  if (look === 'rejected') {
    strokeTwice(context, pixelRatio, colour, 1.5, [], 0.5);
    return canvas.transferToImageBitmap();
  }
  context.fillStyle = colour;
  strokeTwice(context, pixelRatio, look === 'session' ? LIGHT : colour, look === 'session' ? 2 : 1);
  context.fill();
  if (look === 'session') {
    context.strokeStyle = LIGHT;
    context.lineWidth = 2 * pixelRatio;
    context.stroke();
  }
  drawSign(context, centre, 0.55 * r, label, pixelRatio);
  return canvas.transferToImageBitmap();
}

function drawSign(
  context: OffscreenCanvasRenderingContext2D,
  centre: number,
  reach: number,
  label: 0 | 1,
  ratio: number,
): void {
  context.beginPath();
  context.moveTo(centre - reach, centre);
  context.lineTo(centre + reach, centre);
  if (label === 1) {
    context.moveTo(centre, centre - reach);
    context.lineTo(centre, centre + reach);
  }
  context.strokeStyle = LIGHT;
  context.lineWidth = 2 * ratio;
  context.stroke();
}
