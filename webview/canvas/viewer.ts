/**
 * The canvas stack: image, heat map, mask, prompts, and on top what a tool is drawing, all moved by one viewport. Every
 * layer has a canvas of its own, so that a frame draws only the layers that have changed. The wheel zooms; everything
 * else that a pointer or key does is up to the tools.
 */
import { type Box, type Point, type Size, sameSize } from '../../src/core/geometry';
import type { LabelMap } from '../../src/core/pixels/labelMap';
import type { FloatMap } from '../../src/core/pixels/raster';
import type { AutomaticResult, ClassInfo, DisplayImage, PromptSession } from '../../src/protocol/editorApi';
import { Backdrop } from './backdrop';
import { ContrastFilter } from './contrastFilter';
import type { Draft } from './draft';
import { DraftLayer } from './draftLayer';
import { HeatLayer } from './heatLayer';
import { ImageLayer } from './imageLayer';
import { LabelLayer } from './labelLayer';
import { DEFAULT_STYLE, type LayerStyle } from './layerStyle';
import { PromptLayer } from './promptLayer';
import { type Marker, markerAt, markersOf, type PromptHit, sameHit } from './promptMarkers';
import { Sheet } from './sheet';
import { addFocusRing, devicePxOf, makeSurface, watchSize } from './surface';
import { Viewport } from './viewport';
import { wheelAction } from './wheel';

interface ViewerEvents {
  onViewport?(viewport: Viewport): void;
  /** Pictures of the image shown are gone: they must be made again and shown anew. Once per shown image. */
  onMissingTile?(): void;
  /** How long the drawing of one frame took. */
  onFrame?(milliseconds: number): void;
}

/** From the lowest to the highest. */
const LAYERS = ['image', 'heatMap', 'mask', 'prompts', 'draft'] as const;
type Layer = (typeof LAYERS)[number];

const NOTHING: Size = { width: 1, height: 1 };

export class Viewer {
  /** Gets the focus, pointer, wheel and key events. */
  readonly surface = makeSurface();
  private readonly sheets: Readonly<Record<Layer, Sheet>>;
  private readonly image: ImageLayer;
  private readonly heatMap: HeatLayer;
  private readonly mask: LabelLayer;
  private readonly prompts: PromptLayer;
  private readonly draftLayer: DraftLayer;
  private readonly backdrop: Backdrop;
  private readonly contrast: ContrastFilter;
  private readonly observer: ResizeObserver;
  private readonly dirty = new Set<Layer>();
  private requested = 0;
  /** Of every canvas, in devicePx; without pixels while the page is hidden. */
  private size: Size = { width: 0, height: 0 };
  private shown = Viewport.fit(NOTHING, NOTHING);
  private style = DEFAULT_STYLE;
  private automatic: AutomaticResult | null = null;
  private session: PromptSession | null = null;
  private markers: readonly Marker[] = [];
  private highlighted: PromptHit | null = null;
  private draft: Draft | null = null;

  constructor(
    container: HTMLElement,
    private readonly events: ViewerEvents,
  ) {
    const { surface } = this;
    this.backdrop = new Backdrop(surface);
    this.contrast = new ContrastFilter(surface);
    this.sheets = Object.fromEntries(LAYERS.map((layer) => [layer, new Sheet(surface)])) as Record<Layer, Sheet>;
    this.image = new ImageLayer(this.sheets.image, {
      onChange: () => this.redraw('image'),
      onMissing: () => events.onMissingTile?.(),
    });
    this.heatMap = new HeatLayer(this.sheets.heatMap);
    this.mask = new LabelLayer(this.sheets.mask);
    this.prompts = new PromptLayer(this.sheets.prompts);
    this.draftLayer = new DraftLayer(this.sheets.draft);
    addFocusRing(surface);
    container.append(surface);
    surface.addEventListener('wheel', this.onWheel, { passive: false });
    this.observer = watchSize(surface, (screen, size) => this.setScreen(screen, size));
    const { width, height } = surface.getBoundingClientRect();
    this.setScreen({ width, height }, devicePxOf({ width, height }));
  }

  get viewport(): Viewport {
    return this.shown;
  }

  /** Shows another part of the image; a viewport made for an image of another size is ignored. */
  setViewport(viewport: Viewport): void {
    if (!sameSize(viewport.target, this.shown.target)) return;
    this.move(viewport.resized(this.shown.screen, this.shown.pixelRatio));
  }

  /** Shows an image, or more of the same one. The viewport stays unless the image has another size. */
  showImage(image: DisplayImage): void {
    this.image.show(image);
    if (!sameSize(image.size, this.shown.target)) {
      this.move(Viewport.fit(image.size, this.shown.screen, this.shown.pixelRatio));
    }
  }

  /**
   * Keeps the map: whoever writes into it calls `labelsChanged` afterwards. The same map again only changes colours.
   */
  showLabels(labels: LabelMap, classes: readonly ClassInfo[]): void {
    if (this.mask.show(labels, classes)) this.redraw('mask');
  }

  /** Labels inside the box (targetPx) have changed. */
  labelsChanged(box: Box): void {
    this.mask.changed(box);
    this.redraw('mask');
  }

  /** While there is a session its points stand in for the kept candidates; rejected ones stay. */
  showPrompts(automatic: AutomaticResult | null, session: PromptSession | null): void {
    this.automatic = automatic;
    this.session = session;
    this.updateMarkers();
  }

  showHeatMap(map: FloatMap | null): void {
    if (!this.heatMap.show(map)) return;
    this.updateVisibility();
    this.redraw('heatMap');
  }

  setStyle(style: LayerStyle): void {
    const before = this.style;
    this.style = style;
    const { low, high } = style.brightness;
    if (low !== before.brightness.low || high !== before.brightness.high) {
      this.contrast.apply(this.sheets.image.context.canvas, style.brightness);
    }
    if (style.maskOpacity !== before.maskOpacity) this.redraw('mask');
    if (style.heatMapOpacity !== before.heatMapOpacity) this.redraw('heatMap');
    this.updateVisibility();
    this.updateMarkers();
  }

  showDraft(draft: Draft | null): void {
    if (draft === null && this.draft === null) return;
    this.draft = draft;
    this.redraw('draft');
  }

  /** The prompt under a point of the screen, the nearest of several. */
  hitPrompt(screenPx: Point): PromptHit | null {
    return markerAt(this.markers, this.shown, screenPx)?.hit ?? null;
  }

  highlightPrompt(hit: PromptHit | null): void {
    if (sameHit(hit, this.highlighted)) return;
    this.highlighted = hit;
    this.redraw('draft');
  }

  dispose(): void {
    cancelAnimationFrame(this.requested);
    this.observer.disconnect();
    this.image.dispose();
    this.surface.remove();
  }

  private readonly onWheel = (event: WheelEvent): void => {
    event.preventDefault();
    const { left, top } = this.surface.getBoundingClientRect();
    const action = wheelAction(event);
    this.move(
      action.kind === 'zoom'
        ? this.shown.zoomedAt({ x: event.clientX - left, y: event.clientY - top }, action.factor)
        : this.shown.panned(action.dx, action.dy),
    );
  };

  private move(viewport: Viewport): void {
    if (viewport.equals(this.shown)) return;
    this.shown = viewport;
    this.redraw(...LAYERS);
    this.events.onViewport?.(viewport);
  }

  private setScreen(screen: Size, size: Size): void {
    if (screen.width <= 0 || screen.height <= 0) return;
    if (!sameSize(size, this.size)) {
      this.size = size;
      // Setting its size clears a canvas, so all are drawn before the browser paints: nothing flickers.
      for (const layer of LAYERS) if (layer !== 'prompts') Object.assign(this.sheets[layer].context.canvas, size);
      this.redraw(...LAYERS);
    }
    this.move(this.shown.resized(screen, devicePixelRatio));
    if (this.dirty.size > 0) this.draw();
  }

  private updateMarkers(): void {
    this.markers = markersOf(this.automatic, this.session, this.style);
    this.redraw('prompts', 'draft');
  }

  private updateVisibility(): void {
    const { style } = this;
    this.setVisible('heatMap', style.heatMapVisible && !this.heatMap.isEmpty);
    this.setVisible('mask', style.maskVisible);
  }

  /** A hidden layer is not drawn, and costs the browser nothing. */
  private setVisible(layer: Layer, visible: boolean): void {
    const { style } = this.sheets[layer].context.canvas;
    if (visible === (style.display !== 'none')) return;
    style.display = visible ? '' : 'none';
    if (visible) this.redraw(layer);
  }

  private redraw(...layers: readonly Layer[]): void {
    for (const layer of layers) this.dirty.add(layer);
    this.requested ||= requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    cancelAnimationFrame(this.requested);
    this.requested = 0;
    if (this.size.width <= 0 || this.size.height <= 0) return;
    const started = performance.now();
    const viewport = this.shown;
    const { pixelRatio, target } = viewport;
    const frame = viewport.deviceFrame(this.size);
    const visible = viewport.visible();
    const layers = LAYERS.filter(
      (layer) => this.dirty.has(layer) && this.sheets[layer].context.canvas.style.display !== 'none',
    );
    this.dirty.clear();
    this.backdrop.place(viewport);
    for (const layer of layers) {
      if (layer === 'image') this.image.draw(frame, visible);
      if (layer === 'heatMap') this.heatMap.draw(frame, visible, target, this.style.heatMapOpacity);
      if (layer === 'mask') {
        const look = { opacity: this.style.maskOpacity, lineWidth: Math.max(1, Math.round(pixelRatio)) };
        if (this.mask.draw(frame, visible, look)) this.redraw('mask');
      }
      if (layer === 'prompts') {
        const box = this.style.promptsVisible ? (this.session?.box ?? null) : null;
        this.prompts.draw(frame, pixelRatio, this.markers, box);
      }
      if (layer === 'draft') this.draftLayer.draw(frame, pixelRatio, this.highlightedMarker(), this.draft);
      this.sheets[layer].show();
    }
    this.events.onFrame?.(performance.now() - started);
  }

  private highlightedMarker(): Marker | null {
    const { highlighted } = this;
    return highlighted && (this.markers.find(({ hit }) => sameHit(hit, highlighted)) ?? null);
  }
}
