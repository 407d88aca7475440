/**
 * The label editor's page: puts model, viewer, tools and controls together. Long because each of its many wires is one
 * line here; what one of them decides has a home of its own.
 */

import { clearClass } from '../src/core/drawing/ink';
import { CANVAS_TOOLS, type CanvasAction, type CanvasTool, type PageCommand } from '../src/protocol/contributions';
import type { EditorApi, EditorState } from '../src/protocol/editorApi';
import type { Params, Peer } from '../src/rpc';
import { brightnessOf, greyHistogram } from './canvas/autoBrightness';
import { pixelsOf } from './canvas/picturePixels';
import { Viewer } from './canvas/viewer';
import type { Zoom } from './canvas/viewport';
import { whyNotTool } from './controls/availability';
import { classOf, type PageActions, type PageSnapshot } from './controls/chrome';
import { PageControls } from './controls/pageControls';
import { KeptView, placeOf, type StateStore, viewportAt } from './document/keptView';
import { MessageLine } from './document/messageLine';
import { PageModel } from './document/pageModel';
import { PromptDesk } from './document/promptDesk';
import { PromptQueue } from './document/promptQueue';
import { NARROW_BELOW, steppedDiameter, type ViewState } from './document/viewState';
import { CanvasInput, type Pointed } from './tools/canvasInput';
import { PointGrip } from './tools/pointGrip';
import type { Tool, ToolContext } from './tools/tool';
import { makeTools } from './tools/toolSet';

export class EditorPage {
  readonly model: PageModel;
  readonly messages = new MessageLine(() => this.redraw());
  private readonly view: KeptView;
  private readonly viewer: Viewer;
  private readonly queue: PromptQueue;
  private readonly desk: PromptDesk;
  private readonly tools: Readonly<Record<CanvasTool, Tool>>;
  private readonly input: CanvasInput;
  private readonly controls: PageControls;
  private readonly narrow = window.matchMedia(`(width < ${NARROW_BELOW}px)`);
  private pointed: Pointed | null = null;
  private isRedrawing = false;
  /** The viewer has shown the image and the kept place is restored: only then is the place worth keeping. */
  private isPlaced = false;

  constructor(
    root: HTMLElement,
    private readonly host: Peer<EditorApi>,
    store: StateStore,
    state: EditorState,
    /** Shows an error, and writes it into the host's log. */
    private readonly report: (error: unknown) => void,
  ) {
    this.view = new KeptView(store, () => this.redraw());
    this.model = new PageModel(
      state,
      { paint: (params) => host.call('paint', params), ready: () => host.call('ready', undefined) },
      {
        onPixels: (box) => this.viewer.labelsChanged(box),
        onFacts: () => this.showFacts(),
        onReset: () => this.replaced(),
        onError: report,
      },
    );
    this.queue = new PromptQueue((question) => host.call('prompt', question), {
      onChange: () => this.showPrompts(),
      onAnswer: (_answer, since) => this.measure(since),
      onError: report,
    });
    this.desk = new PromptDesk(this.model, this.queue, () => this.showPrompts());
    this.controls = new PageControls(root, this.actions());
    const { canvas, stage, card } = this.controls;
    this.viewer = new Viewer(canvas, {
      onViewport: () => this.viewportChanged(),
      onMissingTile: () => void this.refill(),
    });
    const context = this.toolContext();
    this.tools = makeTools(context, this.view.state.polygon);
    this.input = new CanvasInput(this.viewer, stage, this.tools, new PointGrip(context), this.view.state.tool, {
      onPointed: (pointed) => this.point(pointed),
      onFocus: (focused) => this.call('setCanvasFocus', { focused }),
      refuse: (tool) => whyNotTool(tool, this.model.facts),
      onRefused: (reason) => this.remark(reason),
      onCancel: () => this.discard(),
      removePrompt: (hit, since) => this.desk.removeAt(hit, since),
      onActed: (screenPx) => card.stayAwayFrom(screenPx),
    });
    this.showEverything();
    this.isPlaced = true;
    this.viewer.setViewport(viewportAt(this.view.state.place, this.viewer.viewport));
    this.watchWindow();
  }

  reset(state: EditorState): void {
    this.desk.forget();
    this.model.reset(state);
  }

  showImage(image: EditorState['image']): void {
    this.model.showImage(image);
    this.viewer.showImage(image);
  }

  act(action: CanvasAction): void {
    const { style, brush } = this.view.state;
    const acts: Readonly<Record<Exclude<CanvasAction, CanvasTool>, () => void>> = {
      finish: () => this.finish(),
      cancel: () => this.input.cancel(),
      deletePoint: () => this.input.removePrompt(),
      brushSmaller: () => this.setBrush({ diameter: steppedDiameter(brush.diameter, -1) }),
      brushLarger: () => this.setBrush({ diameter: steppedDiameter(brush.diameter, 1) }),
      zoomIn: () => this.zoom('in'),
      zoomOut: () => this.zoom('out'),
      zoomFit: () => this.zoom('fit'),
      zoomActual: () => this.zoom('actual'),
      toggleMask: () => this.setStyle({ maskVisible: !style.maskVisible }),
      togglePrompts: () => this.setStyle({ promptsVisible: !style.promptsVisible }),
      toggleHeatMap: () => this.setStyle({ heatMapVisible: !style.heatMapVisible }),
      clearClass: () => this.clearClass(),
    };
    if (isTool(action)) this.selectTool(action);
    else acts[action]();
  }

  private actions(): PageActions {
    return {
      selectTool: (tool) => this.selectTool(tool),
      run: (command) => this.run(command),
      finish: () => this.finish(),
      discard: () => this.input.cancel(),
      clearClass: () => this.clearClass(),
      selectClass: (classId) => this.call('selectClass', { classId }),
      addClass: async (name, colour) => {
        await this.host.call('addClass', { name, colour });
      },
      setBrush: (settings) => this.setBrush(settings),
      setStyle: (style) => this.setStyle(style),
      autoBrightness: () => void this.autoBrightness().catch(this.report),
      setDisplayWindow: (window) => this.call('setDisplayWindow', { window }),
      zoom: (zoom) => this.zoom(zoom),
      togglePanel: () => this.view.set({ [this.panelKey]: !this.view.state[this.panelKey] }),
      foldSection: (name, isFolded) => this.view.foldSection(name, isFolded),
      refuse: (reason) => this.remark(reason),
    };
  }

  private toolContext(): ToolContext {
    const page = this;
    return {
      model: this.model,
      desk: this.desk,
      screen: this.viewer,
      get brush() {
        return page.view.state.brush;
      },
      keepPolygon: (polygon) => this.view.set({ polygon }),
      say: (text) => this.remark(text),
    };
  }

  private remark(text: string): void {
    this.messages.remark({ text, kind: 'plain' });
  }

  /** Says why a tool cannot be used now, and whether there is a reason. */
  private refuses(tool: CanvasTool): boolean {
    const reason = whyNotTool(tool, this.model.facts);
    if (reason !== null) this.remark(reason);
    return reason !== null;
  }

  private selectTool(tool: CanvasTool): void {
    if (this.refuses(tool)) return;
    this.input.select(tool);
    this.desk.selected = undefined;
    this.view.set({ tool });
  }

  /** Which of the two says whether the panel is open. */
  private get panelKey(): 'panelOpen' | 'panelOpenNarrow' {
    return this.narrow.matches ? 'panelOpenNarrow' : 'panelOpen';
  }

  private setBrush(settings: Partial<ViewState['brush']>): void {
    this.view.setBrush(settings);
    for (const tool of Object.values(this.tools)) tool.refresh();
  }

  private setStyle(style: Partial<ViewState['style']>): void {
    this.view.setStyle(style);
    this.viewer.setStyle(this.view.state.style);
  }

  private run(command: PageCommand): void {
    this.input.endGesture();
    this.call('run', { command });
  }

  private finish(): void {
    if (this.input.tool.finish(false)) return;
    void this.desk.settled().then((isActive) => {
      if (isActive) this.call('finishPrompts', undefined);
    });
  }

  /** What Esc and the button mean where no tool is drawing. */
  private discard(): void {
    if (!this.desk.isActive) return;
    this.desk.forget();
    this.call('discardPrompts', undefined);
  }

  private clearClass(): void {
    if (this.refuses('brush')) return;
    this.input.endGesture();
    const { facts } = this.model;
    const name = classOf(facts, facts.classId)?.name ?? 'Class';
    this.model.paint(`Clear ${name}`, (labels) => clearClass(labels, facts.classId));
  }

  private zoom(zoom: Zoom): void {
    const { viewer, pointed } = this;
    viewer.setViewport(viewer.viewport.zoomed(zoom, pointed?.screenPx, window.devicePixelRatio));
  }

  /** Calls the host where nobody waits for the answer. */
  private call<M extends keyof EditorApi & string>(method: M, params: Params<EditorApi[M]>): void {
    this.host.call(method, params).catch(this.report);
  }

  private showEverything(): void {
    this.viewer.showImage(this.model.image);
    this.viewer.setStyle(this.view.state.style);
    this.input.describe(this.model.facts.name);
    this.showFacts();
  }

  private showFacts(): void {
    const { automatic, facts, labels } = this.model;
    this.viewer.showHeatMap(automatic?.heatMap ?? null);
    this.viewer.showLabels(labels, facts.classes);
    this.showPrompts();
  }

  private showPrompts(): void {
    this.viewer.showPrompts(this.model.automatic, this.desk.shown);
    this.redraw();
  }

  private replaced(): void {
    this.input.abandonGesture();
    this.showEverything();
  }

  private point(pointed: Pointed | null): void {
    this.pointed = pointed;
    const { model, viewer, controls } = this;
    controls.point(pointed && model.pixelAt(pointed.targetPx), model.facts);
    const hit = pointed?.hit ?? null;
    viewer.highlightPrompt(hit);
    const at = pointed?.screenPx ?? { x: 0, y: 0 };
    controls.card.show(hit, at, viewer.viewport.screen, { automatic: model.automatic, session: this.desk.shown });
  }

  private viewportChanged(): void {
    // The first one comes while the page is still being put together.
    if (!this.isPlaced) return;
    this.input.refresh();
    this.view.set({ place: placeOf(this.viewer.viewport) });
  }

  /** Tiles are gone: a host that is asked anew makes them again. */
  private async refill(): Promise<void> {
    try {
      this.showImage((await this.host.call('ready', undefined)).image);
    } catch (error) {
      this.report(error);
    }
  }

  private watchWindow(): void {
    const { surface } = this.viewer;
    this.narrow.addEventListener('change', () => this.redraw());
    window.addEventListener('focus', () => {
      if (document.activeElement === document.body) surface.focus();
    });
    if (document.hasFocus()) surface.focus();
    // A hidden page may never be shown again.
    const keep = () => {
      this.input.endGesture();
      this.view.keepNow();
    };
    window.addEventListener('pagehide', keep);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') keep();
    });
  }

  private redraw(): void {
    if (this.isRedrawing) return;
    this.isRedrawing = true;
    requestAnimationFrame(() => {
      this.isRedrawing = false;
      this.controls.update(this.snapshot());
      this.input.updateCursor();
    });
  }

  private snapshot(): PageSnapshot {
    const { model, desk } = this;
    const { facts } = model;
    const view = this.view.state;
    return {
      image: model.image,
      facts,
      automatic: model.automatic,
      session: desk.shown,
      isAsking: this.queue.isBusy,
      situation: {
        facts,
        classPixels: model.counts[facts.classId],
        hasPrompts: desk.isActive,
        hasDraft: view.polygon.length > 0,
      },
      view,
      isPanelOpen: view[this.panelKey],
      message: this.messages.shown,
      zoom: this.viewer.viewport.scale * window.devicePixelRatio,
      shareOf: (value) => model.shareOf(value),
    };
  }

  /** From the pointer to the frame after the one in which the answer was drawn. */
  private measure(since: number): void {
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        const milliseconds = Math.round(performance.now() - since);
        this.call('log', { level: 'info', message: `click to mask: ${milliseconds} ms` });
      }),
    );
  }

  private async autoBrightness(): Promise<void> {
    this.setStyle({ brightness: brightnessOf(greyHistogram(await pixelsOf(this.model.image.overview))) });
  }
}

const isTool = (action: CanvasAction): action is CanvasTool => CANVAS_TOOLS.some((tool) => tool === action);
