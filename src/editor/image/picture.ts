/** The picture of an open image: overview at once, tiles when they are made, and what deep images are shown through. */
import { stat } from 'node:fs/promises';
import { type Size, sameSize } from '../../core/geometry';
import { UserError } from '../../core/userError';
import type { DisplayImage } from '../../protocol/editorApi';
import type {
  BandChoice,
  DisplayOverview,
  EngineApi,
  ImageInfo,
  IntensityWindow,
  TileFiles,
} from '../../protocol/engineApi';
import type { Remote } from '../../rpc';

interface PictureHost {
  readonly engine: Pick<Remote<EngineApi>, 'displayOverview' | 'displayTiles'>;
  log(line: string): void;
}

interface PictureEvents {
  /** Aborts when nobody looks any more. */
  readonly signal: AbortSignal;
  /** Pages have to be shown it again. */
  onChange(): void;
  /** A sentence for the person. */
  say(text: string): void;
}

export class Picture {
  private tiles: TileFiles | undefined;
  private displayWindow: IntensityWindow | undefined;

  /** @param path absolute path of the image */
  constructor(
    private readonly path: string,
    private readonly host: PictureHost,
    private overview: DisplayOverview,
    private readonly events: PictureEvents,
    private readonly bands?: BandChoice,
  ) {}

  get info(): ImageInfo {
    return this.overview.info;
  }

  /** What images of more than 8 bits are shown through, where a person has chosen it. */
  get window(): IntensityWindow | undefined {
    return this.displayWindow;
  }

  /** @param size of the labels, which the picture has to match */
  displayFor({ addressOf }: { addressOf(file: string): string }, size: Size): DisplayImage {
    const { info, file, window } = this.overview;
    const { tiles } = this;
    return {
      size,
      overview: addressOf(file),
      tiles: tiles ? { base: addressOf(tiles.dir), tileSize: tiles.tileSize, levels: tiles.levels } : null,
      depth: info.depth,
      window: window ?? null,
    };
  }

  /** Shows the image through another window. */
  async show(window: IntensityWindow | undefined): Promise<void> {
    this.displayWindow = window;
    this.overview = await this.host.engine.displayOverview(this.request());
    this.tiles = undefined;
    this.events.onChange();
    await this.makeTiles();
  }

  /**
   * Reads the file again and shows it where it has changed. Gives what it is now; throws UserError where it is none.
   */
  async lookAgain(): Promise<ImageInfo> {
    const overview = await this.host.engine.displayOverview(this.request());
    const before = this.overview.info;
    const isOther = overview.info.file.sha256 !== before.file.sha256;
    if (isOther && sameSize(overview.info.size, before.size)) {
      this.overview = overview;
      this.tiles = undefined;
      this.events.onChange();
      void this.makeTiles();
      this.events.say('The image has changed on disk and was read again.');
    }
    return overview.info;
  }

  async makeTiles(): Promise<void> {
    const request = this.request();
    const { overview } = this;
    try {
      // Not cancelled when the editor closes: the tiles are kept for the next time, and clicks are answered meanwhile.
      const tiles = await this.host.engine.displayTiles(request);
      if (this.events.signal.aborted || overview !== this.overview) return;
      this.tiles = tiles;
      this.events.onChange();
    } catch (error) {
      if (this.events.signal.aborted) return;
      // The overview stays: coarse, but a picture.
      this.host.log(`${this.path}: its tiles could not be made: ${error instanceof Error ? error.message : error}`);
      if (error instanceof UserError) this.events.say(error.message);
    }
  }

  /** Makes the tiles again where the cache has dropped them. */
  async checkTiles(): Promise<void> {
    if (this.tiles === undefined) return;
    const isThere = await stat(this.tiles.dir).then(
      () => true,
      () => false,
    );
    if (!isThere) await this.makeTiles();
  }

  private request() {
    const { displayWindow, bands } = this;
    return { image: this.path, ...(displayWindow && { window: displayWindow }), ...(bands && { bands }) };
  }
}
