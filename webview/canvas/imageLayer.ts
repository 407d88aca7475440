/** The picture: its overview at once, its tiles as they come. */
import { type Box, type Size, sameSize } from '../../src/core/geometry';
import type { DisplayImage } from '../../src/protocol/editorApi';
import { loadBitmap } from './bitmap';
import type { Sheet } from './sheet';
import { drawPicture, drawTiles } from './tileDrawing';
import { nearestFirst, TileGrid, type TileKey, tileName } from './tileGrid';
import { TileStore } from './tileStore';
import type { DeviceFrame } from './viewport';

/** Decoded tiles are kept up to this; a 4K screen shows at most 130 MB of them. */
const TILE_BYTES = 192 * 2 ** 20;
const REQUESTS = 6;

interface ImageLayerEvents {
  /** Something else is there to be drawn. */
  onChange(): void;
  /** A picture of the image shown could not be loaded. Once until it is shown again. */
  onMissing(): void;
}

/** One picture with what has been loaded of it. */
class Picture {
  overview: ImageBitmap | null = null;
  tiles: { readonly base: string; readonly grid: TileGrid; readonly store: TileStore<ImageBitmap> } | null = null;
  private readonly controller = new AbortController();
  private reported = false;

  constructor(
    readonly size: Size,
    readonly uri: string,
    private readonly events: ImageLayerEvents,
  ) {}

  /** Resolves when the overview is there or is known not to come. */
  async loadOverview(): Promise<void> {
    try {
      const overview = await loadBitmap(this.uri, this.controller.signal);
      if (this.controller.signal.aborted) overview.close();
      else this.overview = overview;
    } catch {
      // The tiles may still be there; whoever made the overview hears that it is gone.
      if (!this.controller.signal.aborted) this.reportMissing();
    }
  }

  setTiles(pyramid: DisplayImage['tiles']): void {
    this.reported = false;
    if (pyramid !== null && this.tiles?.base === pyramid.base) {
      this.tiles.store.forgive();
      return;
    }
    this.tiles?.store.dispose();
    this.tiles = null;
    if (pyramid === null) return;
    const { base, tileSize, levels } = pyramid;
    const store = new TileStore<ImageBitmap>(
      {
        load: ({ level, column, row }, signal) =>
          loadBitmap(`${base}/${levels - 1 - level}/${column}_${row}.png`, signal),
        bytesOf: ({ width, height }) => 4 * width * height,
        release: (tile) => tile.close(),
      },
      { bytes: TILE_BYTES, requests: REQUESTS },
      { onLoaded: () => this.events.onChange(), onFailed: () => this.reportMissing() },
    );
    this.tiles = { base, grid: new TileGrid(this.size, tileSize, levels), store };
  }

  dispose(): void {
    this.controller.abort();
    this.overview?.close();
    this.tiles?.store.dispose();
  }

  private reportMissing(): void {
    if (this.reported) return;
    this.reported = true;
    this.events.onMissing();
  }
}

export class ImageLayer {
  private shown: Picture | null = null;
  /** Takes the place of `shown` when its overview is there, so that the screen never goes blank between the two. */
  private next: Picture | null = null;

  constructor(
    private readonly sheet: Sheet,
    private readonly events: ImageLayerEvents,
  ) {}

  show({ size, overview, tiles }: DisplayImage): void {
    const current = this.next ?? this.shown;
    if (current !== null && current.uri === overview && sameSize(current.size, size)) {
      current.setTiles(tiles);
      this.events.onChange();
      return;
    }
    this.next?.dispose();
    const picture = new Picture(size, overview, this.events);
    this.next = picture;
    if (this.shown !== null && !sameSize(this.shown.size, size)) {
      this.shown.dispose();
      this.shown = null;
    }
    picture.setTiles(tiles);
    void picture.loadOverview().then(() => {
      if (this.next !== picture) return;
      this.shown?.dispose();
      this.shown = picture;
      this.next = null;
      this.events.onChange();
    });
    this.events.onChange();
  }

  draw(frame: DeviceFrame, visible: Box): void {
    const { sheet } = this;
    const { context } = sheet;
    sheet.clear();
    if (this.shown === null) return;
    sheet.drawn();
    const { size, overview, tiles } = this.shown;
    const drawOverview = () => {
      if (overview === null) return;
      // The overview of a small image is the image.
      const smooth = frame.scale < 1 || !sameSize(overview, size);
      const whole = { left: 0, top: 0, right: size.width, bottom: size.height };
      drawPicture(context, overview, { width: overview.width, height: overview.height }, whole, frame, visible, smooth);
    };
    if (tiles === null) {
      drawOverview();
      return;
    }
    const { grid, store } = tiles;
    store.want(wantedTiles(grid, frame.scale, visible));
    drawTiles(context, grid, frame, visible, (key) => store.get(key), drawOverview);
  }

  dispose(): void {
    this.next?.dispose();
    this.shown?.dispose();
  }
}

/** Tiles to have for a view: the visible ones from its centre outwards, then those around them. */
function wantedTiles(grid: TileGrid, scale: number, visible: Box): TileKey[] {
  const level = grid.levelFor(scale);
  const reach = grid.tileSize * 2 ** level;
  const { left, top, right, bottom } = visible;
  const centre = { x: (left + right) / 2, y: (top + bottom) / 2 };
  const around = { left: left - reach, top: top - reach, right: right + reach, bottom: bottom + reach };
  const needed = grid.tilesIn(visible, level);
  const names = new Set(needed.map(tileName));
  const neighbours = grid.tilesIn(around, level).filter((key) => !names.has(tileName(key)));
  return [...nearestFirst(grid, needed, centre), ...nearestFirst(grid, neighbours, centre)];
}
