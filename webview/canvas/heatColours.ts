/**
 * Colours of a heat map: warm where it is positive, cool where negative, nothing at 0. Told apart by the colour-blind.
 */
import { longSide, type Size } from '../../src/core/geometry';
import { type FloatMap, resizeBilinear } from '../../src/core/pixels/raster';

/**
 * Long side to which a map is interpolated before it is coloured: colours between cells are then those of the values.
 */
const COLOURED_SIDE = 512;

/** Share of the values that lie within the range of colours; the others have the strongest. */
const QUANTILE = 0.98;

type Colour = readonly [red: number, green: number, blue: number];
const WARM: readonly [Colour, Colour] = [
  [255, 190, 70],
  [230, 60, 0],
];
const COOL: readonly [Colour, Colour] = [
  [90, 190, 255],
  [30, 60, 200],
];

interface HeatPicture {
  readonly size: Size;
  /** RGBA, uint8 [height, width, 4], row-major, not premultiplied. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** The map in colours, its long side about COLOURED_SIDE pixels. */
export function heatPicture(map: FloatMap): HeatPicture {
  const factor = Math.max(1, Math.floor(COLOURED_SIDE / longSide(map.size)));
  const size = { width: map.size.width * factor, height: map.size.height * factor };
  const { data } = factor === 1 ? map : resizeBilinear(map, size);
  const strongest = strongestOf(map.data);
  const pixels = new Uint8ClampedArray(4 * data.length);
  data.forEach((value, i) => {
    pixels.set(heatColour(value / strongest), 4 * i);
  });
  return { size, pixels };
}

/** Red, green, blue and opacity, each 0 to 255, of a value from -1 (cool) to 1 (warm); beyond as at the ends. */
function heatColour(value: number): [red: number, green: number, blue: number, opacity: number] {
  const strength = Math.min(1, Math.abs(value));
  const [faint, strong] = value < 0 ? COOL : WARM;
  const between = (k: 0 | 1 | 2) => Math.round(faint[k] + (strong[k] - faint[k]) * strength);
  return [between(0), between(1), between(2), Math.round(255 * strength)];
}

/** Magnitude that most values stay below; 1 for a map of zeros. */
function strongestOf(values: Float32Array): number {
  const magnitudes = values.map(Math.abs).sort();
  return magnitudes[Math.floor((magnitudes.length - 1) * QUANTILE)] || magnitudes.at(-1) || 1;
}
