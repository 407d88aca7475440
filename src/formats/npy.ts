/**
 * NumPy's array files (numpy.lib.format, versions 1 to 3): arrays of numbers with two dimensions, or three of which the
 * last has 1 to 4 channels. Anything else is refused; nothing in such a file is ever run.
 */
import { area, describeSize, type Size } from '../core/geometry';
import type { MaskSamples, SampleArray } from '../core/maskFiles/maskSamples';
import { UserError } from '../core/userError';
import { MAGIC, startsWith } from './imageFormat';

/** The header is one line that tells of type, order and shape; NumPy refuses longer ones by default. */
const LONGEST_HEADER = 10_000;

interface NumberKind {
  readonly bytes: number;
  readonly make: (length: number) => SampleArray;
  readonly read: (view: DataView, at: number, little: boolean) => number;
}

/** Bytes per number, what they are kept in, how one is read. */
const KINDS: Readonly<Record<string, NumberKind>> = {
  b1: { bytes: 1, make: (n) => new Uint8Array(n), read: (view, at) => view.getUint8(at) },
  u1: { bytes: 1, make: (n) => new Uint8Array(n), read: (view, at) => view.getUint8(at) },
  i1: { bytes: 1, make: (n) => new Int8Array(n), read: (view, at) => view.getInt8(at) },
  u2: { bytes: 2, make: (n) => new Uint16Array(n), read: (view, at, little) => view.getUint16(at, little) },
  i2: { bytes: 2, make: (n) => new Int16Array(n), read: (view, at, little) => view.getInt16(at, little) },
  u4: { bytes: 4, make: (n) => new Uint32Array(n), read: (view, at, little) => view.getUint32(at, little) },
  i4: { bytes: 4, make: (n) => new Int32Array(n), read: (view, at, little) => view.getInt32(at, little) },
  u8: { bytes: 8, make: (n) => new Float64Array(n), read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  i8: { bytes: 8, make: (n) => new Float64Array(n), read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  f4: { bytes: 4, make: (n) => new Float32Array(n), read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, make: (n) => new Float64Array(n), read: (view, at, little) => view.getFloat64(at, little) },
};

const WHITE: Readonly<Record<string, number>> = { u2: 65535, i2: 65535, f4: 1, f8: 1 };

export const isNpy = (bytes: Uint8Array): boolean => startsWith(bytes, MAGIC.numpy);

/**
 * @param name the file's name for messages
 * @throws UserError for an array that is not one of pixels, of more than `pixelLimit` pixels, or cut short
 */
export function readNpy(bytes: Uint8Array, name: string, pixelLimit: number): MaskSamples {
  const { kind, order, fortran, shape, start } = headerOf(bytes, name);
  const { size, channels, dimensions } = pixelsOf(shape, name, pixelLimit);
  const { bytes: width, make, read } = KINDS[kind];
  const count = area(size) * channels;
  if (bytes.length !== start + count * width) {
    const expected = `an array of ${shape.join(' x ')} numbers of ${width} bytes after ${start} bytes of header`;
    throw new UserError(`${name} is damaged: expected ${expected}, the file has ${bytes.length} bytes.`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = make(count);
  const steps = stepsOf(shape, fortran);
  const [rowStep, columnStep, channelStep = 0] = dimensions.map((dimension) => steps[dimension]);
  for (let y = 0, i = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      for (let c = 0; c < channels; c++, i++) {
        samples[i] = read(view, start + (y * rowStep + x * columnStep + c * channelStep) * width, order);
      }
    }
  }
  return { size, channels, samples, white: WHITE[kind] ?? 255, palette: [] };
}

function headerOf(bytes: Uint8Array, name: string) {
  const refuse = (what: string) => new UserError(`${name} is not an array file of NumPy that is read here: ${what}.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12) throw refuse(`it ends after ${bytes.length} bytes`);
  const version = bytes[6];
  if (version < 1 || version > 3) throw refuse(`it is of version ${version}, expected 1 to 3`);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const start = 8 + lengthBytes + length;
  if (length > LONGEST_HEADER || start > bytes.length) throw refuse(`its header says it is ${length} bytes long`);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + 8 + lengthBytes, length).toString('latin1');
  const found =
    /^\{\s*'descr':\s*'([<>|=])([a-z]\d{1,2})',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([\d, ]*)\),?\s*\}\s*$/.exec(
      text,
    );
  if (found === null) throw refuse('expected numbers with a shape, as numpy.save writes them');
  const [, order, kind, fortran, shape] = found;
  if (!(kind in KINDS)) throw refuse(`its numbers are of the type ${kind}, expected ${Object.keys(KINDS).join(', ')}`);
  const dimensions = shape
    .split(',')
    .filter((one) => one.trim() !== '')
    .map(Number);
  return { kind, order: order !== '>', fortran: fortran === 'True', shape: dimensions, start };
}

/** Which dimensions are height, width and channels (3 or 4); any other must be of length 1. */
function pixelsOf(
  shape: readonly number[],
  name: string,
  pixelLimit: number,
): { size: Size; channels: number; dimensions: readonly number[] } {
  const hasChannels = shape.length === 3 && (shape[2] === 3 || shape[2] === 4) && shape[0] !== 1;
  const all = [...shape.keys()];
  const dimensions = hasChannels || shape.length === 2 ? all : all.filter((dimension) => shape[dimension] !== 1);
  if (dimensions.length !== (hasChannels ? 3 : 2)) {
    throw new UserError(`${name} is an array of ${shape.join(' x ') || 'no'} numbers: expected height x width.`);
  }
  const size = { height: shape[dimensions[0]], width: shape[dimensions[1]] };
  if (!(area(size) >= 1 && area(size) <= pixelLimit)) {
    throw new UserError(`${name} says it is ${describeSize(size)}: expected 1 to ${pixelLimit} pixels.`);
  }
  return { size, channels: hasChannels ? shape[2] : 1, dimensions };
}

/** How many numbers apart two neighbours along each dimension are. */
function stepsOf(shape: readonly number[], fortran: boolean): number[] {
  const steps = new Array<number>(shape.length);
  const order = fortran ? shape.keys() : [...shape.keys()].reverse();
  let step = 1;
  for (const dimension of order) {
    steps[dimension] = step;
    step *= shape[dimension];
  }
  return steps;
}
