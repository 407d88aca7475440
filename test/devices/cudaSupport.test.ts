/**
 * Provider libraries fetched into a private copy of the runtime: from a server that fails in every way, and really
 * loaded.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/userError';
import { fetchThrough } from '../../src/devices/cudaDownload';
import { cudaPackageUrl, cudaState, type InstallOptions, installCuda, removeCuda } from '../../src/devices/cudaSupport';
import {
  bundledRuntime,
  cudaFolder,
  INSTALLED_FILE,
  packageOf,
  RUNTIME_VARIABLE,
  runtimeEnvironment,
} from '../../src/devices/runtimeFolder';
import { sha256 } from '../../src/disk/hashing';
import { EngineClient } from '../../src/engineClient/client';
import type { DeviceChoice } from '../../src/protocol/deviceApi';
import { models, repository } from '../cli/runCli';
import { temporaryFolder } from '../dataset/fixtures';
import { library, type PackageServer, startPackageServer, zip } from './fixtures/nupkg';

const entry = path.join(repository, 'dist', 'engine.js');
const { version } = bundledRuntime(entry)!;
const FOLDER = 'runtimes/linux-x64/native/';
const NAMES = ['shared', 'cuda', 'tensorrt'].map((name) => `libonnxruntime_providers_${name}.so`);
const files = Object.fromEntries(NAMES.map((name) => [`${FOLDER}${name}`, library(name)]));
const good = zip({ 'package.nuspec': Buffer.from('<package/>'), ...files, 'LICENSE.txt': Buffer.from('MIT') });

let server: PackageServer;
let home: string;
beforeAll(async () => {
  server = await startPackageServer();
});
beforeEach(async () => {
  home = await temporaryFolder();
  server.asked.length = 0;
  server.give(good);
});
afterAll(() => server.close());

/** Gives up at once, so that a test sees each failure. */
const IMPATIENT = { stallMs: 5000, attempts: 1, pauseMs: 1, longestPauseMs: 1 };

const install = (more: Partial<InstallOptions> = {}) =>
  installCuda({
    entry,
    home,
    platform: 'linux-x64',
    fetchFile: fetchThrough({ mirror: server.url, direct: true }, IMPATIENT),
    ...more,
  });

async function refusal(installing: Promise<unknown>): Promise<string> {
  const error = await installing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

/** The private copy, had it been made. */
const copy = () => cudaFolder(home, version);
const natives = () => path.join(packageOf(copy()), 'bin', 'napi-v6', 'linux', 'x64');
const hasLinuxNatives = existsSync(path.join(bundledRuntime(entry)!.folder, 'bin/napi-v6/linux/x64'));

describe.runIf(hasLinuxNatives)('an installation', () => {
  it('asks for the package of exactly this runtime, as its install script does', async () => {
    const metadata = await readFile(path.join(bundledRuntime(entry)!.folder, 'script', 'install-metadata.js'), 'utf8');
    for (const name of NAMES) expect(metadata).toContain(`${FOLDER}${name}`);
    expect(metadata).toContain('Microsoft.ML.OnnxRuntime.Gpu.Linux');
    await install();
    expect(server.asked).toEqual([{ path: new URL(cudaPackageUrl(version)).pathname, range: undefined }]);
    expect(cudaPackageUrl('1.30.0')).toBe(
      'https://api.nuget.org/v3-flatcontainer/microsoft.ml.onnxruntime.gpu.linux/1.30.0/microsoft.ml.onnxruntime.gpu.linux.1.30.0.nupkg',
    );
  });

  it('puts the providers beside a copy of the library, and changes nothing else', async () => {
    const before = await readdir(path.join(bundledRuntime(entry)!.folder, 'bin/napi-v6/linux/x64'));
    const steps: string[] = [];
    const installed = await install({ onProgress: (step) => steps.push(step) });
    expect((await readdir(natives())).sort()).toEqual([...before, ...NAMES].sort());
    for (const name of NAMES) expect(await readFile(path.join(natives(), name))).toEqual(files[`${FOLDER}${name}`]);
    expect(installed).toEqual({
      version,
      source: cudaPackageUrl(version),
      sha256: sha256(good),
      libraries: Object.fromEntries(NAMES.map((name) => [name, sha256(files[`${FOLDER}${name}`]!)])),
    });
    expect(cudaState({ entry, home, platform: 'linux-x64' })).toMatchObject({ version, folder: copy(), installed });
    expect([...new Set(steps)]).toEqual(['Downloading', 'Checking', 'Copying the runtime', 'Unpacking']);
    expect((await readdir(path.join(home, 'runtime'))).sort()).toEqual([path.basename(copy()), 'pins.json'].sort());
    expect(await readdir(path.join(bundledRuntime(entry)!.folder, 'bin/napi-v6/linux/x64'))).toEqual(before);
  });

  it('is done once', async () => {
    await install();
    await install();
    expect(server.asked).toHaveLength(1);
  });

  it('goes on where a broken connection stopped', async () => {
    server.give(good, { cutAfter: 4000 });
    expect(await refusal(install())).toMatch(/4000 bytes are kept, and the next attempt goes on from there\.$/);
    expect(existsSync(copy())).toBe(false);
    server.give(good);
    await install();
    expect(server.asked.map(({ range }) => range)).toEqual([undefined, 'bytes=4000-']);
    expect(await readFile(path.join(natives(), NAMES[1]!))).toEqual(files[`${FOLDER}${NAMES[1]}`]);
  });

  it('starts anew where the server knows no ranges', async () => {
    server.give(good, { cutAfter: 4000 });
    await refusal(install());
    server.give(good, { ignoreRanges: true });
    expect((await install()).sha256).toBe(sha256(good));
  });

  it('takes a part that is whole already', async () => {
    const url = cudaPackageUrl(version);
    const part = path.join(home, 'runtime', 'downloads', `${path.basename(new URL(url).pathname)}.part`);
    await mkdir(path.dirname(part), { recursive: true });
    await writeFile(part, good);
    expect((await install({ sha256: sha256(good) })).sha256).toBe(sha256(good));
  });

  it('can be cancelled, and taken up again', async () => {
    server.give(good, { cutAfter: 3000 });
    const stop = new AbortController();
    const installing = install({ signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) });
    await expect(installing).rejects.toThrow('enough');
    server.give(good);
    expect((await install()).sha256).toBe(sha256(good));
  });

  it('says what the server answered, or that there is none', async () => {
    server.give(good, { status: 404 });
    expect(await refusal(install())).toMatch(/nupkg does not exist \(HTTP 404\)/);
    const nowhere = fetchThrough({ mirror: 'http://127.0.0.1:9/', direct: true }, IMPATIENT);
    expect(await refusal(install({ fetchFile: nowhere }))).toMatch(/cannot be downloaded: .+\.$/);
  });

  it('takes the package from a file', async () => {
    const from = path.join(home, 'given.nupkg');
    await writeFile(from, good);
    const installed = await install({ from });
    expect(installed.source).toBe(from);
    expect(server.asked).toEqual([]);
    expect(existsSync(from)).toBe(true);
    expect(await refusal(install({ home: await temporaryFolder(), from: `${from}x` }))).toContain('cannot be read');
  });
});

describe.runIf(hasLinuxNatives)('a package that is not the right one', () => {
  it('is refused with both hashes where one was asked for, and put aside', async () => {
    const wanted = 'a'.repeat(64);
    expect(await refusal(install({ sha256: wanted }))).toMatch(
      new RegExp(`has the wrong content: expected SHA-256 ${wanted}, found ${sha256(good)};`),
    );
    expect(existsSync(copy())).toBe(false);
    expect(await readdir(path.join(home, 'runtime', 'downloads'))).toEqual([
      `${path.basename(new URL(cudaPackageUrl(version)).pathname)}.rejected`,
    ]);
    const from = path.join(home, 'given.nupkg');
    await writeFile(from, good);
    expect(await refusal(install({ from, sha256: wanted }))).toContain(`expected SHA-256 ${wanted}, found`);
    await install({ sha256: sha256(good).toUpperCase() });
  });

  it('is refused where another was seen before, also after a removal', async () => {
    await install();
    await removeCuda(home);
    server.give(zip({ ...files, 'README.md': Buffer.from('another') }));
    expect(await refusal(install())).toContain(`expected SHA-256 ${sha256(good)}, found`);
    server.give(good);
    await install();
  });

  const cuda = `${FOLDER}${NAMES[1]}`;
  const { [cuda]: _, ...withoutCuda } = files;
  it.each([
    ['no zip', Buffer.from('<!doctype html>'), /is no NuGet package, or a damaged one/],
    ['torn', good.subarray(0, 9000), /is no NuGet package, or a damaged one/],
    ['incomplete', zip(withoutCuda), /does not hold libonnxruntime_providers_cuda\.so for Linux on x64\.$/],
    ['of a wrong checksum', zip(files, cuda), /the checksum of .*_cuda\.so is not the one in its directory/],
    [
      'of another processor',
      zip({ ...files, [cuda]: library('a', 5000, 0xb7) }),
      /cuda\.so is no library for Linux on x64/,
    ],
    ['of text', zip({ ...files, [cuda]: Buffer.from('version https://git-lfs.github.com/spec/v1') }), /is no library/],
  ])('is refused when it is %s, and leaves nothing behind', async (_what, content, sentence) => {
    server.give(content);
    expect(await refusal(install())).toMatch(sentence);
    expect((await readdir(path.join(home, 'runtime'))).filter((name) => name.includes('cuda12'))).toEqual([]);
    expect(cudaState({ entry, home, platform: 'linux-x64' }).installed).toBeUndefined();
    expect(existsSync(path.join(home, 'runtime', 'pins.json'))).toBe(false);
  });
});

describe.runIf(hasLinuxNatives)('a package that cannot be trusted', () => {
  it('is not fetched without encryption while no hash is known, but from this very machine', async () => {
    const fetchFile = fetchThrough({ mirror: 'http://user:secret@mirror.example.org/', direct: true }, IMPATIENT);
    const said = await refusal(install({ fetchFile }));
    expect(said).toMatch(/^http:\/\/.*mirror\.example\.org\/.* is not encrypted, and no SHA-256 .* say with --sha256/);
    expect(said).not.toContain('secret');
    // With a hash it is tried, and only the network says no.
    const stop = AbortSignal.timeout(1);
    await expect(install({ fetchFile, sha256: 'a'.repeat(64), signal: stop })).rejects.not.toThrow(/not encrypted/);
  });

  it('is not unpacked beyond what a library can be', async () => {
    const long = Buffer.concat([library('x'), Buffer.alloc(5_000_000)]);
    const zeros = Object.fromEntries(NAMES.map((name) => [`${FOLDER}${name}`, long]));
    const from = path.join(home, 'bomb.nupkg');
    await writeFile(from, zip(zeros));
    expect(await refusal(install({ from }))).toMatch(
      /bomb\.nupkg is no NuGet package, or a damaged one: unpacked, .* which no library is\.$/,
    );
    expect(existsSync(copy())).toBe(false);
  });

  it('is not pinned by a damaged list of pins', async () => {
    const pins = path.join(home, 'runtime', 'pins.json');
    await mkdir(path.dirname(pins), { recursive: true });
    for (const text of ['{', '[1]', '{"1.0": "x"}']) {
      await writeFile(pins, text);
      expect(await refusal(install())).toBe(`${pins} is damaged: remove it to trust the next package that comes.`);
    }
    await writeFile(pins, '\ufeff{}');
    expect((await install()).sha256).toBe(sha256(good));
  });
});

describe('a removal', () => {
  it.runIf(hasLinuxNatives)('takes copies, unfinished ones and downloads, and nothing else', async () => {
    await install();
    const unfinished = `${copy()}.partial-1`;
    await mkdir(unfinished, { recursive: true });
    await mkdir(path.join(home, 'runtime', 'downloads'), { recursive: true });
    await mkdir(path.join(home, 'models'), { recursive: true });
    expect(await removeCuda(home)).toEqual([path.join(home, 'runtime', 'downloads'), copy(), unfinished].sort());
    expect((await readdir(home)).sort()).toEqual(['models', 'runtime']);
    expect(await readdir(path.join(home, 'runtime'))).toEqual(['pins.json']);
  });

  it('of nothing is no error', async () => {
    expect(await removeCuda(home)).toEqual([]);
    expect(await removeCuda(path.join(home, 'none'))).toEqual([]);
  });
});

describe('other platforms', () => {
  it('are told that there is no CUDA support for them', () => {
    expect(() => cudaState({ entry, home, platform: 'darwin-arm64' })).toThrow(
      /is for Linux on x64; this is darwin-arm64/,
    );
  });
});

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('an engine', () => {
  const clients: EngineClient[] = [];
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.dispose())));
  const info = async (device: DeviceChoice) => {
    const client = new EngineClient({
      entry,
      config: {
        modelsDir: models,
        homeDir: home,
        encoder: 'embedded',
        segmenter: 'embedded',
        threads: 1,
        cacheBytes: 1e8,
        pixelLimit: 1e8,
        device,
      },
    });
    clients.push(client);
    const answer = await client.info();
    const mapped = await readFile(`/proc/${client.pid}/maps`, 'utf8');
    return { answer, libraries: [...new Set(mapped.match(/\/\S*libonnxruntime\.so\S*/g))] };
  };

  it('loads the runtime from the private copy where a device may need it, from the package elsewhere', async () => {
    await install();
    const fromCopy = await info('auto');
    expect(fromCopy.libraries).toEqual([path.join(natives(), 'libonnxruntime.so.1')]);
    expect(fromCopy.answer).toMatchObject({ device: 'cpu', onnxruntime: version });
    const bundled = await info('cpu');
    expect(bundled.libraries).toEqual([
      path.join(bundledRuntime(entry)!.folder, 'bin/napi-v6/linux/x64/libonnxruntime.so.1'),
    ]);
  });

  it('does not take an unfinished copy, or one of another version', async () => {
    expect(runtimeEnvironment(entry, home, 'cuda')).toEqual({});
    await install();
    expect(runtimeEnvironment(entry, home, 'cuda')).toEqual({ [RUNTIME_VARIABLE]: packageOf(copy()) });
    expect(runtimeEnvironment(entry, home, 'webgpu')).toEqual({});
    const marker = path.join(copy(), INSTALLED_FILE);
    await writeFile(marker, JSON.stringify({ ...JSON.parse(await readFile(marker, 'utf8')), version: '0.0.1' }));
    expect(runtimeEnvironment(entry, home, 'cuda')).toEqual({});
  });

  it('that is to use CUDA says so when it cannot, in one sentence', async () => {
    await install();
    const error = await info('cuda').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^Encoder "embedded": the device CUDA does not work: [^\n]+\.$/);
  });
});
