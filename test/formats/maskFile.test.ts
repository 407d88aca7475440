import { deflateSync } from 'node:zlib';
import { encode } from 'fast-png';
import { describe, expect, it, test } from 'vitest';
import { area, type Size } from '../../src/core/geometry';
import { UserError } from '../../src/core/userError';
import { checkMaskEnds, checkMaskFile, END_BYTES, readMaskFile } from '../../src/formats/maskFile';
import { assemblePng, COLOUR_TYPE } from '../../src/formats/pngChunks';
import { seededRandom } from '../seeded';

const SIZE: Size = { width: 5, height: 3 };

function refusalOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error('expected a refusal');
}

/** An array as numpy.save writes it. */
function npy(descr: string, shape: string, data: Uint8Array, { fortran = false, version = 1 } = {}): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape}), }`;
  const prefix = version === 1 ? 10 : 12;
  const padded = `${text.padEnd(Math.ceil((prefix + text.length + 1) / 64) * 64 - prefix - 1)}\n`;
  const head = Buffer.alloc(prefix);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  if (version === 1) head.writeUInt16LE(padded.length, 8);
  else head.writeUInt32LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, 'latin1'), data]);
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const VALUES = Array.from({ length: area(SIZE) }, (_, i) => (i * 7) % 120);

describe('NumPy arrays', () => {
  test.each<[string, Uint8Array]>([
    ['|b1', Uint8Array.from(VALUES)],
    ['|u1', Uint8Array.from(VALUES)],
    ['|i1', bytesOf(Int8Array.from(VALUES))],
    ['<u2', bytesOf(Uint16Array.from(VALUES))],
    ['>u2', bytesOf(Uint16Array.from(VALUES)).reverse()],
    ['<i4', bytesOf(Int32Array.from(VALUES))],
    ['<i8', bytesOf(BigInt64Array.from(VALUES.map(BigInt)))],
    ['<u8', bytesOf(BigUint64Array.from(VALUES.map(BigInt)))],
    ['<f4', bytesOf(Float32Array.from(VALUES))],
    ['<f8', bytesOf(Float64Array.from(VALUES))],
  ])('of %s', (descr, data) => {
    // Bytes turned round are the numbers turned round as well.
    const expected = descr[0] === '>' ? [...VALUES].reverse() : VALUES;
    for (const version of [1, 2, 3]) {
      const mask = readMaskFile(npy(descr, '3, 5', data, { version }), 'm.npy')!;
      expect(mask).toMatchObject({ size: SIZE, channels: 1, palette: [] });
      expect([...mask.samples]).toEqual(expected);
    }
  });

  it('in the order of Fortran, with dimensions of one, with channels', () => {
    const columns = Array.from({ length: 15 }, (_, i) => VALUES[(i % 3) * 5 + Math.floor(i / 3)]);
    for (const shape of ['3, 5', '1, 3, 5', '3, 5, 1', '1, 3, 5, 1']) {
      const plain = readMaskFile(npy('|u1', shape, Uint8Array.from(VALUES)), 'm')!;
      const fortran = readMaskFile(npy('|u1', shape, Uint8Array.from(columns), { fortran: true }), 'm')!;
      for (const mask of [plain, fortran]) {
        expect(mask.size).toEqual(SIZE);
        expect([...mask.samples]).toEqual(VALUES);
      }
    }
    const colours = readMaskFile(npy('|u1', '1, 5, 3', Uint8Array.from(VALUES)), 'm')!;
    expect(colours).toMatchObject({ channels: 1, size: { width: 3, height: 5 } });
    const rgb = readMaskFile(npy('|u1', '5, 1, 3', Uint8Array.from(VALUES)), 'm')!;
    expect(rgb).toMatchObject({ channels: 3, size: { width: 1, height: 5 } });
    expect([...rgb.samples]).toEqual(VALUES);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['objects', npy('|O', '3, 5', new Uint8Array(9)), /expected numbers with a shape/],
    ['complex numbers', npy('<c8', '3, 5', new Uint8Array(120)), /of the type c8, expected b1/],
    ['cut short', npy('|u1', '3, 5', new Uint8Array(14)), /is damaged: expected an array of 3 x 5 numbers of 1 bytes/],
    ['too long', npy('|u1', '3, 5', new Uint8Array(16)), /is damaged/],
    ['a line', npy('|u1', '15,', new Uint8Array(15)), /is an array of 15 numbers: expected height x width/],
    ['a volume', npy('|u1', '2, 3, 5', new Uint8Array(30)), /is an array of 2 x 3 x 5 numbers/],
    ['a promise', npy('|u1', '99999, 99999', new Uint8Array(9)), /says it is 99999 x 99999/],
    ['overflow', npy('|u1', '99999999999999999999, 0', new Uint8Array(0)), /expected 1 to/],
    [
      'a header that never ends',
      npy('|u1', '3, 5', new Uint8Array(15)).fill(255, 8, 10),
      /its header says it is 65535 bytes long/,
    ],
    ['nothing', Buffer.from('\x93NUMPY', 'latin1'), /it ends after 6 bytes/],
    [
      'code',
      npy("|u1', 'x': __import__('os').system('x'), 'y': '", '3, 5', new Uint8Array(15)),
      /expected numbers with a shape/,
    ],
  ])('are refused for %s', (_, bytes, sentence) => {
    const message = refusalOf(() => readMaskFile(bytes, 'm.npy'));
    expect(message).toMatch(sentence);
    expect(message).toMatch(/^m\.npy /);
  });

  it('never do more than refuse, however they are altered', () => {
    const random = seededRandom(11);
    const good = npy('<u2', '3, 5', bytesOf(Uint16Array.from(VALUES)));
    for (let k = 0; k < 3000; k++) {
      const bytes = Uint8Array.from(good);
      for (let n = 0; n < 1 + random() * 3; n++) bytes[Math.floor(random() * 100)] = Math.floor(random() * 256);
      try {
        readMaskFile(bytes.subarray(0, Math.ceil(random() * good.length)), 'm.npy');
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }
  });
});

describe('PNG', () => {
  test.each([
    [1, 8],
    [2, 8],
    [3, 8],
    [4, 8],
    [1, 16],
    [2, 16],
    [3, 16],
    [4, 16],
  ] as const)('of %i channels and %i bits, with every filter', (channels, depth) => {
    const random = seededRandom(depth + channels);
    const [width, height] = [19, 13];
    const Kind = depth === 16 ? Uint16Array : Uint8Array;
    const samples = new Kind(width * height * channels).map(() => Math.floor(random() * 2 ** depth));
    const header = { size: { width, height }, depth, colourType: [0, 0, 4, 2, 6][channels], interlaced: false };
    const png = assemblePng(header, [{ type: 'IDAT', data: deflateSync(filtered(samples, width, channels, depth)) }]);
    const mask = readMaskFile(png, 'm.png')!;
    expect(mask).toMatchObject({ size: { width, height }, channels, white: 2 ** depth - 1 });
    expect([...mask.samples]).toEqual([...samples]);
    const plain = encode({ width, height, channels, depth, data: samples });
    expect([...readMaskFile(plain, 'm.png')!.samples]).toEqual([...samples]);
  });

  it('inflates no more than its header tells of', () => {
    const header = { size: SIZE, depth: 8, colourType: COLOUR_TYPE.grey, interlaced: false };
    const bomb = deflateSync(new Uint8Array(2 ** 26));
    const inflated = assemblePng(header, [{ type: 'IDAT', data: bomb }]);
    const before = process.memoryUsage().arrayBuffers;
    for (const interlaced of [false, true]) {
      const png = assemblePng({ ...header, interlaced }, [{ type: 'IDAT', data: bomb }]);
      expect(refusalOf(() => readMaskFile(png, 'm.png'))).toMatch(
        /it holds more than the \d+ bytes of pixels that its header tells of/,
      );
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
    expect(inflated.length).toBeLessThan(2 ** 17);
  });

  it('does not inflate what is no pixel', () => {
    const header = { size: SIZE, depth: 8, colourType: COLOUR_TYPE.grey, interlaced: false };
    const bomb = deflateSync(new Uint8Array(2 ** 26));
    const extra = (type: string) => ({ type, data: Buffer.concat([Buffer.from('name\0\0', 'latin1'), bomb]) });
    const rows = Buffer.from(Array.from({ length: 18 }, (_, i) => (i % 6 === 0 ? 0 : 1)));
    const png = assemblePng(header, [extra('zTXt'), extra('iCCP'), { type: 'IDAT', data: deflateSync(rows) }]);
    const before = process.memoryUsage().arrayBuffers;
    expect([...readMaskFile(png, 'm.png')!.samples]).toEqual(new Array(15).fill(1));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 22);
  });

  it('of more pixels than anybody can have meant is refused by its header', () => {
    const header = {
      size: { width: 20000, height: 20000 },
      depth: 16,
      colourType: COLOUR_TYPE.rgba,
      interlaced: false,
    };
    expect(refusalOf(() => readMaskFile(assemblePng(header, []), 'm.png'))).toMatch(
      /^m\.png is 20000 x 20000 with 4 channels of 16 bits: more than 1 GB/,
    );
  });
});

describe('a mask that has rotted', () => {
  it('is told of in one line, whatever stands where the name of a part should', () => {
    const bytes = encode({ width: 2, height: 2, channels: 1, depth: 8, data: new Uint8Array(4) });
    const damaged = Buffer.from(bytes);
    damaged.write('\r\n\u001a\n', damaged.indexOf('IDAT'), 'latin1');
    for (const read of [() => readMaskFile(damaged, 'a.png'), () => checkMaskFile(damaged, 'a.png')]) {
      expect(read).toThrow(/^a\.png is damaged: [ -~]+\.$/);
    }
  });

  const good = encode({ width: 40, height: 30, channels: 1, data: Uint8Array.from({ length: 1200 }, (_, i) => i % 3) });
  const ends = (bytes: Uint8Array) => checkMaskEnds(bytes.subarray(0, 512), bytes.subarray(-END_BYTES), 'm.png');

  it('is told from a whole one without decoding it', () => {
    expect(() => checkMaskFile(good, 'm.png')).not.toThrow();
    expect(() => ends(good)).not.toThrow();
    expect(() => checkMaskFile(Buffer.concat([good, Buffer.from('appended')]), 'm.png')).not.toThrow();
    for (let length = 0; length < good.length - 4; length += 3) {
      expect(refusalOf(() => checkMaskFile(good.subarray(0, length), 'm.png'))).toMatch(/^m\.png /);
      expect(refusalOf(() => ends(good.subarray(0, length)))).toMatch(/^m\.png /);
    }
    expect(refusalOf(() => checkMaskFile(new Uint8Array(5000), 'm.png'))).toMatch(/begins with nothing but zeros/);
    for (let at = 8; at < good.length; at += 5) {
      const altered = Uint8Array.from(good);
      altered[at] ^= 0x10;
      expect(
        refusalOf(() => checkMaskFile(altered, 'm.png')),
        `byte ${at}`,
      ).toMatch(/^m\.png /);
    }
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['a zip archive', Buffer.from('PK\x03\x04 and more', 'latin1'), /is an archive \(NPZ or zip\)/],
    [
      'text',
      Buffer.from('hello there, this is no mask'),
      /is not an image; expected a mask as PNG, TIFF, JPEG, WebP, BMP or NPY\.$/,
    ],
    ['a pointer', Buffer.from('version https://git-lfs.github.com/spec/v1'), /is a Git LFS pointer/],
  ])('or is %s', (_, bytes, sentence) => {
    expect(refusalOf(() => checkMaskFile(bytes, 'm.png'))).toMatch(sentence);
    expect(refusalOf(() => readMaskFile(bytes, 'm.png'))).toMatch(sentence);
  });
});

/** Rows of samples, each with the filter of its number. */
function filtered(samples: Uint8Array | Uint16Array, width: number, channels: number, depth: number): Uint8Array {
  const bytes = depth === 8 ? [...samples] : [...samples].flatMap((value) => [value >> 8, value & 255]);
  const step = (channels * depth) / 8;
  const stride = width * step;
  const at = (y: number, i: number) => (y < 0 || i < 0 ? 0 : bytes[y * stride + i]);
  const out: number[] = [];
  for (let y = 0; y < bytes.length / stride; y++) {
    const filter = y % 5;
    out.push(filter);
    for (let i = 0; i < stride; i++) {
      const [left, up, corner] = [at(y, i - step), at(y - 1, i), at(y - 1, i - step)];
      const guesses = [left, up, corner];
      const distances = guesses.map((one) => Math.abs(left + up - corner - one));
      const nearest = guesses[distances.indexOf(Math.min(...distances))];
      out.push((at(y, i) - [0, left, up, (left + up) >> 1, nearest][filter]) & 255);
    }
  }
  return Uint8Array.from(out);
}
