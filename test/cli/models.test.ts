/** `ap-medsam models download | remove | import --as` as a user meets them, against a server on this machine. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../downloads/certificate';
import { FileServer } from '../downloads/fileServer';
import { complaint, jsonLines, Workshop } from './runCli';

const workshop = new Workshop();
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const ENCODER = Buffer.concat([Buffer.of(8), randomBytes(299_999)]);
const DECODER = Buffer.concat([Buffer.of(8), randomBytes(99_999)]);

let server: FileServer;
let home: string;
beforeAll(async () => {
  server = await FileServer.start();
});
afterAll(() => server.close());

beforeEach(async () => {
  home = path.join(await workshop.newFolder(), 'home');
  server.requests.length = 0;
  server.serve('/x/encoder.onnx', ENCODER);
  server.serve('/x/decoder.onnx', DECODER);
  await list(server.origin);
});

/** Lists two models of ours in the home: `tiny` with hashes, `bare` without. */
async function list(origin: string): Promise<void> {
  const about = { kind: 'segmenter', family: 'sam', licence: 'MIT', origin: 'a test' };
  const file = (id: string, role: string, content?: Buffer) => ({
    role,
    file: `segmenter-${id}/${role}.onnx`,
    url: `${origin}/x/${role}.onnx`,
    ...(content && { sha256: sha256(content), bytes: content.length }),
  });
  const tiny = [file('tiny', 'encoder', ENCODER), file('tiny', 'decoder', DECODER)];
  const models = [
    { ...about, id: 'tiny', title: 'A tiny one', files: tiny },
    { ...about, id: 'bare', title: 'One without hashes', files: [file('bare', 'encoder'), file('bare', 'decoder')] },
  ];
  await mkdir(path.join(home, 'models'), { recursive: true });
  await writeFile(path.join(home, 'models', 'manifest.json'), JSON.stringify({ version: 1, models }));
}

/** Runs a command of `models` with variables of its own, whatever proxy this machine has. */
const models = (args: string, variables: readonly string[] = []) =>
  workshop.run(['models', ...args.split(' ')], { home, before: ['env', 'NO_PROXY=127.0.0.1', ...variables] });

const sizeOf = async (file: string) => (await stat(file).catch(() => ({ size: 0 }))).size;

const stateOf = async (id: string) =>
  (jsonLines((await models('list --json')).stdout) as { id: string; state: string }[]).find((one) => one.id === id)!
    .state;

describe('models download', () => {
  it('says size and licence first, then shows progress, and makes the model ready', async () => {
    const { code, stdout, stderr } = await models('download tiny');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'segmenter "tiny": downloaded, 0.4 MB\n' });
    const [first, ...progress] = stderr.trimEnd().split('\n');
    expect(first).toBe('segmenter "tiny": A tiny one, 0.4 MB, licence MIT, from a test');
    expect(progress.join('\n')).toMatch(/^tiny: 0\.0 kB of 0\.4 MB/);
    expect(await stateOf('tiny')).toBe('downloaded');
    expect((await models('verify tiny')).stdout).toBe('segmenter tiny: ok\n');

    expect((await models('download tiny')).stdout).toBe('segmenter "tiny": already there, and right\n');
    expect(server.requests).toHaveLength(2);
  });

  it('--json prints one line per model, the failed ones too, and goes on', async () => {
    const { code, stdout } = await models('download embedded tiny --kind segmenter --json');
    expect(code).toBe(1);
    expect(jsonLines(stdout)).toEqual([
      {
        ...{ kind: 'segmenter', id: 'embedded', ok: false },
        problem: 'The segmenter "embedded" is shipped with AP-MedSAM: there is nothing to download.',
      },
      expect.objectContaining({ kind: 'segmenter', id: 'tiny', ok: true, state: 'downloaded, 0.4 MB' }),
    ]);
  });

  it('one that fails has one sentence', async () => {
    server.serve('/x/decoder.onnx', randomBytes(100_000));
    const { code, stderr } = await models('download tiny');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^ap-medsam: http:\S+decoder\.onnx has the wrong content: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}; the file was put aside as \S+\.rejected and is not used\.$/m,
    );
    expect(await stateOf('tiny')).toBe('partial');
  });

  it('takes a mirror from the option or the variable, and certificates from a file', async () => {
    const { key, cert } = selfSigned();
    const mirror = await FileServer.start({ key, cert });
    try {
      await list('https://models.invalid');
      mirror.serve('/copy/x/encoder.onnx', ENCODER);
      mirror.serve('/copy/x/decoder.onnx', DECODER);
      const caFile = path.join(await workshop.newFolder(), 'ca.pem');
      await writeFile(caFile, cert);
      const refused = await models(`download tiny --mirror ${mirror.origin}/copy`);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('is not trusted') });
      const taken = await models(`download tiny --ca-file ${caFile}`, [`AP_MEDSAM_MIRROR=${mirror.origin}/copy`]);
      expect(taken).toMatchObject({ code: 0 });
      expect(mirror.requests.map((one) => one.path)).toEqual(['/copy/x/encoder.onnx', '/copy/x/decoder.onnx']);
    } finally {
      await mirror.close();
    }
  });

  it('without published hashes shows them, and takes them once they are accepted', async () => {
    const hashes = `${sha256(ENCODER)},${sha256(DECODER)}`;
    const asked = await models('download bare');
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain(
      `encoder.onnx: SHA-256 ${sha256(ENCODER)}, 300000 bytes, from ${server.url('/x/encoder.onnx')}`,
    );
    expect(asked.stderr).toContain(`To accept them: --accept ${hashes}\n`);
    expect(await stateOf('bare')).toBe('partial');
    expect(await models(`download bare --accept ${hashes}`)).toMatchObject({ code: 0 });
    expect(await stateOf('bare')).toBe('downloaded');
  });

  it('stops on Ctrl+C with its exit code, keeps what is there, and goes on with it', async () => {
    server.on('/x/encoder.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': ENCODER.length }).write(ENCODER.subarray(0, 100_000));
    });
    const running = workshop.start(['models', 'download', 'tiny'], { home, before: ['env', 'NO_PROXY=127.0.0.1'] });
    const part = path.join(home, 'models', 'segmenter-tiny', 'encoder.onnx.part');
    await running.until(async () => (await sizeOf(part)) === 100_000);
    running.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 130 });
    expect(await readdir(path.join(home, 'models', 'locks'))).toEqual([]);
    server.serve('/x/encoder.onnx', ENCODER);
    expect(await models('download tiny')).toMatchObject({ code: 0 });
    expect(server.rangesOf('/x/encoder.onnx')).toEqual([undefined, 'bytes=100000-']);
  });
});

describe('models remove', () => {
  it('deletes what was downloaded, and nothing else', async () => {
    await models('download tiny');
    expect(await models('remove tiny')).toMatchObject({ code: 0, stdout: 'segmenter "tiny": removed\n' });
    expect(await stateOf('tiny')).toBe('available');
    expect(await models('remove tiny')).toMatchObject({
      code: 1,
      stderr: 'ap-medsam: The segmenter "tiny" is not downloaded: there is nothing to remove.\n',
    });
    expect((await models('remove embedded --kind encoder')).stderr).toBe(
      'ap-medsam: The encoder "embedded" is shipped with AP-MedSAM and cannot be removed.\n',
    );
  });
});

describe('models import --as', () => {
  it('takes files that were downloaded by other means', async () => {
    const folder = await workshop.newFolder();
    const [encoder, decoder] = ['first.onnx', 'second.onnx'].map((name) => path.join(folder, name));
    await writeFile(encoder!, ENCODER);
    await writeFile(decoder!, DECODER);
    expect((await models(`import ${encoder} --as tiny`)).stdout).toBe(
      'Imported a part of the segmenter "tiny"; still missing: decoder.onnx.\n',
    );
    expect((await models(`import ${decoder} --as tiny`)).stdout).toBe('Imported the segmenter "tiny".\n');
    expect(await stateOf('tiny')).toBe('imported');
    expect(complaint(await models(`import ${decoder} --as dinov2-small`))).toMatch(
      /second\.onnx is none of the files of the encoder "dinov2-small": expected SHA-256 8314\S+ \(model\.onnx\), found /,
    );
    expect(server.requests).toEqual([]);
  });
});
