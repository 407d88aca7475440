/**
 * Tokens and image embeddings on disk, shared by every engine process of a machine.
 *
 * One file per entry: "APMC", format version, length of the header and CRC-32 of the rest (uint32 each, little-endian),
 * the header as JSON, then float32 little-endian tensors, each at a multiple of 64 bytes, so that a file read in one go is
 * used in place. Nothing is fsynced: what a power cut loses is computed again, and the checksum finds what it tore.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { NamedTensors } from './sessions';

/** Everything that the tensors depend on: image hash, model hash, parameters. */
export type CacheKey = readonly (string | number)[];

export interface CacheInfo {
  readonly dir: string;
  readonly entries: number;
  readonly bytes: number;
  readonly capBytes: number;
}

interface Header {
  readonly key: string;
  /** `offset` in bytes from the first tensor's start. */
  readonly tensors: readonly { readonly name: string; readonly dims: readonly number[]; readonly offset: number }[];
}

const MAGIC = 0x434d5041; // "APMC", little-endian
const VERSION = 1;
const PREFIX_BYTES = 16;
const ALIGNMENT = 64;
const ENTRY = /^[0-9a-f]{64}\.tensors$/;
const TEMPORARY = /^[0-9a-f]{64}\.tensors\.[0-9a-f]+\.tmp$/;
/** No write takes this long; older temporary files are left from a process that was killed. */
const STALE_TEMPORARY_MS = 10 * 60_000;
/** Eviction goes somewhat below the cap, so that it is not due again at the next write. */
const EVICT_TO = 0.9;
/** Other processes write too, so our own running total is checked against the folder after this many writes. */
const WRITES_PER_SCAN = 64;

/** Least-recently-used cache of at most about `capBytes` on disk; a cap of 0 keeps nothing. */
export class TensorCache {
  private bytes = 0;
  private writesUntilScan = 0;

  constructor(
    private readonly dir: string,
    private readonly capBytes: number,
  ) {}

  /** What was last put under `key`, or undefined. Never throws; an entry that is torn or of another version is removed. */
  async get(key: CacheKey): Promise<NamedTensors | undefined> {
    const path = this.pathOf(key);
    const content = await readAligned(path).catch(() => undefined);
    if (!content) return undefined;
    const tensors = parse(content, JSON.stringify(key));
    const now = new Date();
    // Only the order of eviction depends on the time: an entry just evicted or a read-only folder is no reason to fail.
    await (tensors ? utimes(path, now, now).catch(() => undefined) : remove(path));
    return tensors;
  }

  /**
   * Keeps the tensors. Resolves to false where that was impossible (disk full, folder read-only, entry above the cap);
   * the caller loses time later, nothing else. Throws RangeError when dims and data disagree.
   */
  async put(key: CacheKey, tensors: NamedTensors): Promise<boolean> {
    const content = serialise(JSON.stringify(key), tensors);
    if (content.length > this.capBytes) return false;
    const path = this.pathOf(key);
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      await mkdir(this.dir, { recursive: true });
      await writeFile(temporary, content, { flag: 'wx' });
      await rename(temporary, path);
    } catch {
      // Reported by the result: a cache that cannot be written must not fail what it was to speed up.
      await remove(temporary);
      return false;
    }
    this.bytes += content.length;
    if (this.bytes > this.capBytes || this.writesUntilScan-- <= 0) await this.evict();
    return true;
  }

  async info(): Promise<CacheInfo> {
    const entries = await this.scan();
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    return { dir: this.dir, entries: entries.length, bytes, capBytes: this.capBytes };
  }

  /** Removes every entry, and nothing else that may lie in the folder. */
  async clear(): Promise<void> {
    for (const { path } of await this.scan()) await rm(path, { force: true });
    this.bytes = 0;
  }

  /** Counts the folder and removes the entries used longest ago until it is within the cap. */
  private async evict(): Promise<void> {
    const entries = (await this.scan()).sort((a, b) => a.usedMs - b.usedMs);
    this.writesUntilScan = WRITES_PER_SCAN;
    this.bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (this.bytes <= this.capBytes) return;
    for (const { path, bytes } of entries) {
      if (this.bytes <= this.capBytes * EVICT_TO) break;
      await remove(path);
      this.bytes -= bytes;
    }
  }

  private async scan(): Promise<{ path: string; bytes: number; usedMs: number }[]> {
    const entries: { path: string; bytes: number; usedMs: number }[] = [];
    for (const name of await readdir(this.dir).catch(() => [])) {
      const path = join(this.dir, name);
      // Another process may have removed it since the listing.
      const stats = await stat(path).catch(() => undefined);
      if (!stats) continue;
      if (ENTRY.test(name)) entries.push({ path, bytes: stats.size, usedMs: stats.mtimeMs });
      else if (TEMPORARY.test(name) && Date.now() - stats.mtimeMs > STALE_TEMPORARY_MS) await remove(path);
    }
    return entries;
  }

  private pathOf(key: CacheKey): string {
    return join(this.dir, `${createHash('sha256').update(JSON.stringify(key)).digest('hex')}.tensors`);
  }
}

/** Windows refuses to remove a file that another process is reading; a later scan will find it again. */
const remove = (path: string): Promise<void> => rm(path, { force: true }).catch(() => undefined);

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
