/**
 * Tokens and image embeddings on disk, shared by every engine process of a machine.
 *
 * One file per entry (see boundedFolder.ts): "APMC", format version, length of the header and CRC-32 of the rest
 * (uint32 each, little-endian), the header as JSON, then float32 little-endian tensors, each at a multiple of 64 bytes,
 * so that a file read in one go is used in place. The checksum finds what a power cut tore.
 */
import { open, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { PRIVATE_FILE } from '../../disk/atomicFile';
import { BoundedFolder, type EntryKey, type FolderInfo } from '../../disk/boundedFolder';
import type { NamedTensors } from '../runtime/tensors';

interface Header {
  readonly key: string;
  /** `offset` in bytes from the first tensor's start. */
  readonly tensors: readonly { readonly name: string; readonly dims: readonly number[]; readonly offset: number }[];
}

const MAGIC = 0x434d5041; // "APMC", little-endian
const VERSION = 1;
const PREFIX_BYTES = 16;
const ALIGNMENT = 64;

/** Least-recently-used cache of at most about `capBytes` on disk; a cap of 0 keeps nothing. */
export class TensorCache {
  private readonly folder: BoundedFolder;

  constructor(dir: string, capBytes: number) {
    this.folder = new BoundedFolder(dir, capBytes, ['tensors']);
  }

  /**
   * What was last put under `key`, or undefined. Never throws; an entry that is torn or of another version is removed.
   */
  async get(key: EntryKey): Promise<NamedTensors | undefined> {
    const path = this.folder.pathOf(key, 'tensors');
    const content = await readAligned(path).catch(() => undefined);
    if (!content) return undefined;
    const tensors = parse(content, JSON.stringify(key));
    await (tensors ? this.folder.touch(path) : this.folder.remove(path));
    return tensors;
  }

  /**
   * Keeps the tensors. Resolves to false where that was impossible (disk full, folder read-only, entry above the cap);
   * the caller loses time later, nothing else. Throws RangeError when dims and data disagree.
   */
  async put(key: EntryKey, tensors: NamedTensors): Promise<boolean> {
    const content = serialise(JSON.stringify(key), tensors);
    if (content.length > this.folder.capBytes) return false;
    try {
      await this.folder.add(this.folder.pathOf(key, 'tensors'), async (temporary) => {
        await writeFile(temporary, content, { flag: 'wx', mode: PRIVATE_FILE });
        return content.length;
      });
    } catch {
      // Reported by the result: a cache that cannot be written must not fail what it was to speed up.
      return false;
    }
    await this.folder.tidy();
    return true;
  }

  info(): Promise<FolderInfo> {
    return this.folder.info();
  }

  /** Removes every entry, and nothing else that may lie in the folder. */
  clear(): Promise<void> {
    return this.folder.clear();
  }
}

function serialise(key: string, tensors: NamedTensors): Buffer {
  const all = Object.entries(tensors);
  for (const [name, { dims, data }] of all) {
    const expected = dims.reduce((product, dim) => product * dim, 1);
    if (data.length !== expected) {
      throw new RangeError(`tensor ${name} of [${dims.join(', ')}] needs ${expected} values, got ${data.length}`);
    }
  }
  let end = 0;
  const placed: Header['tensors'][number][] = [];
  for (const [name, { dims, data }] of all) {
    placed.push({ name, dims, offset: end });
    end = align(end + data.byteLength);
  }
  const header = Buffer.from(JSON.stringify({ key, tensors: placed } satisfies Header));
  const start = align(PREFIX_BYTES + header.length);
  const content = Buffer.alloc(start + end);
  header.copy(content, PREFIX_BYTES);
  for (const [i, [, { data }]] of all.entries()) {
    content.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + placed[i]!.offset);
  }
  content.writeUInt32LE(MAGIC, 0);
  content.writeUInt32LE(VERSION, 4);
  content.writeUInt32LE(header.length, 8);
  content.writeUInt32LE(crc32(content.subarray(PREFIX_BYTES)), 12);
  return content;
}

/** The tensors as views of `content`, or undefined unless it is a whole entry of `key`. */
function parse(content: Buffer, key: string): NamedTensors | undefined {
  if (content.length < PREFIX_BYTES) return undefined;
  if (content.readUInt32LE(0) !== MAGIC || content.readUInt32LE(4) !== VERSION) return undefined;
  if (content.readUInt32LE(12) !== crc32(content.subarray(PREFIX_BYTES))) return undefined;
  const headerEnd = PREFIX_BYTES + content.readUInt32LE(8);
  const header = JSON.parse(content.toString('utf8', PREFIX_BYTES, headerEnd)) as Header;
  if (header.key !== key) return undefined;
  const view = ({ dims, offset }: Header['tensors'][number]) => {
    const length = dims.reduce((product, dim) => product * dim, 1);
    return { dims, data: new Float32Array(content.buffer, content.byteOffset + align(headerEnd) + offset, length) };
  };
  return Object.fromEntries(header.tensors.map((tensor) => [tensor.name, view(tensor)]));
}

const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** A file in an ArrayBuffer of its own, so that views at multiples of 4 are legal. */
async function readAligned(path: string): Promise<Buffer> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const content = Buffer.from(new ArrayBuffer(size));
    let filled = 0;
    while (filled < size) {
      const { bytesRead } = await handle.read(content, filled, size - filled, filled);
      if (bytesRead === 0) return content.subarray(0, filled);
      filled += bytesRead;
    }
    return content;
  } finally {
    await handle.close();
  }
}
