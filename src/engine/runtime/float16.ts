/**
 * IEEE 754 half precision (binary16) in JavaScript: models exported in fp16 take and give tensors of it, and Node 20
 * has no Float16Array. A half is 1 sign, 5 exponent (bias 15) and 10 fraction bits, held in a uint16.
 */

const bits = new Uint32Array(1);
const value = new Float32Array(bits.buffer);

/** Nearest halves of floats, ties to even; what is too large becomes infinite, what is too small 0, signs kept. */
export function toFloat16(floats: Float32Array): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < floats.length; i++) {
    value[0] = floats[i];
    halves[i] = halfOf(bits[0]);
  }
  return halves;
}

/** Floats of halves, exact. */
export function fromFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  table ??= Float32Array.from({ length: 65_536 }, (_, half) => floatOf(half));
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) floats[i] = table[halves[i]];
  return floats;
}

/** Every half there is; made on first use, since most models have none. */
let table: Float32Array | undefined;

function floatOf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Half of a float given as its 32 bits. */
function halfOf(float: number): number {
  const sign = (float >>> 16) & 0x8000;
  const magnitude = float & 0x7fffffff;
  // Infinity stays; NaN stays a quiet NaN.
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  const exponent = (magnitude >>> 23) - 127;
  if (exponent > 15) return sign | 0x7c00;
  // Below half of the smallest subnormal, 2^-25.
  if (exponent < -25) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  // Fraction bits of the float that the half has no room for: 13, and more where the half is subnormal.
  const dropped = exponent >= -14 ? 13 : 13 + (-14 - exponent);
  const kept = significand >>> dropped;
  const rest = significand & ((1 << dropped) - 1);
  const middle = 1 << (dropped - 1);
  const rounded = kept + (rest > middle || (rest === middle && (kept & 1) === 1) ? 1 : 0);
  // A carry out of the fraction goes into the exponent, up to infinity, which is what rounding asks for.
  return sign | (exponent >= -14 ? ((exponent + 14) << 10) + rounded : rounded);
}
