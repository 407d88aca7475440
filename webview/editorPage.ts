/** The label editor's page: puts model, viewer, tools and controls together, and talks with the host. */

import { clearClass } from '../src/core/drawing/ink';
import type { Point } from '../src/core/geometry';
import { UserError } from '../src/core/userError';
import type {
  AutomaticResult,
  CanvasAction,
  CanvasTool,
  ClassInfo,
  EditorApi,
  EditorState,
  PageCommand,
  ViewApi,
} from '../src/protocol/editorApi';
import { connect, type Params, type Peer, type Port } from '../src/rpc';
import { brightnessOf, greyHistogram } from './canvas/autoBrightness';
import { Viewer } from './canvas/viewer';
import { whyNotTool } from './controls/availability';
import { classOf, type Message, type PageActions, type PageSnapshot, type Zoom } from './controls/chrome';
import { element } from './controls/dom';
import { Header } from './controls/header';
import { HoverCard } from './controls/hoverCard';
import { Notices } from './controls/notices';
import { OptionsBar } from './controls/optionsBar';
import { SidePanel } from './controls/sidePanel';
import { StatusLine } from './controls/statusLine';
import { ToolRail } from './controls/toolRail';
import { PageModel } from './document/pageModel';
import { PromptDesk } from './document/promptDesk';
import { PromptQueue } from './document/promptQueue';
import { NARROW_BELOW, readViewState, steppedDiameter, TOOLS, type ViewState } from './document/viewState';
import { BoxTool } from './tools/boxTool';
import { BrushTool } from './tools/brushTool';
import { CanvasInput, type Pointed } from './tools/canvasInput';
import { FillTool } from './tools/fillTool';
import { PointGrip } from './tools/pointGrip';
import { PointTool } from './tools/pointTool';
import { PolygonTool } from './tools/polygonTool';
import { isInside, PanTool, type Tool, type ToolContext } from './tools/tool';

/** Where a page keeps its view state; VS Code gives it to the next page of the same editor. */
export interface StateStore {
  getState(): unknown;
  setState(state: ViewState): void;
}

/** Factor of one step of the zoom buttons and keys. */
const ZOOM_STEP = 1.5;

/** Milliseconds that a remark of the page itself is shown. */
const REMARK_FOR = 8000;

/** Milliseconds that the view state may be behind: it changes with every frame of a pan. */
const KEEP_AFTER = 250;

/** Fills `root`, which must be empty, once the host has said what there is to show. */
export async function openPage(root: HTMLElement, port: Port, store: StateStore): Promise<void> {
  let page: EditorPage | undefined;
  // What comes before the first state is part of it.
  const host = connect<EditorApi, ViewApi>(port, {
    reset: (state) => page?.reset(state),
    update: (update) => page?.model.update(update),
    showImage: (image) => page?.showImage(image),
    showFacts: (facts) => page?.model.showFacts(facts),
    act: ({ action }) => page?.act(action),
    say: ({ text, busy }) => page?.say({ text, kind: busy ? 'busy' : 'plain' }),
  });
  const report = (what: unknown) => {
    const error = what instanceof Error ? what : new Error(String(what));
    void host.call('log', { level: 'error', message: error.stack ?? error.message }).catch(() => undefined);
    page?.remark({
      text: error instanceof UserError ? error.message : `Unexpected error: ${error.message}`,
      kind: 'error',
    });
  };
  window.addEventListener('error', (event) => {
    // Without an error it is a remark of the browser, such as that a ResizeObserver will go on in the next frame.
    if (event.error !== null && event.error !== undefined) report(event.error);
  });
  window.addEventListener('unhandledrejection', (event) => report(event.reason));
  root.replaceChildren(element('p', { class: 'opening', role: 'status' }, 'Opening…'));
  try {
    const state = await host.call('ready', undefined);
    page = new EditorPage(root, host, store, state, report);
  } catch (error) {
    root.replaceChildren(element('p', { class: 'opening failed', role: 'alert' }, (error as Error).message));
    report(error);
  }
}

class EditorPage {
  readonly model: PageModel;
  private readonly viewer: Viewer;
  private readonly queue: PromptQueue;
  private readonly desk: PromptDesk;
  private readonly tools: Readonly<Record<CanvasTool, Tool>>;
  private readonly brushes: readonly BrushTool[];
  private readonly input: CanvasInput;
  private readonly header: Header;
  private readonly rail: ToolRail;
  private readonly options: OptionsBar;
  private readonly panel: SidePanel;
  private readonly status: StatusLine;
  private readonly notices: Notices;
  private readonly card = new HoverCard();
  private view: ViewState;
  private readonly narrow = window.matchMedia(`(width < ${NARROW_BELOW}px)`);
  /** The host's last sentence, and one of the page's own that hides it for a while. */
  private message: Message = { text: '', kind: 'plain' };
  private passing: Message | null = null;
  private passingTimer = 0;
  private pointed: Pointed | null = null;
  private isRedrawing = false;
  /** What the viewer has: showing it again costs a redraw of everything. */
  private shown: { automatic: AutomaticResult | null; classes: readonly ClassInfo[] };
  private keepTimer = 0;
  /** The viewer has shown the image and the kept place is restored: only then is the place worth keeping. */
  private isPlaced = false;

  constructor(
    root: HTMLElement,
    private readonly host: Peer<EditorApi>,
    private readonly store: StateStore,
    state: EditorState,
    private readonly report: (error: unknown) => void,
  ) {
    this.view = readViewState(store.getState());
    this.shown = { automatic: state.automatic, classes: state.facts.classes };
    this.model = new PageModel(
      state,
      { paint: (params) => host.call('paint', params), ready: () => host.call('ready', undefined) },
      {
        onPixels: (box) => this.viewer.labelsChanged(box),
        onFacts: () => this.factsChanged(),
        onReset: () => this.replaced(),
        onError: report,
      },
    );
    this.queue = new PromptQueue((question) => host.call('prompt', question), {
      onChange: () => this.promptsChanged(),
      onAnswer: (_answer, since) => this.measure(since),
      onError: report,
    });
    this.desk = new PromptDesk(this.model, this.queue, () => this.promptsChanged());

    const actions = this.actions();
    this.header = new Header(actions);
    this.rail = new ToolRail(actions);
    this.options = new OptionsBar(actions);
    this.panel = new SidePanel(actions);
    this.status = new StatusLine(actions);
    this.notices = new Notices(actions);
    const canvas = element('div', { class: 'canvas' });
    const stage = element('div', { class: 'stage' }, canvas, this.notices.hint, this.card.element);
    root.replaceChildren(
      this.header.element,
      this.options.element,
      this.notices.bars,
      element('main', { class: 'middle' }, this.rail.element, stage, this.panel.element),
      this.status.element,
    );

    this.viewer = new Viewer(canvas, {
      onViewport: () => this.viewportChanged(),
      onMissingTile: () => void this.refill(),
    });
    this.describeSurface();
    const context = this.toolContext();
    const polygon = new PolygonTool(context);
    polygon.resume(this.view.polygon);
    this.brushes = [new BrushTool(context, false), new BrushTool(context, true)];
    this.tools = {
      pan: new PanTool(context),
      positive: new PointTool(context, 1),
      negative: new PointTool(context, 0),
      box: new BoxTool(context),
      brush: this.brushes[0],
      eraser: this.brushes[1],
      polygon,
      fill: new FillTool(context),
    };
    this.input = new CanvasInput(this.viewer, stage, this.tools, new PointGrip(context), this.view.tool, {
      onPointed: (pointed) => this.point(pointed),
      onFocus: (focused) => this.call('setCanvasFocus', { focused }),
      refuse: (tool) => whyNotTool(tool, this.model.facts),
      onRefused: (reason) => this.remark({ text: reason, kind: 'plain' }),
      onCancel: () => this.discard(),
      removePrompt: (hit, since) =>
        this.desk.removeTouched(hit && this.desk.touch(hit), since) || this.desk.removeSelected(since),
      onActed: (screenPx) => this.card.stayAwayFrom(screenPx),
    });
    this.showEverything();
    this.restorePlace();
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

  /** A sentence of the host. */
  say(message: Message): void {
    this.message = message;
    this.passing = null;
    this.redraw();
  }

  /** A sentence of the page itself. */
  remark(message: Message): void {
    this.passing = message;
    clearTimeout(this.passingTimer);
    this.passingTimer = setTimeout(() => {
      this.passing = null;
      this.redraw();
    }, REMARK_FOR);
    this.redraw();
  }

  act(action: CanvasAction): void {
    const { style, brush } = this.view;
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
      togglePanel: () => this.setView({ [this.panelKey]: !this.view[this.panelKey] }),
      foldSection: (name, isFolded) => {
        const others = this.view.folded.filter((other) => other !== name);
        this.setView({ folded: isFolded ? [...others, name] : others });
      },
      refuse: (reason) => this.remark({ text: reason, kind: 'plain' }),
    };
  }

  private toolContext(): ToolContext {
    const page = this;
    return {
      model: this.model,
      desk: this.desk,
      screen: this.viewer,
      get brush() {
        return page.view.brush;
      },
      keepPolygon: (polygon) => this.setView({ polygon }),
      say: (text) => this.remark({ text, kind: 'plain' }),
    };
  }

  private selectTool(tool: CanvasTool): void {
    const reason = whyNotTool(tool, this.model.facts);
    if (reason !== null) {
      this.remark({ text: reason, kind: 'plain' });
      return;
    }
    this.input.select(tool);
    this.desk.selected = undefined;
    this.setView({ tool });
  }

  /** Which of the two says whether the panel is open. */
  private get panelKey(): 'panelOpen' | 'panelOpenNarrow' {
    return this.narrow.matches ? 'panelOpenNarrow' : 'panelOpen';
  }

  private setBrush(settings: Partial<ViewState['brush']>): void {
    this.setView({ brush: { ...this.view.brush, ...settings } });
    for (const brush of this.brushes) brush.refresh();
  }

  private setStyle(style: Partial<ViewState['style']>): void {
    this.setView({ style: { ...this.view.style, ...style } });
    this.viewer.setStyle(this.view.style);
  }

  private setView(view: Partial<ViewState>): void {
    this.view = { ...this.view, ...view };
    this.keepView();
    this.redraw();
  }

  private keepView(): void {
    if (this.keepTimer === 0) this.keepTimer = setTimeout(() => this.keepNow(), KEEP_AFTER);
  }

  private keepNow(): void {
    clearTimeout(this.keepTimer);
    this.keepTimer = 0;
    this.store.setState(this.view);
  }

  private run(command: PageCommand): void {
    this.input.endGesture();
    this.call('run', { command });
  }

  private finish(): void {
    if (this.input.tool.finish(false)) return;
    if (!this.desk.isActive) return;
    // The answer that is under way belongs to what is finished.
    void this.queue.settled().then(() => this.call('finishPrompts', undefined));
  }

  /** What Esc and the button mean where no tool is drawing. */
  private discard(): void {
    if (!this.desk.isActive) return;
    this.desk.forget();
    this.call('discardPrompts', undefined);
  }

  private clearClass(): void {
    const { facts } = this.model;
    const reason = whyNotTool('brush', facts);
    if (reason !== null) {
      this.remark({ text: reason, kind: 'plain' });
      return;
    }
    this.input.endGesture();
    const name = classOf(facts, facts.classId)?.name ?? 'Class';
    this.model.paint(`Clear ${name}`, (labels) => clearClass(labels, facts.classId));
  }

  private zoom(zoom: Zoom): void {
    const { viewport } = this.viewer;
    const about = this.pointed?.screenPx ?? { x: viewport.screen.width / 2, y: viewport.screen.height / 2 };
    if (zoom === 'in') this.viewer.setViewport(viewport.zoomedAt(about, ZOOM_STEP));
    else if (zoom === 'out') this.viewer.setViewport(viewport.zoomedAt(about, 1 / ZOOM_STEP));
    else if (zoom === 'fit') this.viewer.setViewport(viewport.fitted());
    else this.viewer.setViewport(viewport.actual(window.devicePixelRatio));
  }

  /** Calls the host where nobody waits for the answer. */
  private call<M extends keyof EditorApi & string>(method: M, params: Params<EditorApi[M]>): void {
    this.host.call(method, params).catch(this.report);
  }

  private showEverything(): void {
    const { image, labels, facts, automatic } = this.model;
    this.viewer.showImage(image);
    this.viewer.showLabels(labels, facts.classes);
    this.viewer.setStyle(this.view.style);
    this.viewer.showHeatMap(automatic?.heatMap ?? null);
    this.shown = { automatic, classes: facts.classes };
    this.promptsChanged();
  }

  private factsChanged(): void {
    const { automatic, facts, labels } = this.model;
    if (this.shown.automatic !== automatic) this.viewer.showHeatMap(automatic?.heatMap ?? null);
    if (this.shown.classes !== facts.classes) this.viewer.showLabels(labels, facts.classes);
    this.shown = { automatic, classes: facts.classes };
    this.promptsChanged();
  }

  private promptsChanged(): void {
    this.viewer.showPrompts(this.model.automatic, this.desk.shown);
    this.redraw();
  }

  private replaced(): void {
    this.input.abandonGesture();
    this.describeSurface();
    this.showEverything();
  }

  private point(pointed: Pointed | null): void {
    this.pointed = pointed;
    const { labels, facts } = this.model;
    const isOver = pointed !== null && isInside(pointed.targetPx, labels.size);
    const pixel: Point | null = isOver
      ? { x: Math.floor(pointed.targetPx.x), y: Math.floor(pointed.targetPx.y) }
      : null;
    this.status.point(pixel && { pixel, value: labels.data[pixel.y * labels.size.width + pixel.x] }, facts);
    const hit = pointed?.hit ?? null;
    this.viewer.highlightPrompt(hit);
    const { automatic } = this.model;
    const at = pointed?.screenPx ?? { x: 0, y: 0 };
    this.card.show(hit, at, this.viewer.viewport.screen, { automatic, session: this.desk.shown });
  }

  private viewportChanged(): void {
    // The first one comes while the page is still being put together.
    if (!this.isPlaced) return;
    this.input.refresh();
    const { viewport } = this.viewer;
    const { screen, target, scale } = viewport;
    const centre = viewport.toTarget({ x: screen.width / 2, y: screen.height / 2 });
    this.setView({ place: viewport.isFitted ? null : { target, scale, centre } });
  }

  private restorePlace(): void {
    const { place } = this.view;
    const { viewport } = this.viewer;
    this.isPlaced = true;
    if (!place || place.target.width !== viewport.target.width || place.target.height !== viewport.target.height)
      return;
    // `actual` takes any number of devicePx per screenPx.
    this.viewer.setViewport(viewport.actual(1 / place.scale).centredOn(place.centre));
  }

  /** Tiles are gone: a host that is asked anew makes them again. */
  private async refill(): Promise<void> {
    try {
      this.showImage((await this.host.call('ready', undefined)).image);
    } catch (error) {
      this.report(error);
    }
  }

  private describeSurface(): void {
    const { surface } = this.viewer;
    surface.setAttribute('role', 'application');
    surface.setAttribute('aria-label', `Canvas: ${this.model.facts.name}`);
    surface.setAttribute(
      'aria-description',
      'Arrow keys move the cursor of a tool, or the image with the pan tool; Shift goes further. Enter acts at the cursor, Shift+Enter does the opposite. On a point Enter flips it, Shift+Enter or Delete removes it. Escape gives up.',
    );
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
      this.keepNow();
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
      const page = this.snapshot();
      this.header.update(page);
      this.rail.update(page);
      this.options.update(page);
      this.notices.update(page);
      this.panel.update(page);
      this.status.update(page);
      this.input.updateCursor();
    });
  }

  private snapshot(): PageSnapshot {
    const { model, desk, view } = this;
    const { facts } = model;
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
      message: this.passing ?? this.message,
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

const isTool = (action: CanvasAction): action is CanvasTool => TOOLS.some((tool) => tool === action);

/** RGBA of a picture that the page may show. */
async function pixelsOf(uri: string): Promise<Uint8ClampedArray> {
  const picture = new Image();
  // Else its pixels could be shown but not read.
  picture.crossOrigin = 'anonymous';
  picture.src = uri;
  await picture.decode();
  const { naturalWidth: width, naturalHeight: height } = picture;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (!context) throw new Error('this browser gives no 2D canvas');
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}
