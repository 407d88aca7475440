/** What a page keeps when it is hidden or reloaded: how a person looks at the document, never the document itself. */
import type { Point, Size } from '../../src/core/geometry';
import { CANVAS_TOOLS, type CanvasTool } from '../../src/protocol/contributions';
import { DEFAULT_STYLE, type LayerStyle } from '../canvas/layerStyle';

export interface ViewState {
  readonly tool: CanvasTool;
  readonly brush: BrushSettings;
  readonly style: LayerStyle;
  readonly panelOpen: boolean;
  /** The same in a narrow page, where the panel takes from the picture. */
  readonly panelOpenNarrow: boolean;
  /** Sections of the panel that are folded. */
  readonly folded: readonly string[];
  /** Null: the whole image. */
  readonly place: ViewPlace | null;
  /** Corners of an unfinished polygon, in targetPx. */
  readonly polygon: readonly Point[];
}

export interface BrushSettings {
  /** In targetPx, of brush and eraser. */
  readonly diameter: number;
  /** The brush writes over other classes too. */
  readonly overOthers: boolean;
  /** The eraser takes all classes. */
  readonly erasesAll: boolean;
}

/** Pages narrower than this, in px, have little room beside the picture. */
export const NARROW_BELOW = 680;

/** Where a person was in the image. */
export interface ViewPlace {
  /** Size of that image: the place means nothing in another one. */
  readonly target: Size;
  /** ScreenPx per targetPx. */
  readonly scale: number;
  /** TargetPx at the centre of the screen. */
  readonly centre: Point;
}

export const BRUSH_LIMITS = { least: 1, most: 1000 } as const;

const DEFAULT_VIEW_STATE: ViewState = {
  tool: 'pan',
  brush: { diameter: 24, overOthers: false, erasesAll: false },
  style: DEFAULT_STYLE,
  panelOpen: true,
  panelOpenNarrow: false,
  folded: [],
  place: null,
  polygon: [],
};

/** Takes what an earlier page has kept, perhaps of another version: whatever is not as expected is as at first. */
export function readViewState(kept: unknown): ViewState {
  const fallback = DEFAULT_VIEW_STATE;
  const saved = recordOf(kept);
  const brush = recordOf(saved.brush);
  return {
    tool: CANVAS_TOOLS.find((tool) => tool === saved.tool) ?? fallback.tool,
    brush: {
      diameter: numberIn(brush.diameter, BRUSH_LIMITS.least, BRUSH_LIMITS.most) ?? fallback.brush.diameter,
      overOthers: booleanOr(brush.overOthers, fallback.brush.overOthers),
      erasesAll: booleanOr(brush.erasesAll, fallback.brush.erasesAll),
    },
    style: styleOf(saved.style),
    panelOpen: booleanOr(saved.panelOpen, fallback.panelOpen),
    panelOpenNarrow: booleanOr(saved.panelOpenNarrow, fallback.panelOpenNarrow),
    folded: listOf(saved.folded).filter((name): name is string => typeof name === 'string'),
    place: placeOf(saved.place),
    polygon: listOf(saved.polygon)
      .map(pointOf)
      .filter((point) => point !== undefined),
  };
}

/**
 * The next brush size up or down: single pixels while it is small, then steps of about a quarter, so that any size is a
 * few keys away.
 */
export function steppedDiameter(diameter: number, direction: 1 | -1): number {
  const step = diameter < 8 || (diameter === 8 && direction < 0) ? 1 : Math.max(2, Math.round(diameter / 4 / 2) * 2);
  const next = Math.round(diameter) + direction * (direction > 0 ? step : Math.max(1, Math.round(step * 0.8)));
  return Math.min(BRUSH_LIMITS.most, Math.max(BRUSH_LIMITS.least, next));
}

function styleOf(kept: unknown): LayerStyle {
  const saved = recordOf(kept);
  const { low, high } = recordOf(saved.brightness);
  const fallback = DEFAULT_STYLE;
  return {
    brightness: {
      low: numberIn(low, 0, 255) ?? fallback.brightness.low,
      high: numberIn(high, 0, 255) ?? fallback.brightness.high,
    },
    maskOpacity: numberIn(saved.maskOpacity, 0, 1) ?? fallback.maskOpacity,
    maskVisible: booleanOr(saved.maskVisible, fallback.maskVisible),
    promptsVisible: booleanOr(saved.promptsVisible, fallback.promptsVisible),
    rejectedVisible: booleanOr(saved.rejectedVisible, fallback.rejectedVisible),
    heatMapVisible: booleanOr(saved.heatMapVisible, fallback.heatMapVisible),
    heatMapOpacity: numberIn(saved.heatMapOpacity, 0, 1) ?? fallback.heatMapOpacity,
  };
}

function placeOf(kept: unknown): ViewPlace | null {
  const saved = recordOf(kept);
  const target = recordOf(saved.target);
  const width = numberIn(target.width, 1, Number.MAX_SAFE_INTEGER);
  const height = numberIn(target.height, 1, Number.MAX_SAFE_INTEGER);
  const scale = numberIn(saved.scale, Number.MIN_VALUE, Number.MAX_VALUE);
  const centre = pointOf(saved.centre);
  if (width === undefined || height === undefined || scale === undefined || centre === undefined) return null;
  return { target: { width, height }, scale, centre };
}

function pointOf(kept: unknown): Point | undefined {
  const { x, y } = recordOf(kept);
  return Number.isFinite(x) && Number.isFinite(y) ? { x: x as number, y: y as number } : undefined;
}

const recordOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const booleanOr = (value: unknown, fallback: boolean): boolean => (typeof value === 'boolean' ? value : fallback);

const numberIn = (value: unknown, least: number, most: number): number | undefined =>
  typeof value === 'number' && value >= least && value <= most ? value : undefined;
