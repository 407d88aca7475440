/** How much of a JPEG that was cut short is missing, seen in its pixels. */
import type { Size } from '../../core/geometry';

/** libjpeg draws what it has no data for in the middle of the scale, in every component. */
const FILL = 128;

/** Where an upright image has its last stored row, by EXIF orientation: each step leads one row back. */
const LAST_ROW: Readonly<Record<number, 'bottom' | 'top' | 'right' | 'left'>> = {
  ...{ 1: 'bottom', 2: 'bottom', 3: 'top', 4: 'top', 5: 'right', 6: 'left', 7: 'left', 8: 'right' },
};

/**
 * Makes black, as everywhere where there is no signal, what is nothing but filling, in whole rows as they are stored;
 * returns its share of the image in [0, 1].
 *
 * @param samples uint8 [height, width, stride] of the upright image
 * @param ofInks whether the colours were converted from inks: then the filling is what the last pixel has
 */
export function blackenMissing(
  samples: Uint8Array,
  stride: number,
  { width, height }: Size,
  orientation = 1,
  ofInks = false,
): number {
  const side = LAST_ROW[orientation] ?? 'bottom';
  const upright = side === 'bottom' || side === 'top';
  const [rows, length] = upright ? [height, width] : [width, height];
  const at = (row: number, along: number): number => {
    const back = side === 'bottom' || side === 'right' ? rows - 1 - row : row;
    return (upright ? back * width + along : along * width + back) * stride;
  };
  const corner = at(0, length - 1);
  const fill = Array.from({ length: stride }, (_, band) => (ofInks ? samples[corner + band] : FILL));
  const isFill = (row: number): boolean => {
    for (let along = 0; along < length; along++) {
      const pixel = at(row, along);
      for (let band = 0; band < stride; band++) if (samples[pixel + band] !== fill[band]) return false;
    }
    return true;
  };
  let missing = 0;
  for (; missing < rows && isFill(missing); missing++) {
    for (let along = 0; along < length; along++) samples.fill(0, at(missing, along), at(missing, along) + stride);
  }
  return missing / rows;
}
