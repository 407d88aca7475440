/**
 * What a tool of the canvas is: it gets pointers in the frame of the image and acts on the document through its
 * context.
 */
import type { Box, Point, Size } from '../../src/core/geometry';
import type { Draft } from '../canvas/draft';
import type { PromptHit } from '../canvas/promptMarkers';
import { isInside, type PageModel } from '../document/pageModel';
import type { PromptDesk } from '../document/promptDesk';
import type { BrushSettings } from '../document/viewState';

/** A pointer, or the keyboard's cursor, over the canvas. */
export interface ToolPointer {
  readonly screenPx: Point;
  /** May lie outside the image. */
  readonly targetPx: Point;
  /** Right button or Shift: the opposite of what the tool does. */
  readonly opposite: boolean;
  /** When it happened, as `performance.now()`. */
  readonly since: number;
}

/** What tools need of the viewer. */
interface ToolScreen {
  showDraft(draft: Draft | null): void;
  labelsChanged(box: Box): void;
  hitPrompt(screenPx: Point): PromptHit | null;
  readonly viewport: { readonly scale: number };
}

export interface ToolContext {
  readonly model: PageModel;
  readonly desk: PromptDesk;
  readonly screen: ToolScreen;
  readonly brush: BrushSettings;
  /** Keeps an unfinished polygon for a page that is reloaded. */
  keepPolygon(points: readonly Point[]): void;
  say(text: string): void;
}

/**
 * A press is followed by drags and one release; without a press there are hovers. Tools that do not care do nothing.
 */
export abstract class Tool {
  /** As CSS names it. */
  readonly cursor: string = 'crosshair';
  /** Whether a press on an automatic point that nobody works on yet takes it up. */
  readonly adopts: boolean = false;

  constructor(protected readonly context: ToolContext) {}

  press(_pointer: ToolPointer): void {}
  drag(_pointer: ToolPointer): void {}
  release(_pointer: ToolPointer): void {}
  /** Null: the pointer has left the canvas. */
  hover(_pointer: ToolPointer | null): void {}
  doublePress(_pointer: ToolPointer): void {}

  /** Enter at the keyboard's cursor: as a click, for tools that drag only the one or the other half of it. */
  act(pointer: ToolPointer): void {
    this.press(pointer);
    this.release(pointer);
  }

  /** Takes up what was left unfinished, where that is kept. */
  enter(): void {}

  /** The settings of tools have changed. */
  refresh(): void {}

  /** Another tool is chosen, or the page goes away: ends what is being dragged. */
  leave(): void {
    this.context.screen.showDraft(null);
  }

  /** The labels have been replaced: what is being drawn is lost. */
  abandon(): void {
    this.context.screen.showDraft(null);
  }

  /** These four say whether there was anything to do. */
  finish(_opposite: boolean): boolean {
    return false;
  }
  cancel(): boolean {
    return false;
  }
  /** Backspace. */
  removeLast(): boolean {
    return false;
  }
  /** Delete, where no point is under the pointer or was touched last. */
  removeSelected(): boolean {
    return false;
  }
}

/** Drags the image, which every tool can do with Space or the middle button: nothing is left for the tool itself. */
export class PanTool extends Tool {
  override readonly cursor = 'grab';
}

/** The nearest point of the image, never beyond the centre of an outermost pixel unless the point lies there itself. */
export function clampToImage(point: Point, size: Size): Point {
  if (isInside(point, size)) return point;
  return {
    x: Math.min(Math.max(point.x, 0.5), size.width - 0.5),
    y: Math.min(Math.max(point.y, 0.5), size.height - 0.5),
  };
}
