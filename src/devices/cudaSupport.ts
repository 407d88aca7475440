/**
 * CUDA and TensorRT providers for Linux on x64, fetched when a person agrees. npm's onnxruntime-node has room for
 * neither; its install script takes them from the NuGet package of the same version, and so does this, but into a
 * private copy of the package in our home: see runtimeFolder.ts. CUDA 12 and cuDNN 9 themselves come from NVIDIA, under
 * NVIDIA's licence.
 *
 * No list of hashes of these packages is published where this was written, so the first SHA-256 that is seen of a
 * version is shown and pinned: every later copy of it, from whatever mirror or file, must be the same.
 */

import { createWriteStream } from 'node:fs';
import { cp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import * as z from 'zod';
import { UserError } from '../core/userError';
import { writeAtomic } from '../disk/atomicFile';
import { FILE_KINDS, readNamed, textOf } from '../disk/guardedFile';
import { sha256File } from '../disk/hashing';
import { openHome } from '../disk/home';
import { errorCode, explainWriteError } from '../disk/storageError';
import {
  bundledRuntime,
  cudaFolder,
  INSTALLED_FILE,
  type InstalledRuntime,
  installedRuntime,
  packageOf,
} from './runtimeFolder';

/** Fetches a file whole, going on where an earlier attempt stopped; `target` is there when it resolves. */
export type FetchFile = (
  url: string,
  target: string,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ((received: number, total: number | undefined) => void) | undefined;
    readonly sha256?: string | undefined;
  },
) => Promise<void>;

interface CudaPlace {
  /** Absolute path of the engine's bundle, whose runtime is copied. */
  readonly entry: string;
  readonly home: string;
  /** `linux-x64` if left out: the platform of this process. */
  readonly platform?: string;
}

export interface InstallOptions extends CudaPlace {
  readonly fetchFile: FetchFile;
  /** A package that is on disk already, instead of a download. */
  readonly from?: string | undefined;
  /** What the package must be; what is pinned if left out. */
  readonly sha256?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (step: string, received?: number, total?: number) => void;
}

const PLATFORM = 'linux-x64';

/** NuGet's package, its flat container, and where in it the libraries are. */
const NUGET_PACKAGE = 'microsoft.ml.onnxruntime.gpu.linux';
const NUGET_FEED = 'https://api.nuget.org/v3-flatcontainer/';
const NUGET_FOLDER = 'runtimes/linux-x64/native/';

const LIBRARIES = [
  'libonnxruntime_providers_shared.so',
  'libonnxruntime_providers_cuda.so',
  'libonnxruntime_providers_tensorrt.so',
];

/**
 * What an honest package is far from: 30 files, 1 GB, a third packed. The reader refuses more bytes than an entry
 * tells.
 */
const MOST_ENTRIES = 10_000;
const MOST_UNPACKED_BYTES = 4e9;
const MOST_RATIO = 200;

/** Address of the package that belongs to a version of the runtime. */
export const cudaPackageUrl = (version: string): string =>
  `${NUGET_FEED}${NUGET_PACKAGE}/${version}/${NUGET_PACKAGE}.${version}.nupkg`;

/**
 * What is installed for the runtime in use, and what would be fetched. Throws UserError where CUDA support cannot be.
 */
export function cudaState(place: CudaPlace): {
  readonly version: string;
  readonly folder: string;
  readonly url: string;
  readonly installed: InstalledRuntime | undefined;
} {
  const { version } = runtimeOf(place);
  const folder = cudaFolder(place.home, version);
  return { version, folder, url: cudaPackageUrl(version), installed: installedRuntime(place.home, version) };
}

/**
 * Makes the private copy. An interrupted download goes on the next time; anything else starts anew, and nothing counts
 * before the last step.
 *
 * @throws UserError where platform, network, disk, hash or content do not allow it
 */
export async function installCuda(options: InstallOptions): Promise<InstalledRuntime> {
  const { home, from, signal, onProgress } = options;
  const { folder: source, version } = runtimeOf(options);
  const known = installedRuntime(home, version);
  if (known) return known;
  const url = cudaPackageUrl(version);
  const downloaded = join(home, 'runtime', 'downloads', basename(new URL(url).pathname));
  const expected = options.sha256?.toLowerCase() ?? (await readPins(home))[version];

  await openHome(home);
  if (from === undefined) {
    const progress = (received: number, total: number | undefined) => onProgress?.('Downloading', received, total);
    await options.fetchFile(url, downloaded, { signal, onProgress: progress, sha256: expected });
  }
  const file = from ?? downloaded;
  onProgress?.('Checking');
  const sha256 = await sha256File(file).catch((cause: unknown) => {
    throw new UserError(`The package ${file} cannot be read: ${(cause as Error).message}.`, { cause });
  });
  if (expected !== undefined && sha256 !== expected) {
    throw new UserError(`The package ${file} has the wrong content: expected SHA-256 ${expected}, found ${sha256}.`);
  }

  const target = cudaFolder(home, version);
  const staging = `${target}.partial-${process.pid}`;
  try {
    await rm(staging, { recursive: true, force: true });
    onProgress?.('Copying the runtime');
    await copyRuntime(source, staging);
    onProgress?.('Unpacking');
    const libraries = await unpack(file, nativeFolder(packageOf(staging)), signal);
    const installed: InstalledRuntime = { version, source: from ?? url, sha256, libraries };
    await writeAtomic(join(staging, INSTALLED_FILE), `${JSON.stringify(installed, null, 2)}\n`);
    await rm(target, { recursive: true, force: true });
    await rename(staging, target);
    await writePins(home, { ...(await readPins(home)), [version]: sha256 });
    if (from === undefined) await rm(dirname(downloaded), { recursive: true, force: true });
    return installed;
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw explainWriteError(error, target);
  }
}

/**
 * Removes every private copy and download; pins stay. Engines that run keep what they have loaded. Says what is gone.
 */
export async function removeCuda(home: string): Promise<readonly string[]> {
  const dir = join(home, 'runtime');
  const names = await readdir(dir).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const gone = names.filter((name) => /-cuda12($|\.partial-)/.test(name) || name === 'downloads').sort();
  for (const name of gone) {
    await rm(join(dir, name), { recursive: true, force: true }).catch((error: unknown) => {
      throw explainWriteError(error, join(dir, name));
    });
  }
  return gone.map((name) => join(dir, name));
}

function runtimeOf({ entry, platform = `${process.platform}-${process.arch}` }: CudaPlace) {
  if (platform !== PLATFORM) {
    throw new UserError(
      `CUDA support is for Linux on x64; this is ${platform}. "ap-medsam devices" lists what is here.`,
    );
  }
  const bundled = bundledRuntime(entry);
  if (!bundled) throw new UserError(`The package onnxruntime-node was not found from ${entry}.`);
  return bundled;
}

const nativeFolder = (folder: string): string => join(folder, 'bin', 'napi-v6', 'linux', 'x64');

/**
 * What `require` of the copy touches: the package's JavaScript, its natives of this platform, and the one package it
 * needs.
 */
async function copyRuntime(source: string, staging: string): Promise<void> {
  const target = packageOf(staging);
  await cp(nativeFolder(source), nativeFolder(target), { recursive: true });
  for (const name of ['package.json', 'dist']) await cp(join(source, name), join(target, name), { recursive: true });
  const common = 'onnxruntime-common';
  const places = [join(source, 'node_modules', common), join(dirname(source), common)];
  for (const place of places) {
    if (!(await stat(place).catch(() => undefined))) continue;
    await cp(place, join(dirname(target), common), { recursive: true });
    return;
  }
  throw new UserError(`The package ${common} was not found beside ${source}.`);
}

/** Takes the libraries out of the package; gives the SHA-256 of each. */
async function unpack(file: string, folder: string, signal: AbortSignal | undefined): Promise<Record<string, string>> {
  const damaged = (cause: unknown) =>
    cause instanceof UserError
      ? cause
      : new UserError(`${file} is no NuGet package, or a damaged one: ${(cause as Error).message}.`, { cause });
  const zip = await openPromise(file, { lazyEntries: true, autoClose: false }).catch((cause: unknown) => {
    throw damaged(cause);
  });
  const hashes: Record<string, string> = {};
  let bytes = 0;
  try {
    if (zip.entryCount > MOST_ENTRIES) {
      throw new Error(`it lists ${zip.entryCount} files, of ${MOST_ENTRIES} at most`);
    }
    for await (const entry of zip.eachEntry()) {
      const name = LIBRARIES.find((library) => entry.fileName === `${NUGET_FOLDER}${library}`);
      if (name === undefined) continue;
      bytes += entry.uncompressedSize;
      if (bytes > MOST_UNPACKED_BYTES || entry.uncompressedSize > MOST_RATIO * entry.compressedSize) {
        throw new Error(`unpacked, ${name} would be ${bytes} bytes, which no library is`);
      }
      const target = join(folder, name);
      await unpackOne(zip, entry, target, signal);
      await assertLibrary(target);
      hashes[name] = await sha256File(target);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (errorCode(cause)?.startsWith('E')) throw cause;
    throw damaged(cause);
  } finally {
    zip.close();
  }
  const missing = LIBRARIES.filter((name) => !Object.hasOwn(hashes, name));
  if (missing.length > 0) throw new UserError(`${file} does not hold ${missing.join(', ')} for Linux on x64.`);
  return hashes;
}

async function unpackOne(zip: ZipFile, entry: Entry, target: string, signal: AbortSignal | undefined): Promise<void> {
  let crc = 0;
  const counting = new Transform({
    transform(chunk: Buffer, _, done) {
      crc = zlib.crc32(chunk, crc);
      done(null, chunk);
    },
  });
  const content = await zip.openReadStreamPromise(entry);
  await pipeline(content, counting, createWriteStream(target), { ...(signal && { signal }) });
  if (crc !== entry.crc32) throw new Error(`the checksum of ${entry.fileName} is not the one in its directory`);
}

/** A shared library (ELF, 64 bit, x86-64), not a web page or a pointer to one. */
async function assertLibrary(path: string): Promise<void> {
  const handle = await open(path);
  const header = Buffer.alloc(20);
  await handle.read(header, 0, header.length, 0).finally(() => handle.close());
  const isElf = header.subarray(0, 5).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]));
  if (!isElf || header.readUInt16LE(18) !== 0x3e) throw new Error(`${basename(path)} is no library for Linux on x64`);
}

const pinsFile = (home: string): string => join(home, 'runtime', 'pins.json');

const pinsSchema = z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/));

/** SHA-256 of the package by version, as it was first seen. */
async function readPins(home: string): Promise<Readonly<Record<string, string>>> {
  const bytes = await readNamed(pinsFile(home), FILE_KINDS.record);
  // None was ever installed.
  if (bytes === null) return {};
  try {
    return pinsSchema.parse(JSON.parse(textOf(bytes)));
  } catch (cause) {
    const sentence = `${pinsFile(home)} is damaged: remove it to trust the next package that comes.`;
    throw new UserError(sentence, { cause });
  }
}

const writePins = (home: string, pins: Readonly<Record<string, string>>): Promise<void> =>
  writeAtomic(pinsFile(home), `${JSON.stringify(pins, null, 2)}\n`, { isPrivate: true });
