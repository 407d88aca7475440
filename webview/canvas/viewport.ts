/**
 * Where the image is on screen. Frames: `targetPx` are pixels of the image; `screenPx` are CSS pixels from the top-left
 * corner of the canvas area; `devicePx` are the pixels that the screen really has, `pixelRatio` of them per screenPx.
 *
 * Scale and origin are kept twice: as asked for, and as shown. What is shown is rounded so that the corners of tiles
 * fall on whole devicePx: neighbours then meet without a seam, and a targetPx of n devicePx is n devicePx everywhere.
 * What was asked for is remembered, so that many small steps add up to what they should.
 */
import { area, type Box, describeSize, type Point, type Size, sameSize } from '../../src/core/geometry';

/** Sides of tiles are multiples of this many pixels of their level. */
const TILE_QUANTUM = 256;

/** Most devicePx per targetPx. */
const LARGEST_PIXEL = 64;

/** The whole image may shrink to this share of the size at which it fits. */
const SMALLEST_FIT = 1 / 4;

/** ScreenPx left free around an image that fits. */
const FIT_MARGIN = 12;

/** Factor of one step of the zoom buttons and keys. */
const ZOOM_STEP = 1.5;

/** What the zoom buttons and keys do. */
export type Zoom = 'in' | 'out' | 'fit' | 'actual';

/** How targetPx lie on the devicePx of a canvas: devicePx = left + targetPx * scale, and alike for top. */
export interface DeviceFrame {
  /** Size of the canvas in devicePx. */
  readonly size: Size;
  /** DevicePx per targetPx. */
  readonly scale: number;
  /** Corner of the image, whole devicePx. */
  readonly left: number;
  readonly top: number;
}

/** Immutable. The centre of the screen always lies on the image, so that the image cannot be lost. */
export class Viewport {
  /** ScreenPx per targetPx. */
  readonly scale: number;
  /** TargetPx at the top-left corner of the screen. */
  readonly origin: Point;
  private readonly wantedScale: number;
  private readonly wantedOrigin: Point;

  private constructor(
    /** Canvas area in screenPx. */
    readonly screen: Size,
    /** Size of the image in targetPx. */
    readonly target: Size,
    /** DevicePx per screenPx. */
    readonly pixelRatio: number,
    /** The whole image is shown, and stays so when the screen changes. */
    readonly isFitted: boolean,
    wantedScale: number,
    originAt: (scale: number) => Point,
  ) {
    const { least, most } = scaleLimits(screen, target, pixelRatio);
    this.wantedScale = Math.min(most, Math.max(least, wantedScale));
    this.scale = roundScale(this.wantedScale * pixelRatio, isFitted ? Math.floor : Math.round) / pixelRatio;
    const origin = originAt(this.scale);
    this.wantedOrigin = {
      x: keepCentre(origin.x, screen.width / this.scale, target.width),
      y: keepCentre(origin.y, screen.height / this.scale, target.height),
    };
    const deviceScale = this.scale * pixelRatio;
    this.origin = {
      x: Math.round(this.wantedOrigin.x * deviceScale) / deviceScale,
      y: Math.round(this.wantedOrigin.y * deviceScale) / deviceScale,
    };
  }

  /** The whole image, centred. Throws RangeError for an image without pixels. */
  static fit(target: Size, screen: Size, pixelRatio = 1): Viewport {
    if (!(area(target) > 0)) throw new RangeError(`cannot show an image of ${describeSize(target)}`);
    return new Viewport(screen, target, pixelRatio, true, fitScale(screen, target), (scale) => ({
      x: (target.width - screen.width / scale) / 2,
      y: (target.height - screen.height / scale) / 2,
    }));
  }

  toTarget(screenPx: Point): Point {
    return { x: this.origin.x + screenPx.x / this.scale, y: this.origin.y + screenPx.y / this.scale };
  }

  toScreen(targetPx: Point): Point {
    return { x: (targetPx.x - this.origin.x) * this.scale, y: (targetPx.y - this.origin.y) * this.scale };
  }

  /** Zoomed by a factor; what is under `screenPx` stays there unless the image would be lost. */
  zoomedAt(screenPx: Point, factor: number): Viewport {
    const held = this.toTarget(screenPx);
    return this.with(this.wantedScale * factor, (scale) => ({
      x: held.x - screenPx.x / scale,
      y: held.y - screenPx.y / scale,
    }));
  }

  /**
   * As a zoom button or key has it.
   *
   * @param about screenPx that a step in or out keeps in place; undefined: the centre
   * @param devicePixelRatio devicePx per screenPx, for the actual pixels
   */
  zoomed(zoom: Zoom, about: Point | undefined, devicePixelRatio: number): Viewport {
    switch (zoom) {
      case 'in':
        return this.zoomedAt(about ?? this.centre(), ZOOM_STEP);
      case 'out':
        return this.zoomedAt(about ?? this.centre(), 1 / ZOOM_STEP);
      case 'fit':
        return this.fitted();
      case 'actual':
        return this.actual(devicePixelRatio);
    }
  }

  /** Moves the image by this much: positive is to the right and down. */
  panned(dxScreenPx: number, dyScreenPx: number): Viewport {
    const { x, y } = this.wantedOrigin;
    return this.with(this.wantedScale, (scale) => ({ x: x - dxScreenPx / scale, y: y - dyScreenPx / scale }));
  }

  /** The whole image, centred. */
  fitted(): Viewport {
    return Viewport.fit(this.target, this.screen, this.pixelRatio);
  }

  /** One targetPx per devicePx about the centre of the screen. */
  actual(devicePixelRatio: number): Viewport {
    const centre = this.toTarget(this.centre());
    return this.with(1 / devicePixelRatio, (scale) => this.originFor(centre, scale));
  }

  /** Centred on a point of the image, at the same scale. */
  centredOn(targetPx: Point): Viewport {
    return this.with(this.wantedScale, (scale) => this.originFor(targetPx, scale));
  }

  /** Another canvas area: an image that fits still does, any other keeps its centre and its size in screenPx. */
  resized(screen: Size, pixelRatio = this.pixelRatio): Viewport {
    if (sameSize(screen, this.screen) && pixelRatio === this.pixelRatio) return this;
    if (this.isFitted) return Viewport.fit(this.target, screen, pixelRatio);
    const centre = this.toTarget(this.centre());
    return new Viewport(screen, this.target, pixelRatio, false, this.wantedScale, (scale) => ({
      x: centre.x - screen.width / 2 / scale,
      y: centre.y - screen.height / 2 / scale,
    }));
  }

  /** Pixels of the image that are at least partly on screen, in whole targetPx. */
  visible(): Box {
    const end = this.toTarget({ x: this.screen.width, y: this.screen.height });
    // A corner on a pixel's border must not count that pixel because of the last bit of a product.
    const slack = 1e-6;
    return {
      left: Math.max(0, Math.floor(this.origin.x + slack)),
      top: Math.max(0, Math.floor(this.origin.y + slack)),
      right: Math.min(this.target.width, Math.ceil(end.x - slack)),
      bottom: Math.min(this.target.height, Math.ceil(end.y - slack)),
    };
  }

  /** Whether both show the same part of an image of the same size in the same place. */
  equals(other: Viewport): boolean {
    return (
      sameSize(this.screen, other.screen) &&
      sameSize(this.target, other.target) &&
      this.pixelRatio === other.pixelRatio &&
      this.isFitted === other.isFitted &&
      this.wantedScale === other.wantedScale &&
      this.wantedOrigin.x === other.wantedOrigin.x &&
      this.wantedOrigin.y === other.wantedOrigin.y
    );
  }

  /** How the image lies on a canvas of `size` devicePx. */
  deviceFrame(size: Size): DeviceFrame {
    const scale = this.scale * this.pixelRatio;
    // Adding 0 turns -0 into 0.
    return { size, scale, left: Math.round(-this.origin.x * scale) + 0, top: Math.round(-this.origin.y * scale) + 0 };
  }

  private centre(): Point {
    return { x: this.screen.width / 2, y: this.screen.height / 2 };
  }

  private originFor(centre: Point, scale: number): Point {
    return { x: centre.x - this.screen.width / 2 / scale, y: centre.y - this.screen.height / 2 / scale };
  }

  private with(wantedScale: number, originAt: (scale: number) => Point): Viewport {
    return new Viewport(this.screen, this.target, this.pixelRatio, false, wantedScale, originAt);
  }
}

/** ScreenPx per targetPx at which the whole image fits; at most the largest pixel. */
function fitScale(screen: Size, target: Size): number {
  const free = (side: number) => Math.max(1, side - 2 * Math.min(FIT_MARGIN, side / 16));
  return Math.min(free(screen.width) / target.width, free(screen.height) / target.height);
}

function scaleLimits(screen: Size, target: Size, pixelRatio: number): { least: number; most: number } {
  const fit = Math.min(fitScale(screen, target), LARGEST_PIXEL / pixelRatio);
  // One targetPx per devicePx is always within reach, however small the image.
  return { least: Math.min(fit * SMALLEST_FIT, 1 / pixelRatio), most: LARGEST_PIXEL / pixelRatio };
}

/**
 * The scale in devicePx per targetPx at which a tile of TILE_QUANTUM pixels has a whole number of devicePx, on the
 * level that is shown at this scale: the one whose pixels are more than half a devicePx and at most one.
 */
function roundScale(scale: number, round: (value: number) => number): number {
  const halvings = Math.max(0, Math.floor(-Math.log2(scale)));
  const quantum = TILE_QUANTUM * 2 ** halvings;
  return Math.max(1, round(scale * quantum)) / quantum;
}

/** Start of a span of `length` on an axis of `extent` such that the centre of the span lies on the axis. */
function keepCentre(start: number, length: number, extent: number): number {
  return Math.min(extent, Math.max(0, start + length / 2)) - length / 2;
}
