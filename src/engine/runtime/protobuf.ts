/**
 * The wire format of protocol buffers (protobuf.dev, "Encoding"), as far as ONNX files need it: a message is taken
 * apart into its fields, some are exchanged, and the rest is put together again byte for byte.
 */

/** One field of a message as it stands there. */
export interface WireField {
  readonly field: number;
  readonly wireType: number;
  /** With its key. */
  readonly whole: Uint8Array;
  /** Without its key and, where it has one, its length. */
  readonly content: Uint8Array;
}

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** The fields of a message in their order, as views. Throws RangeError where the bytes are none. */
export function fieldsOf(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  for (let at = 0; at < message.length; ) {
    const start = at;
    const key = readVarint(message, at);
    const wireType = Number(key.value & 7n);
    const content = contentAt(message, key.end, wireType);
    at = content.end;
    fields.push({
      field: Number(key.value >> 3n),
      wireType,
      whole: message.subarray(start, at),
      content: message.subarray(content.start, at),
    });
  }
  return fields;
}

function contentAt(message: Uint8Array, at: number, wireType: number): { start: number; end: number } {
  let start = at;
  let end: number;
  if (wireType === VARINT) end = readVarint(message, at).end;
  else if (wireType === FIXED64) end = at + 8;
  else if (wireType === FIXED32) end = at + 4;
  else if (wireType === BYTES) {
    const length = readVarint(message, at);
    start = length.end;
    end = start + Number(length.value);
  } else throw new RangeError(`wire type ${wireType} at byte ${at}`);
  if (end > message.length) throw new RangeError(`a field at byte ${at} ends after its message`);
  return { start, end };
}

function readVarint(message: Uint8Array, start: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = start, shift = 0n; at < message.length && shift < 70n; at++, shift += 7n) {
    value |= BigInt(message[at] & 0x7f) << shift;
    if (message[at] < 0x80) return { value, end: at + 1 };
  }
  throw new RangeError(`no whole number at byte ${start}`);
}

/** The content of a field that is a message, a text or bytes. Throws RangeError for another. */
export function bytesOf({ field, wireType, content }: WireField): Uint8Array {
  if (wireType !== BYTES) throw new RangeError(`field ${field} is no message`);
  return content;
}

export const textOf = (field: WireField): string => new TextDecoder().decode(bytesOf(field));

/** All whole numbers of a field, whether they stand one by one or packed. */
export function numbersOf(message: readonly WireField[], field: number): number[] {
  const found: number[] = [];
  for (const part of message) {
    if (part.field !== field) continue;
    for (let at = 0; at < part.content.length; ) {
      const { value, end } = readVarint(part.content, at);
      found.push(Number(BigInt.asIntN(64, value)));
      at = end;
    }
  }
  return found;
}

/** A message of fields as they stood elsewhere, and of new ones that are messages, texts or bytes. */
export function withFields(
  fields: readonly (WireField | { readonly field: number; readonly bytes: Uint8Array })[],
): Uint8Array {
  return concat(fields.map((part) => ('whole' in part ? part.whole : bytesField(part.field, part.bytes))));
}

/** A whole number, also a negative one: int64 values take ten bytes of two's complement then. */
function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(out);
}

const key = (field: number, wireType: number): Uint8Array => varint((field << 3) | wireType);

export const intField = (field: number, value: number): Uint8Array => concat([key(field, VARINT), varint(value)]);

export const bytesField = (field: number, bytes: Uint8Array): Uint8Array =>
  concat([key(field, BYTES), varint(bytes.length), bytes]);

export const stringField = (field: number, text: string): Uint8Array =>
  bytesField(field, new TextEncoder().encode(text));

export function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return concat([key(field, FIXED32), bytes]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}
