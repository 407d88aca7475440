/** What a mask file holds, before anybody has said what its values mean. */
import type { Size } from '../geometry';

export type SampleArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

export interface MaskSamples {
  readonly size: Size;
  /** Samples per pixel: 1 grey or index, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number;
  /** [height, width, channels], row-major, as stored in the file, never scaled. */
  readonly samples: SampleArray;
  /** The value that a viewer shows as white, such as 255; also that of an opaque alpha. */
  readonly white: number;
  /** Palette entries [r, g, b], uint8, where the samples are indices into them; else empty. */
  readonly palette: readonly (readonly number[])[];
}
