/**
 * Damage done to files: what disks, networks, other programs and people with bad intentions do. The same seed, the same
 * damage.
 */
import { crc32 } from 'node:zlib';

export type Random = () => number;

export const below = (random: Random, count: number): number => Math.floor(random() * count);
export const oneOf = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)]!;

type Mutation = (bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer;

/** What a mutated file may grow to. */
const MOST_BYTES = 4_000_000;

const bitFlips: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  for (let n = 1 + below(random, 16); n > 0 && copy.length > 0; n--) {
    const at = below(random, copy.length);
    copy[at] = copy[at]! ^ (1 << below(random, 8));
  }
  return copy;
};

const truncation: Mutation = (bytes, random) => bytes.subarray(0, below(random, bytes.length + 1));

const splice: Mutation = (bytes, random, others) => {
  const other = oneOf(random, others);
  const from = below(random, other.length + 1);
  const piece = other.subarray(from, from + 1 + below(random, 512));
  const at = below(random, bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + below(random, 2) * piece.length)]);
};

const loss: Mutation = (bytes, random) => {
  const at = below(random, bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 256))]);
};

const zeros: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const at = below(random, copy.length + 1);
  return copy.fill(0, at, Math.min(copy.length, at + 1 + below(random, 4096)));
};

const repetition: Mutation = (bytes, random) => {
  const at = below(random, bytes.length + 1);
  const piece = bytes.subarray(at, at + 1 + below(random, 256));
  const count = oneOf(random, [2, 16, 1024]);
  return Buffer.concat([bytes.subarray(0, at), ...Array.from({ length: count }, () => piece), bytes.subarray(at)]);
};

/** Lengths, offsets and sizes are whole numbers of 2, 4 or 8 bytes; most stand near the beginning. */
const lie: Mutation = (bytes, random) => {
  const copy = Buffer.from(bytes);
  const width = oneOf(random, [2, 4, 8]);
  if (copy.length < width) return copy;
  const near = random() < 0.7 ? Math.min(copy.length, 512) : copy.length;
  const at = below(random, Math.max(1, near - width + 1));
  const value = oneOf(random, [0n, 1n, 0x7fffn, 0xffffn, 0x7fffffffn, 0xffffffffn, 2n ** 63n - 1n, 2n ** 64n - 1n]);
  const number = BigInt.asUintN(width * 8, random() < 0.2 ? BigInt(below(random, 2 ** 31)) : value);
  for (let i = 0; i < width; i++) copy[at + i] = Number((number >> BigInt(8 * i)) & 0xffn);
  if (random() < 0.5) copy.subarray(at, at + width).reverse();
  return copy;
};

const swappedHeader: Mutation = (bytes, random, others) => {
  const length = 4 + below(random, 64);
  return Buffer.concat([oneOf(random, others).subarray(0, length), bytes.subarray(length)]);
};

/** Numbers in text become others that are no less a number, or no number at all. */
const oddNumber: Mutation = (bytes, random) => {
  const text = bytes.toString('latin1');
  const numbers = [...text.matchAll(/-?\d+(?:\.\d+)?/g)];
  if (numbers.length === 0) return bytes;
  const { index, 0: found } = oneOf(random, numbers);
  const odd = oneOf(random, [
    '1e999',
    '-1',
    '0',
    '1e308',
    '9007199254740993',
    'NaN',
    '0.5',
    '""',
    'null',
    '[]',
    '4294967296',
  ]);
  return Buffer.from(text.slice(0, index) + odd + text.slice(index + found.length), 'latin1');
};

const deepNesting: Mutation = (bytes, random) => {
  const depth = oneOf(random, [10, 1000, 100_000]);
  const [open, close] = oneOf(random, [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  const at = random() < 0.5 ? 0 : below(random, bytes.length + 1);
  const isClosed = random() < 0.5;
  return Buffer.concat([
    bytes.subarray(0, at),
    Buffer.from(`${open.repeat(depth)}1${isClosed ? close.repeat(depth) : ''}`),
    bytes.subarray(at),
  ]);
};

/** Names that mean something to JavaScript, line ends, marks and characters that text does not have. */
const oddText: Mutation = (bytes, random) => {
  const odd = oneOf(random, [
    '\ufeff',
    '\r\n',
    '\u2028',
    '\0',
    '"__proto__":{"a":1},',
    '"constructor":1,',
    '../',
    '\x1b[2J',
    '"'.repeat(3),
    'x'.repeat(100_000),
  ]);
  const at = random() < 0.3 ? 0 : below(random, bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(odd), bytes.subarray(at)]);
};

const OF_BYTES = [bitFlips, bitFlips, truncation, splice, loss, zeros, repetition, lie, lie, lie, swappedHeader];
const OF_TEXT = [...OF_BYTES, oddNumber, oddNumber, oddNumber, deepNesting, oddText];

/** One to four mutations of a file; half of the PNGs get checksums that are right, so that more than these is tried. */
export function mutated(bytes: Buffer, others: readonly Buffer[], isText: boolean, random: Random): Buffer {
  let result = bytes;
  for (let n = 1 + below(random, 4); n > 0; n--) {
    result = oneOf(random, isText ? OF_TEXT : OF_BYTES)(result, random, others).subarray(0, MOST_BYTES);
  }
  return random() < 0.5 ? withRightChecksums(result) : result;
}

function withRightChecksums(bytes: Buffer): Buffer {
  if (bytes.toString('latin1', 1, 4) !== 'PNG') return bytes;
  const copy = Buffer.from(bytes);
  for (let at = 8; at + 12 <= copy.length; ) {
    const end = at + 8 + copy.readUInt32BE(at);
    if (end + 4 > copy.length) break;
    copy.writeUInt32BE(crc32(copy.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return copy;
}
