/** The image of a request as strategies are to see it: whole, in parts, or block by block. */
import { area, type Box, describeSize, type Size } from '../core/geometry';
import { partInsteadOf } from '../core/pixels/plainBorder';
import { isWhole, planTiles, tileFrame, tilesOfLength } from '../core/prompting/tiles';
import type { EncodedImage } from '../core/strategies/strategy';
import { resemblance } from '../core/tokens/resemblance';
import { withSurroundings } from '../core/tokens/surroundings';
import type { ClassesRequest, ImageInfo } from '../protocol/engineApi';
import type { EncodedFile, EncodedFiles } from './images/encodedFiles';
import { imageOf, tiledImageOf } from './images/strategyImage';
import { encodeTokens, readTileSource, type TileModels, type TileSource } from './images/tiledImage';
import { describeTiles, planOf, planParts, type SizedPlan } from './images/tiling';
import { type ImageFile, openAgain, openImage } from './pictures/imageFile';
import { readRgb } from './pictures/imagePixels';
import { PixelStore } from './pictures/pixelStore';
import type { ReadyReference } from './preparedReferences';
import type { InferenceQueue } from './runtime/inferenceQueue';
import { stageRunner } from './runtime/stages';

/** How a target is cut for one of the references. */
export interface TargetPlan extends SizedPlan {
  /** See `EncodedImage`. */
  readonly scale?: number;
  /** Whether its pixels show as much as those of the reference, though it is much larger. */
  readonly isSameScale?: true;
  /** What a person should know of it. */
  readonly notes: readonly string[];
}

/**
 * Parts of a target larger than those of the reference by this, along both sides, are seen in parts at the reference's
 * scale where that looks more like the reference.
 */
const MUCH_LARGER = 1.5;

/**
 * Of the mean cosine to the reference, by which parts at its scale must look more like it than the target as a whole:
 * of 20 pictures of ten kinds that were enlarged 2 and 4 times none gains as much (-0.16 to 0.001), of 20 mosaics of 2
 * x 2 and 4 x 4 pictures 18 gain more (up to 0.12; of lungs and breasts 2 x 2 lose 0.01).
 */
const LIKER = 0.005;

/** Parts of an image, or of a block of one, that may be seen together: their tokens take 1.5 MB each. */
const MOST_PARTS_AT_ONCE = 144;

/** Parts that are looked at along a side to find that out. */
const LOOKS = 2;

interface Known {
  readonly info: ImageInfo;
  readonly notes: readonly string[];
}

interface SeenPart {
  /** In targetPx. */
  readonly box: Box;
  readonly image: EncodedImage;
}

interface TargetPorts {
  readonly models: TileModels;
  readonly files: EncodedFiles;
  readonly inference: InferenceQueue;
  readonly pixelLimit: number;
  readonly signal: AbortSignal;
  readonly times: Record<string, number>;
  /** Takes what the segmenter could not be asked as it was. */
  readonly degradations: Set<string>;
}

/** One target, decoded at most once at its own size. To be closed. */
export class TargetReader {
  private whole: EncodedFile | undefined;
  private file: ImageFile | undefined;
  private known: Known | undefined;
  private store: Promise<PixelStore> | undefined;

  constructor(
    private readonly request: ClassesRequest,
    private readonly ports: TargetPorts,
  ) {}

  /** What may be kept on disk; parts are not. */
  get kept(): EncodedFile | undefined {
    return this.whole;
  }

  /** @param mayBeWhole whether it is likely to be asked for as a whole */
  async about(mayBeWhole: boolean): Promise<Known> {
    if (!mayBeWhole) return this.whole ?? this.known ?? (await this.opened());
    const { files, signal, times } = this.ports;
    // Who wants the details will ask about this image next; a batch never comes back to it.
    this.whole ??= await files.target(this.request, this.request.withDetails === true, signal, times);
    return this.whole;
  }

  /** How the target is to be cut for a reference. */
  async plan({ tiling, part, picture, tokens, scale }: ReadyReference): Promise<TargetPlan> {
    const { encoder } = this.ports.models;
    const { size } = (await this.about(true)).info;
    const fitting = planOf(tiling, size, encoder);
    const frame = tileFrame(fitting.plan, size);
    const larger = Math.sqrt(area(frame) / area(part));
    // An ordinary picture of an ordinary folder: sizes say what the long sides say.
    const plain = fitting.plan.columns === fitting.plan.rows && part.plain;
    const fit = { ...fitting, ...(!plain && { scale: larger }), notes: describeTiles(fitting.plan) };
    const isLarger = Math.min(frame.width / part.width, frame.height / part.height) > MUCH_LARGER;
    const isOnCanvas = this.whole !== undefined && partInsteadOf(size, this.whole.picture, picture) !== undefined;
    if (!tiling.isCut || scale === 'fit' || !isLarger || isOnCanvas) return fit;
    const plan = planTiles(tilesOfLength(part, size), fitting.plan.tileGrid);
    const same = {
      ...{ ...fitting, plan, scale: 1, isSameScale: true as const },
      notes: describeTiles(plan, `${describeSize(size)} pixels at the scale of the reference`),
    };
    if (scale === 'same') return same;
    const [seenWhole, seenSame] = [await this.looks(fitting), await this.looks(same)];
    const like = (looks: typeof seenWhole) =>
      looks.reduce((sum, look) => sum + resemblance(look, tokens), 0) / looks.length;
    return like(seenSame) > like(seenWhole) + LIKER ? same : fit;
  }

  /** The target, or what a box of it shows, as strategies are to see it. */
  async image({ plan, tileSize, scale }: TargetPlan, box?: Box): Promise<EncodedImage> {
    const { models, inference, signal, times, degradations } = this.ports;
    const runner = stageRunner(signal, times);
    const whole = box === undefined && isWhole(plan) ? this.whole : undefined;
    if (whole) return this.inView(imageOf(whole, models.segmenter, runner, degradations), { plan, tileSize }, scale);
    const source = await this.source({ plan, tileSize }, box);
    const image = await inference.run(() => tiledImageOf(source, models, runner, degradations, signal));
    return this.inView(image, { plan, tileSize }, scale, box);
  }

  /** What tiles are made from. */
  private async source(sized: SizedPlan, box: Box | undefined): Promise<TileSource> {
    const { models, signal, times } = this.ports;
    const { info } = await this.about(false);
    return await stageRunner(signal, times).stage('read', async () => {
      const size = box ? { width: box.right - box.left, height: box.bottom - box.top } : info.size;
      return await readTileSource(size, await this.reader(box), sized, models.segmenter);
    });
  }

  /** An image that can be seen in parts too, each way once; asked for while inference runs. */
  private inView(image: EncodedImage, around: SizedPlan, scale: number | undefined, box?: Box): EncodedImage {
    const { models, signal, times, degradations } = this.ports;
    const see = async (sized: SizedPlan): Promise<EncodedImage> => {
      const runner = stageRunner(signal, times);
      const seen = await tiledImageOf(await this.source(sized, box), models, runner, degradations, signal);
      const tokens = withSurroundings(seen.tokens, image.tokens);
      return { ...seen, tokens, ...(scale !== undefined && { scale }) };
    };
    const known = new Map<number, Promise<EncodedImage>>();
    const inParts = async (parts: number): Promise<EncodedImage | undefined> => {
      const sized = planParts(around, image.size, parts);
      if (sized.plan.tiles.length > MOST_PARTS_AT_ONCE) return undefined;
      const seen = known.get(parts) ?? see(sized);
      known.set(parts, seen);
      return await seen;
    };
    return { ...image, ...(scale !== undefined && { scale }), inParts };
  }

  /** The part of the target that is looked at in place of all of it, if any; see stage *plain border*. */
  async partInstead({ picture }: ReadyReference, around: TargetPlan): Promise<SeenPart | undefined> {
    const { whole, request } = this;
    if (!whole || !isWhole(around.plan) || !partInsteadOf(whole.info.size, whole.picture, picture)) return undefined;
    const { files, models, signal, times, degradations } = this.ports;
    const runner = stageRunner(signal, times);
    const part = await files.part(request.image, request, picture, runner);
    if (part === undefined) return undefined;
    const image = imageOf(part, models.segmenter, runner, degradations);
    return { box: part.box, image: this.inView(image, around, undefined, part.box) };
  }

  async close(): Promise<void> {
    await (await this.store?.catch(() => undefined))?.close();
  }

  private async reader(box: Box | undefined): Promise<(size: Size) => Promise<Uint8Array>> {
    if (box === undefined && this.store === undefined) {
      const file = await this.opened();
      return (size) => readRgb(file, size, this.request.window);
    }
    const { width, height } = (await this.about(false)).info.size;
    const store = await this.pixels();
    return (size) => store.read(box ?? { left: 0, top: 0, right: width, bottom: height }, size);
  }

  /** Tokens of a few parts, spread over the target. */
  private async looks({ plan, tileSize }: SizedPlan) {
    // Not from its own pixels, which a large picture has too many of.
    if (isWhole(plan) && this.whole !== undefined) return [this.whole.encoding.tokens];
    const { models, inference } = this.ports;
    const store = await this.pixels();
    const { size } = store;
    const frame = tileFrame(plan, size);
    const starts = (side: number, length: number, count: number) =>
      Array.from({ length: Math.min(count, LOOKS) }, (_, k) => ((k + 0.5) / Math.min(count, LOOKS)) * (side - length));
    const tokens = [];
    for (const top of starts(size.height, frame.height, plan.rows)) {
      for (const left of starts(size.width, frame.width, plan.columns)) {
        const box = {
          left: Math.floor(left),
          top: Math.floor(top),
          right: Math.min(size.width, Math.floor(left) + Math.max(1, Math.round(frame.width))),
          bottom: Math.min(size.height, Math.floor(top) + Math.max(1, Math.round(frame.height))),
        };
        const rgb = await store.read(box, tileSize);
        const one = { plan: planTiles({ columns: 1, rows: 1 }, plan.tileGrid), tileSize };
        tokens.push(await inference.run(() => encodeTokens(one, rgb, models.encoder)));
      }
    }
    return tokens;
  }

  private pixels(): Promise<PixelStore> {
    this.store ??= (async () => {
      const store = await PixelStore.open(await this.opened(), this.request.window);
      // The bytes of the file are read no more.
      this.file = undefined;
      return store;
    })();
    return this.store;
  }

  private async opened(): Promise<ImageFile> {
    const { image, bands } = this.request;
    const { pixelLimit } = this.ports;
    const before = this.whole?.info ?? this.known?.info;
    this.file ??= await (before
      ? openAgain(image, before.file.sha256, pixelLimit, bands)
      : openImage(image, pixelLimit, bands));
    const { info, notes } = this.file;
    this.known = { info, notes };
    return this.file;
  }
}
