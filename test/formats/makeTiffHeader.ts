/** TIFF files made tag by tag, classic or big, in either byte order. */

export interface TiffTag {
  readonly tag: number;
  /** TIFF's number of the type: 1 byte, 2 text, 3 short, 4 long, 16 long of BigTIFF. */
  readonly type: 1 | 2 | 3 | 4 | 16;
  readonly values: readonly number[] | string;
  /** What the entry says of its number of values, where that is not true. */
  readonly claims?: number;
}

export interface TiffOptions {
  readonly little?: boolean;
  readonly big?: boolean;
  /** Index of the directory that follows the last one; none where undefined. */
  readonly loopTo?: number;
}

const TYPE_BYTES = { 1: 1, 2: 1, 3: 2, 4: 4, 16: 8 } as const;

/** A TIFF of these directories and no pixels. */
export function makeTiffHeader(pages: readonly (readonly TiffTag[])[], options: TiffOptions = {}): Buffer {
  const { little = true, big = false, loopTo } = options;
  const [head, countBytes, entryBytes, wordBytes] = big ? [16, 8, 20, 8] : [8, 2, 12, 4];
  const starts: number[] = [];
  let end: number = head;
  for (const tags of pages) {
    starts.push(end);
    end += countBytes + tags.length * entryBytes + wordBytes;
  }
  const valuesOf = ({ values }: TiffTag) => (typeof values === 'string' ? [...Buffer.from(`${values}\0`)] : values);
  const outside = pages.flat().reduce((sum, tag) => {
    const bytes = valuesOf(tag).length * TYPE_BYTES[tag.type];
    return sum + (bytes > wordBytes ? bytes : 0);
  }, 0);
  const file = Buffer.alloc(end + outside);
  const write = (value: number, at: number, bytes: number): void => {
    if (bytes === 8) little ? file.writeBigUInt64LE(BigInt(value), at) : file.writeBigUInt64BE(BigInt(value), at);
    else if (little) file.writeUIntLE(value, at, bytes);
    else file.writeUIntBE(value, at, bytes);
  };
  file.write(little ? 'II' : 'MM', 'latin1');
  write(big ? 43 : 42, 2, 2);
  if (big) write(8, 4, 2);
  write(starts[0] ?? 0, big ? 8 : 4, wordBytes);
  pages.forEach((tags, page) => {
    write(tags.length, starts[page]!, countBytes);
    tags.forEach((tag, index) => {
      const at = starts[page]! + countBytes + index * entryBytes;
      const values = valuesOf(tag);
      const size = TYPE_BYTES[tag.type];
      write(tag.tag, at, 2);
      write(tag.type, at + 2, 2);
      write(tag.claims ?? values.length, at + 4, wordBytes);
      const field = at + 4 + wordBytes;
      const place = values.length * size > wordBytes ? end : field;
      if (place === end) {
        write(end, field, wordBytes);
        end += values.length * size;
      }
      values.forEach((value, i) => {
        write(value, place + i * size, size);
      });
    });
    write(
      starts[page + 1] ?? (loopTo === undefined ? 0 : starts[loopTo]!),
      starts[page]! + countBytes + tags.length * entryBytes,
      wordBytes,
    );
  });
  return file;
}

/** The tags of a page of one strip. */
export const pageTags = (width: number, height: number, more: readonly TiffTag[] = []): TiffTag[] =>
  [
    { tag: 256, type: 4, values: [width] } as const,
    { tag: 257, type: 4, values: [height] } as const,
    { tag: 273, type: 4, values: [8] } as const,
    ...more,
  ].sort((a, b) => a.tag - b.tag);
