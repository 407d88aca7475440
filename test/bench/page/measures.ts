/** What the page of the viewer's bench does and tells; read by the page and by the program that drives it. */

export const SCENARIOS = [
  'pan at 1:1',
  'pan at 1:3',
  'zoom fit to 16:1',
  'paint at fit',
  'paint at 1:1',
  'pan, 5000 prompts',
  'pan, heat map',
] as const;

export type Scenario = (typeof SCENARIOS)[number];

/** Milliseconds of every frame: between two of them, and spent in the viewer's own drawing. */
export interface FrameTimes {
  readonly intervals: number[];
  readonly draws: number[];
}

/** How the image lies on the screen, in devicePx. */
export interface PageFrame {
  readonly size: { readonly width: number; readonly height: number };
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

/** How many devicePx were looked at, how many are wrong on either canvas, and where the first of these is. */
export interface PixelComparison {
  readonly looked: number;
  readonly image: number;
  readonly mask: number;
  readonly first: string;
}

/** Red, green and blue of every pixel of the plain image, all of which is labelled too. */
export const PLAIN = [37, 150, 211] as const;

/** Red, green and blue of a pixel of the coded image, in which every pixel tells where it is. */
export function codedPixel(x: number, y: number): [red: number, green: number, blue: number] {
  return [(x * 7 + y * 3) & 255, (y * 11 + (x >> 3)) & 255, ((x ^ y) * 5) & 255];
}
