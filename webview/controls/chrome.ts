/** What stands around the canvas is drawn from one snapshot of the page, and acts through one set of actions. */
import type { CanvasTool, PageCommand } from '../../src/protocol/contributions';
import type {
  AutomaticResult,
  ClassInfo,
  DisplayImage,
  DocumentFacts,
  PromptSession,
} from '../../src/protocol/editorApi';
import type { IntensityWindow } from '../../src/protocol/engineApi';
import type { LayerStyle } from '../canvas/layerStyle';
import type { Zoom } from '../canvas/viewport';
import type { Message } from '../document/messageLine';
import type { BrushSettings, ViewState } from '../document/viewState';
import type { Situation } from './availability';

export interface PageActions {
  selectTool(tool: CanvasTool): void;
  run(command: PageCommand): void;
  finish(): void;
  discard(): void;
  clearClass(): void;
  selectClass(classId: number): void;
  /** Rejects with what the host says where it refuses. */
  addClass(name: string, colour: string): Promise<void>;
  setBrush(settings: Partial<BrushSettings>): void;
  setStyle(style: Partial<LayerStyle>): void;
  /** Black and white at the ends of what the image holds. */
  autoBrightness(): void;
  setDisplayWindow(window: IntensityWindow | null): void;
  zoom(zoom: Zoom): void;
  togglePanel(): void;
  foldSection(name: string, folded: boolean): void;
  /** Says why a control that cannot work does nothing. */
  refuse(reason: string): void;
}

export interface PageSnapshot {
  readonly image: DisplayImage;
  readonly facts: DocumentFacts;
  readonly automatic: AutomaticResult | null;
  /** As it will be once the segmenter has answered. */
  readonly session: PromptSession | null;
  readonly isAsking: boolean;
  readonly situation: Situation;
  readonly view: ViewState;
  readonly isPanelOpen: boolean;
  readonly message: Message;
  /** DevicePx per targetPx. */
  readonly zoom: number;
  /** Share of the pixels that have a value, 0 to 1. */
  shareOf(value: number): number;
}

export const classOf = ({ classes }: DocumentFacts, id: number): ClassInfo | undefined =>
  classes.find((candidate) => candidate.id === id);
