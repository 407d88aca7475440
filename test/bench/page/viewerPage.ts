/**
 * The page of the viewer's bench: the viewer alone, with a label map of many objects, moved and painted on by a script.
 * Also the check that every devicePx shows the right targetPx. Driven from outside through `viewerBench`.
 */
import type { Box, Point, Size } from '../../../src/core/geometry';
import type { LabelMap } from '../../../src/core/pixels/labelMap';
import type { PromptCandidate } from '../../../src/core/prompting/prompts';
import type { AutomaticResult, DisplayImage, PromptSession } from '../../../src/protocol/editorApi';
import type { LayerStyle } from '../../../webview/canvas/layerStyle';
import { Viewer } from '../../../webview/canvas/viewer';
import type { Viewport } from '../../../webview/canvas/viewport';
import { seededRandom } from '../../seeded';
import { codedPixel, type FrameTimes, type PageFrame, type PixelComparison, PLAIN, type Scenario } from './measures';

const CLASSES = [
  { id: 1, name: 'cell', colour: '#e6194b' },
  { id: 2, name: 'fibre', colour: '#3cb44b' },
  { id: 3, name: 'vessel', colour: '#4363d8' },
];

const STYLE: LayerStyle = {
  brightness: { low: 0, high: 255 },
  maskOpacity: 0.5,
  maskVisible: true,
  promptsVisible: true,
  rejectedVisible: true,
  heatMapVisible: false,
  heatMapOpacity: 0.6,
};

class ViewerBench {
  private viewer: Viewer | null = null;
  private labels: LabelMap | null = null;
  private size: Size = { width: 1, height: 1 };
  private draws: number[] = [];
  missing = 0;

  /** Shows an image with a mask of so many objects, or all of it labelled. */
  show(image: DisplayImage, objects: number | 'all'): void {
    this.viewer?.dispose();
    const viewer = new Viewer(document.body, {
      onFrame: (milliseconds) => this.draws.push(milliseconds),
      onMissingTile: () => {
        this.missing++;
      },
    });
    this.viewer = viewer;
    this.size = image.size;
    this.labels = drawObjects(image.size, objects === 'all' ? 0 : objects);
    if (objects === 'all') this.labels.data.fill(1);
    viewer.setStyle(STYLE);
    viewer.showImage(image);
    viewer.showLabels(this.labels, CLASSES);
    viewer.showPrompts(candidates(image.size, 60), null);
  }

  /** Milliseconds until nothing is drawn any more. */
  async settle(): Promise<number> {
    const started = performance.now();
    let last = started;
    for (let quiet = 0; quiet < 20; ) {
      const before = this.draws.length;
      await nextFrame();
      if (this.draws.length > before) {
        quiet = 0;
        last = performance.now();
      } else quiet++;
    }
    return last - started;
  }

  /** Zooms to a scale in devicePx per targetPx about a point (targetPx). */
  look(deviceScale: number | 'fit', centre: Point = { x: this.size.width / 2, y: this.size.height / 2 }): void {
    const viewer = this.viewer!;
    const { screen } = viewer.viewport;
    let viewport = viewer.viewport.fitted();
    if (deviceScale !== 'fit') {
      const middle = { x: screen.width / 2, y: screen.height / 2 };
      viewport = viewport.zoomedAt(middle, deviceScale / devicePixelRatio / viewport.scale).centredOn(centre);
    }
    viewer.setViewport(viewport);
  }

  /** Moves the image by so many screenPx. */
  pan(dx: number, dy: number): void {
    this.viewer!.setViewport(this.viewer!.viewport.panned(dx, dy));
  }

  frame(): PageFrame {
    const { width, height } = this.viewer!.surface.querySelector('canvas')!;
    return this.viewer!.viewport.deviceFrame({ width, height });
  }

  setStyle(style: Partial<LayerStyle>): void {
    this.viewer!.setStyle({ ...STYLE, ...style });
  }

  /** Prompts of every look, a box, a draft of each kind, one after the other. */
  decorate(draft: 'cursor' | 'polygon' | 'box'): void {
    const viewer = this.viewer!;
    const { visible, at } = inView(viewer.viewport);
    const session: PromptSession = {
      classId: 1,
      points: [
        { point: at(0.35, 0.4), label: 1 },
        { point: at(0.5, 0.55), label: 1 },
        { point: at(0.65, 0.45), label: 0 },
      ],
      box: { left: at(0.3, 0.3).x, top: at(0.3, 0.3).y, right: at(0.7, 0.7).x, bottom: at(0.7, 0.7).y },
      origin: 'person',
      base: { size: this.size, runs: new Uint32Array([this.size.width * this.size.height]) },
      iouPrediction: null,
    };
    viewer.showPrompts(candidates(this.size, 300), session);
    viewer.highlightPrompt({ kind: 'session', index: 1 });
    const reach = (visible.right - visible.left) / 12;
    if (draft === 'cursor') viewer.showDraft({ kind: 'cursor', centre: at(0.2, 0.2), radius: reach, erases: false });
    if (draft === 'polygon') {
      const points = [at(0.1, 0.5), at(0.25, 0.45), at(0.28, 0.7), at(0.15, 0.75)];
      viewer.showDraft({ kind: 'polygon', points, closing: true });
    }
    if (draft === 'box') {
      viewer.showDraft({
        kind: 'box',
        box: { left: at(0.1, 0.1).x, top: at(0.1, 0.1).y, right: at(0.25, 0.3).x, bottom: at(0.25, 0.3).y },
      });
    }
  }

  showHeatMap(): void {
    const size = { width: 48, height: 48 };
    const data = Float32Array.from({ length: 48 * 48 }, (_, i) => {
      const x = (i % 48) / 48;
      const y = Math.floor(i / 48) / 48;
      return 3 * Math.sin(7 * x) * Math.cos(9 * y) - 0.5;
    });
    this.viewer!.showHeatMap({ size, data });
    this.setStyle({ heatMapVisible: true });
  }

  /** Runs a scenario for some time, one step a frame. */
  async run(scenario: Scenario, seconds: number): Promise<FrameTimes> {
    this.prepare(scenario);
    await this.settle();
    const intervals: number[] = [];
    this.draws = [];
    const started = await nextFrame();
    for (let last = started, step = 0; last - started < 1000 * seconds; step++) {
      this.advance(scenario, step);
      const now = await nextFrame();
      intervals.push(now - last);
      last = now;
    }
    const { draws } = this;
    this.viewer!.showPrompts(candidates(this.size, 60), null);
    this.viewer!.showHeatMap(null);
    this.viewer!.showDraft(null);
    return { intervals, draws };
  }

  private prepare(scenario: Scenario): void {
    this.look('fit');
    if (scenario === 'pan, heat map') this.showHeatMap();
    if (scenario === 'pan, 5000 prompts') this.viewer!.showPrompts(candidates(this.size, 5000), null);
    if (scenario.startsWith('paint at 1:1') || scenario === 'pan at 1:1') this.look(1);
    if (scenario === 'pan at 1:3' || scenario.startsWith('pan,')) this.look(1 / 3);
  }

  private advance(scenario: Scenario, step: number): void {
    const viewer = this.viewer!;
    const { viewport } = viewer;
    if (scenario.startsWith('pan')) {
      // About 2000 screenPx a second, turning: as fast as a hand flings.
      viewer.setViewport(viewport.panned(34 * Math.cos(step / 40), 34 * Math.sin(step / 31)));
    } else if (scenario === 'zoom fit to 16:1') {
      const pointer = { x: viewport.screen.width * 0.4, y: viewport.screen.height * 0.6 };
      const steps = Math.round(Math.log(16 / viewer.viewport.fitted().scale) / Math.log(1.05));
      viewer.setViewport(viewport.zoomedAt(pointer, step % (2 * steps) < steps ? 1.05 : 1 / 1.05));
    } else {
      const { at } = inView(viewport);
      const centre = at(0.5 + 0.4 * Math.cos(step / 23), 0.5 + 0.4 * Math.sin(step / 37));
      const radius = 14 / viewport.scale;
      viewer.showDraft({ kind: 'cursor', centre, radius, erases: false });
      const box = fillDisc(this.labels!, centre, radius, 1 + (step % 3));
      if (box) viewer.labelsChanged(box);
    }
  }

  /**
   * Compares the image and mask canvases with the pixels that should be under the centre of each devicePx; where that
   * is just between two pixels, either will do. The image must be coded (`codedPixel`), and 1:1 or larger.
   */
  comparePixels(): PixelComparison {
    const { width, height } = this.size;
    const { image, mask } = this.readCanvases();
    const { left, top, scale } = this.frame();
    const columns = pixelsUnder(image.width, left, scale);
    const rows = pixelsUnder(image.height, top, scale);
    const isInside = (column: number, row: number) => column >= 0 && row >= 0 && column < width && row < height;
    const isImage = (at: number, column: number, row: number) =>
      isInside(column, row)
        ? codedPixel(column, row).every((value, k) => value === image.data[at + k])
        : image.data[at + 3] === 0;
    const isMask = (at: number, column: number, row: number) => {
      const label = isInside(column, row) ? this.labels!.data[row * width + column] : 0;
      return label > 0 ? isColourOf(label, mask.data, at) : mask.data[at + 3] === 0;
    };
    const result = { looked: 0, image: 0, mask: 0, first: '' };
    rows.forEach((rowChoices, y) => {
      columns.forEach((columnChoices, x) => {
        const at = 4 * (y * image.width + x);
        const isAny = (fits: (at: number, column: number, row: number) => boolean) =>
          rowChoices.some((row) => columnChoices.some((column) => fits(at, column, row)));
        const imageFits = isAny(isImage);
        const maskFits = isAny(isMask);
        result.looked++;
        if (!imageFits) result.image++;
        if (!maskFits) result.mask++;
        if (!imageFits || !maskFits) result.first ||= `(${x}, ${y})`;
      });
    });
    return result;
  }

  /** As `comparePixels`, for the plain image at any scale: whatever differs is a seam. Its border is left out. */
  compareSeams(): PixelComparison {
    const { image, mask } = this.readCanvases();
    const { left, top, scale } = this.frame();
    const result = { looked: 0, image: 0, mask: 0, first: '' };
    const end = { x: left + this.size.width * scale - 1, y: top + this.size.height * scale - 1 };
    const opacity = Math.round(255 * STYLE.maskOpacity);
    for (let y = Math.max(0, top + 1); y < Math.min(image.height, end.y - 1); y++) {
      for (let x = Math.max(0, left + 1); x < Math.min(image.width, end.x - 1); x++) {
        const at = 4 * (y * image.width + x);
        const imageFits = PLAIN.every((value, k) => image.data[at + k] === value) && image.data[at + 3] === 255;
        const maskFits = isColourOf(1, mask.data, at) && Math.abs(mask.data[at + 3] - opacity) <= 1;
        result.looked++;
        if (!imageFits) result.image++;
        if (!maskFits) result.mask++;
        if (!imageFits || !maskFits) result.first ||= `(${x}, ${y})`;
      }
    }
    return result;
  }

  private readCanvases() {
    const [image, , mask] = [...this.viewer!.surface.querySelectorAll('canvas')].map((canvas) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return { width: canvas.width, height: canvas.height, data };
    });
    return { image, mask };
  }
}

/** DevicePx by which browsers may err: they step through a row of pixels in fixed-point numbers. */
const ROUNDING = 0.1;

/** For each devicePx of an axis, the pixel under its centre; two where the centre lies between them. */
function pixelsUnder(length: number, offset: number, scale: number): number[][] {
  return Array.from({ length }, (_, k) => {
    const position = (k + 0.5 - offset) / scale;
    return [...new Set([Math.floor(position - ROUNDING / scale), Math.floor(position + ROUNDING / scale)])];
  });
}

/** Premultiplied canvases round, the more the fainter a pixel is. */
function isColourOf(label: number, data: Uint8ClampedArray, at: number): boolean {
  const colour = CLASSES[label - 1].colour;
  return [0, 1, 2].every((k) => {
    const expected = Number.parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
    return Math.abs(data[at + k] - expected) <= 1 + 255 / data[at + 3];
  });
}

function inView(viewport: Viewport): { visible: Box; at: (x: number, y: number) => Point } {
  const visible = viewport.visible();
  return {
    visible,
    at: (x, y) => ({
      x: visible.left + x * (visible.right - visible.left),
      y: visible.top + y * (visible.bottom - visible.top),
    }),
  };
}

/** Discs of three classes, and thin lines. */
function drawObjects(size: Size, count: number): LabelMap {
  const labels = { size, data: new Uint8Array(size.width * size.height) };
  const random = seededRandom(3);
  const largest = Math.max(size.width, size.height) / 60;
  for (let k = 0; k < count; k++) {
    const centre = { x: random() * size.width, y: random() * size.height };
    fillDisc(labels, centre, 1 + random() * largest, 1 + (k % 3));
  }
  for (let line = 0; line < 20; line++) {
    const slope = random() - 0.5;
    const start = random() * size.height;
    for (let x = 0; x < size.width; x++) {
      const y = Math.floor(start + slope * x);
      if (y >= 0 && y < size.height) labels.data[y * size.width + x] = 2;
    }
  }
  return labels;
}

/** Returns the box of what was painted. */
function fillDisc({ size, data }: LabelMap, centre: Point, radius: number, label: number): Box | null {
  const top = Math.max(0, Math.ceil(centre.y - radius));
  const bottom = Math.min(size.height, Math.floor(centre.y + radius) + 1);
  for (let y = top; y < bottom; y++) {
    const reach = Math.sqrt(Math.max(0, radius ** 2 - (y - centre.y) ** 2));
    const left = Math.max(0, Math.ceil(centre.x - reach));
    const right = Math.min(size.width, Math.floor(centre.x + reach) + 1);
    if (left < right) data.fill(label, y * size.width + left, y * size.width + right);
  }
  const left = Math.max(0, Math.floor(centre.x - radius));
  const right = Math.min(size.width, Math.ceil(centre.x + radius) + 1);
  return top < bottom && left < right ? { left, top, right, bottom } : null;
}

function candidates(size: Size, count: number): AutomaticResult {
  const random = seededRandom(9);
  const list = Array.from({ length: count }, (_, index): PromptCandidate => {
    const label = random() < 0.5 ? 1 : 0;
    return {
      point: { x: random() * size.width, y: random() * size.height },
      label,
      reason: index % 4 === 0 ? 'kept' : 'thinned',
      source: 'forward',
      instance: 0,
      referencePatch: 0,
      backPatch: 0,
      targetPatch: index,
      forwardDistance: 0.1,
      backwardDistance: 0.1,
    };
  });
  return {
    classId: 1,
    candidates: list,
    heatMap: null,
    trust: null,
    trustParts: {},
    iouPrediction: null,
    outcome: 'mask',
    notes: [],
    times: {},
    device: 'cpu',
  };
}

const nextFrame = (): Promise<number> =>
  new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())));

declare global {
  interface Window {
    viewerBench: ViewerBench;
  }
}

window.viewerBench = new ViewerBench();
