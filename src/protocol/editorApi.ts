/**
 * The calls between the label editor's page (webview) and the extension host, and the data they carry. The host owns
 * the document: labels, prompts, undo. The page owns what is on screen: zoom, tool, opacity.
 */

import type { LabelChange } from '../core/drawing/labelChange';
import type { Box, Size } from '../core/geometry';
import type { LabelRuns } from '../core/pixels/labelMap';
import type { RunMask } from '../core/pixels/mask';
import type { FloatMap } from '../core/pixels/raster';
import type { PromptCandidate } from '../core/prompting/prompts';
import type { PointPrompt, SegmenterCapabilities } from '../core/prompting/segmenter';
import type { CanvasAction, PageCommand } from './contributions';
import type { IntensityWindow } from './engineApi';

/** What the page asks of the host. Every call that changes the document is one undoable edit. */
export interface EditorApi {
  /** Called once by a page that is ready to be filled, also after a reload. */
  ready(): EditorState;
  /** Pixels that the page has painted (brush, eraser, polygon, fill, clear) and already shows. */
  paint(params: { label: string; change: LabelChange }): void;
  /**
   * Asks the segmenter with these prompts in place of the ones before and puts its answer into the labels; a newer call
   * replaces one that still waits. No points and no box ends the session like `discardPrompts`.
   */
  prompt(params: { label: string; prompts: PromptsEdit }): PromptAnswer;
  /** Ends the prompt session: its pixels stay, its prompts go. */
  finishPrompts(): void;
  /** Ends the prompt session and takes its pixels back. */
  discardPrompts(): void;
  /** The class that new pixels get, and that commands mean. */
  selectClass(params: { classId: number }): void;
  /** Adds a class to the project, selects it, and gives its id. */
  addClass(params: { name: string; colour: string }): { readonly classId: number };
  /**
   * What images of more than 8 bits are shown through from now on; null: their own percentiles. Never seen by an
   * encoder.
   */
  setDisplayWindow(params: { window: IntensityWindow | null }): void;
  /** A command of the extension or one of VS Code's own that the page offers as a button. */
  run(params: { command: PageCommand }): void;
  /** Whether the canvas has the keyboard: keys act on it only then. */
  setCanvasFocus(params: { focused: boolean }): void;
  /** A line for the log: an error in the page, or a time measured there. */
  log(params: { level: 'info' | 'error'; message: string }): void;
}

/** What the host tells the page. */
export interface ViewApi {
  /** Replaces everything: after a revert, a restore, or when the mask on disk has changed. */
  reset(params: EditorState): void;
  /** The document has changed otherwise than by this page's own `paint`. `change` fits the labels that the page has. */
  update(params: DocumentUpdate): void;
  /** The picture, when its tiles are made or its display window has changed. */
  showImage(params: DisplayImage): void;
  /** Classes, status and whatever else stands beside the picture. */
  showFacts(params: DocumentFacts): void;
  /** A key or command of VS Code that is meant for the canvas. */
  act(params: { action: CanvasAction }): void;
  /** A sentence about what is going on; `busy` until the next one. */
  say(params: { text: string; busy: boolean }): void;
}

/** Everything that a page shows. */
export interface EditorState {
  readonly image: DisplayImage;
  readonly labels: LabelRuns;
  /** The automatic result that the labels come from; null where there is none (yet, or after a person's own work). */
  readonly automatic: AutomaticResult | null;
  readonly session: PromptSession | null;
  readonly facts: DocumentFacts;
}

/** A change of the document as every page gets it. Undo and redo arrive the same way. */
export interface DocumentUpdate {
  /** Null: pixels stay. */
  readonly change: LabelChange | null;
  readonly automatic: AutomaticResult | null;
  readonly session: PromptSession | null;
  readonly facts: DocumentFacts;
}

/** The image as webview resources. */
export interface DisplayImage {
  /** EXIF-upright, in targetPx. */
  readonly size: Size;
  /** URI of the whole image in one picture, long side at most 1024 px. */
  readonly overview: string;
  /** Null until they are made. */
  readonly tiles: TilePyramid | null;
  /** Bits per channel in the file. */
  readonly depth: number;
  /** What an image of more than 8 bits is shown through; null for others. */
  readonly window: IntensityWindow | null;
}

/** As `TileFiles`, with a URI: tiles are `<base>/<level>/<column>_<row>.png`. */
interface TilePyramid {
  readonly base: string;
  readonly tileSize: number;
  readonly levels: number;
}

export interface ClassInfo {
  /** 1 to 254, the pixel value. */
  readonly id: number;
  readonly name: string;
  /** As #rrggbb. */
  readonly colour: string;
}

/** What is known of the document beside its pixels. */
export interface DocumentFacts {
  /** Name of the image for headings. */
  readonly name: string;
  readonly classes: readonly ClassInfo[];
  /** Class that is painted and prompted with. */
  readonly classId: number;
  /** What the journal says of the class in this image; null where it says nothing. */
  readonly status: 'auto' | 'accepted' | 'edited' | 'absent' | 'failed' | null;
  /** Unsaved edits. */
  readonly dirty: boolean;
  /** Why nothing can be changed (file system, workspace not trusted, size), or null. */
  readonly readOnly: string | null;
  /** Nothing can be changed because the workspace is not trusted. */
  readonly needsTrust: boolean;
  /** Why the last run failed at the class in this image, or null. */
  readonly failure: string | null;
  /** This image and mask are a reference of the class. */
  readonly isReference: boolean;
  /** Name of the reference image that Segment Image uses; null where the class has none. */
  readonly reference: string | null;
  /** How many further references of the class vote with it. */
  readonly voters: number;
  /** The mask on disk is no longer the one that was opened, and there are unsaved edits. */
  readonly changedOnDisk: boolean;
  /** Of the segmenter; null until the engine has told. */
  readonly capabilities: SegmenterCapabilities | null;
}

/** An automatic prompt. What it was matched with is known only of a result that was made while the image was open. */
export type AutomaticPrompt = Pick<PromptCandidate, 'point' | 'label' | 'reason' | 'instance'> &
  Partial<PromptCandidate>;

/** What Segment Image gave, or what the journal has of the run that the mask comes from. */
export interface AutomaticResult {
  readonly classId: number;
  /**
   * All automatic prompts, the rejected ones too, each with its reason; of a result in the journal only those that were
   * kept. In targetPx.
   */
  readonly candidates: readonly AutomaticPrompt[];
  /**
   * Foreground prior on the patch grid, positive where it looks like the object; null where the strategy makes none.
   */
  readonly heatMap: FloatMap | null;
  /**
   * The Dice to be expected of the mask, 0 to 1; null where nothing was found, or the strategy does not judge its
   * masks.
   */
  readonly trust: number | null;
  /** What trust was made of, by name; null for a part that could not be had. */
  readonly trustParts: Readonly<Record<string, number | null>>;
  /** The IoU to be expected of the mask, null where no segmenter was asked. */
  readonly iouPrediction: number | null;
  readonly outcome: 'mask' | 'absent';
  readonly notes: readonly string[];
  /** Milliseconds per stage, and in total, as far as they are known. */
  readonly times: Readonly<Record<string, number>>;
  /** Null where it is not known. */
  readonly device: string | null;
}

/** Prompts that are being worked on: the segmenter's answer to them is part of the labels until the session ends. */
export interface PromptSession {
  readonly classId: number;
  readonly points: readonly PointPrompt[];
  readonly box: Box | null;
  /** `automatic`: the points began as those of Segment Image. */
  readonly origin: 'person' | 'automatic';
  /** What the class had before the session, which its end without result brings back. */
  readonly base: RunMask;
  /** Of the last answer, null where there was none. */
  readonly iouPrediction: number | null;
}

/** Points and box in targetPx. */
export interface PromptsEdit {
  readonly points: readonly PointPrompt[];
  readonly box: Box | null;
}

export interface PromptAnswer {
  /** False where a newer question replaced this one before it was asked. */
  readonly asked: boolean;
  readonly iouPrediction: number | null;
  /** Wall time in the host, milliseconds. */
  readonly milliseconds: number;
}
