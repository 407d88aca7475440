/**
 * NumPy's file format (version 1.0, little-endian, C order): what the Python side reads without a package of its own.
 */
import { writeFileSync } from 'node:fs';

export function writeNpy(file: string, data: Float32Array | Int32Array | Uint8Array, shape: readonly number[]): void {
  const type = data instanceof Float32Array ? '<f4' : data instanceof Int32Array ? '<i4' : '|u1';
  const tuple = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic, version and length take 10 bytes; the whole head is a multiple of 64 that ends in a newline.
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const head = Buffer.alloc(10 + length, ' ');
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(length, 8);
  head.write(`${header.padEnd(length - 1)}\n`, 10, 'latin1');
  writeFileSync(file, Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}
