/** Binary masks: representation and run lengths. */
import { area, type Size } from './geometry';

/** A binary mask: uint8 [height, width], row-major, 0 background, 1 foreground. */
export interface Mask {
  readonly size: Size;
  readonly data: Uint8Array;
}

/**
 * The same mask as run lengths: row-major, alternating, starting with background (the first may be 0); they sum to
 * width * height. Compact enough to cross a process boundary.
 */
export interface RunMask {
  readonly size: Size;
  readonly runs: Uint32Array;
}

export function createMask(size: Size): Mask {
  return { size, data: new Uint8Array(area(size)) };
}
