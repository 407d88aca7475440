/** One file from servers that behave badly in every way we could think of: the table of faults of models/README.md. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/disk/hashing';
import { type FetchOptions, fetchFile, type Patience } from '../../src/models/fileDownload';
import { Network } from '../../src/models/network';
import { FileServer, sendFile } from '../downloads/fileServer';
import { refusal } from '../refusal';

const BODY = Buffer.concat([Buffer.of(8), randomBytes(300_000)]);
const OTHER = Buffer.concat([Buffer.of(8), randomBytes(300_000)]);
const HASH = sha256(BODY);

const HASTY: Patience = { stallMs: 20_000, attempts: 3, pauseMs: 1, longestPauseMs: 20 };

let dir: string;
let path: string;
let server: FileServer;
let network: Network;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-fetch-'));
  path = join(dir, 'folder', 'model.onnx');
  server = await FileServer.start();
  network = await Network.open({}, {});
});
afterEach(async () => {
  await network.close();
  await server.close();
  await rm(dir, { recursive: true });
});

/** Fetches the file whose content should be BODY. */
const fetch = (urls: string | string[], options: FetchOptions = {}, known: { sha256?: string; bytes?: number } = {}) =>
  fetchFile({ path, urls: [urls].flat(), sha256: HASH, bytes: BODY.length, ...known }, network, {
    patience: HASTY,
    ...options,
    onBytes: (received, total) => {
      options.onBytes?.(received, total);
      server.arrived(received);
    },
  });

const unknown = { sha256: undefined as never, bytes: undefined as never };

const part = () => readFile(`${path}.part`);

describe('a good server', () => {
  it('gives the file, whole and hashed, into its part', async () => {
    const url = server.serve('/model.onnx', BODY);
    const seen: [number, number | undefined][] = [];
    const got = await fetch(url, { onBytes: (...bytes) => seen.push(bytes) });
    expect(got).toEqual({ sha256: HASH, bytes: BODY.length, url });
    expect((await part()).equals(BODY)).toBe(true);
    expect(seen[0]).toEqual([0, BODY.length]);
    expect(seen.at(-1)).toEqual([BODY.length, BODY.length]);
    expect(seen.map(([bytes]) => bytes)).toEqual(seen.map(([bytes]) => bytes).sort((a, b) => a - b));
    expect(server.requests[0]!.headers).toMatchObject({ 'accept-encoding': 'identity' });
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('is not asked again for what is complete', async () => {
    const url = server.serve('/model.onnx', BODY);
    await fetch(url);
    await fetch(url);
    expect(server.requests).toHaveLength(1);
  });

  it('tells the size of a file that the manifest does not know', async () => {
    const url = server.serve('/model.onnx', BODY);
    const totals = new Set<number | undefined>();
    const got = await fetch(url, { onBytes: (_, total) => totals.add(total) }, unknown);
    expect(got).toMatchObject({ sha256: HASH, bytes: BODY.length });
    expect([...totals]).toEqual([undefined, BODY.length]);
  });

  it('may say no size at all', async () => {
    const url = server.on('/model.onnx', (_, response) => {
      response.write(BODY.subarray(0, 1000));
      response.end(BODY.subarray(1000));
    });
    expect(await fetch(url, {}, unknown)).toMatchObject({ sha256: HASH, bytes: BODY.length });
  });
});

describe('a broken connection', () => {
  it('is resumed by range where the first part ended, and the hash covers both', async () => {
    const served = { etag: '"one"' };
    const url = server.on('/model.onnx', (request, response, count) => {
      if (count === 0) server.cutOff(response, BODY, 100_000, served);
      else sendFile(request, response, BODY, served);
    });
    const retries: string[] = [];
    expect(await fetch(url, { onRetry: (reason) => retries.push(reason) })).toMatchObject({ sha256: HASH });
    const [, range] = server.rangesOf('/model.onnx');
    expect(range).toMatch(/^bytes=\d+-$/);
    expect(Number(/\d+/.exec(range!)![0])).toBeGreaterThan(0);
    expect(server.requests[1]!.headers['if-range']).toBe('"one"');
    expect(retries).toEqual([`127.0.0.1:${server.port} broke the connection off`]);
  });

  it('again and again costs no more attempts as long as bytes come', async () => {
    let sent = 0;
    const url = server.on('/model.onnx', (request, response) => {
      sent++;
      const from = Number(/\d+/.exec(request.headers.range ?? '0')![0]);
      if (from + 40_000 >= BODY.length) sendFile(request, response, BODY);
      else server.cutOff(response, BODY, from + 40_000, { from });
    });
    expect(await fetch(url)).toMatchObject({ sha256: HASH });
    expect(sent).toBeGreaterThan(HASTY.attempts);
  });

  it('that never brings anything is given up, and what is there is kept', async () => {
    const url = server.on('/model.onnx', (_, response, count) => {
      if (count === 0) server.cutOff(response, BODY, 100_000);
      else response.socket?.destroy();
    });
    expect(await refusal(fetch(url))).toMatch(
      new RegExp(
        `^model\\.onnx could not be downloaded from ${url}: 127\\.0\\.0\\.1:${server.port} broke the connection off \\(3 attempts\\); \\d+ bytes are kept, and the next attempt goes on from there\\.$`,
      ),
    );
    const { length } = await part();
    expect(length).toBeGreaterThan(0);
    server.serve('/model.onnx', BODY);
    await fetch(url);
    expect(server.rangesOf('/model.onnx').at(-1)).toBe(`bytes=${length}-`);
  });

  it('with an end that looks proper counts as broken too', async () => {
    const url = server.on('/model.onnx', (request, response, count) => {
      // Chunked: the end of what was sent is no error for HTTP.
      if (count === 0) {
        response.write(BODY.subarray(0, 50_000));
        response.end();
      } else sendFile(request, response, BODY);
    });
    const retries: string[] = [];
    await fetch(url, { onRetry: (reason) => retries.push(reason) });
    expect(retries).toEqual([`127.0.0.1:${server.port} ended the file early`]);
    expect(server.rangesOf('/model.onnx')).toEqual([undefined, 'bytes=50000-']);
  });
});

describe('a server that stalls', () => {
  it.each([
    ['before it answers', 0],
    ['in the middle of the file', 100_000],
  ])('%s is left and asked again', async (_, bytes) => {
    const url = server.on('/model.onnx', (request, response, count) => {
      if (count > 0) sendFile(request, response, BODY);
      else if (bytes > 0) response.writeHead(200, { 'content-length': BODY.length }).write(BODY.subarray(0, bytes));
    });
    const retries: string[] = [];
    await fetch(url, { patience: { ...HASTY, stallMs: 500 }, onRetry: (reason) => retries.push(reason) });
    expect(retries[0]).toBe(`127.0.0.1:${server.port} sent nothing for 0.5 s`);
    expect((await part()).equals(BODY)).toBe(true);
  });

  it('but not a slow one that sends something all the time', async () => {
    const url = server.on('/model.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': BODY.length });
      let sent = 0;
      const next = () => {
        response.write(BODY.subarray(sent, sent + 20_000));
        sent += 20_000;
        if (sent < BODY.length) setTimeout(next, 60);
        else response.end();
      };
      next();
    });
    // In all it takes longer than the patience for one pause.
    await fetch(url, { patience: { ...HASTY, stallMs: 800 } });
    expect(server.requests).toHaveLength(1);
  });
});

describe('resuming', () => {
  const begin = async (served: { etag?: string } = {}) => {
    const url = server.on('/model.onnx', (_, response) => server.cutOff(response, BODY, 100_000, served));
    await refusal(fetch(url, { patience: { ...HASTY, attempts: 1 } }));
    expect((await part()).length).toBeGreaterThan(0);
    return url;
  };

  it('starts afresh where the server ignores ranges', async () => {
    const url = await begin();
    server.on('/model.onnx', (_, response) => response.writeHead(200, { 'content-length': BODY.length }).end(BODY));
    await fetch(url);
    expect((await part()).equals(BODY)).toBe(true);
  });

  it('starts afresh where the content has changed in between, as its ETag tells', async () => {
    const url = await begin({ etag: '"old"' });
    server.serve('/model.onnx', OTHER, { etag: '"new"' });
    expect(await fetch(url, {}, { sha256: sha256(OTHER) })).toMatchObject({ sha256: sha256(OTHER) });
    expect((await part()).equals(OTHER)).toBe(true);
    expect(server.requests.at(-1)!.headers['if-range']).toBe('"old"');
  });

  it('starts afresh where the content has changed and the server pays no heed to If-Range', async () => {
    const url = await begin({ etag: '"old"' });
    server.on('/model.onnx', (request, response) => {
      const { 'if-range': _, ...headers } = request.headers;
      sendFile(Object.assign(request, { headers }), response, OTHER, { etag: '"new"' });
    });
    await fetch(url, {}, { sha256: sha256(OTHER) });
    expect((await part()).equals(OTHER)).toBe(true);
  });

  it('starts afresh where the content has changed without a word and only the hash tells', async () => {
    const url = await begin();
    server.serve('/model.onnx', OTHER);
    expect(await fetch(url, {}, { sha256: sha256(OTHER) })).toMatchObject({ sha256: sha256(OTHER) });
    expect(server.rangesOf('/model.onnx').slice(-2)).toEqual([expect.stringMatching(/^bytes=/), undefined]);
  });

  it('never joins two parts where neither hash nor validator could tell', async () => {
    const url = await begin();
    server.serve('/model.onnx', OTHER);
    await fetch(url, {}, unknown);
    expect(server.rangesOf('/model.onnx').at(-1)).toBeUndefined();
    expect((await part()).equals(OTHER)).toBe(true);
  });

  it('joins them without a hash where the ETag is the same', async () => {
    const url = await begin({ etag: '"one"' });
    server.serve('/model.onnx', BODY, { etag: '"one"' });
    await fetch(url, {}, unknown);
    expect(server.rangesOf('/model.onnx').at(-1)).toMatch(/^bytes=/);
    expect((await part()).equals(BODY)).toBe(true);
  });

  it('starts afresh where the server sends another part than was asked for', async () => {
    const url = await begin();
    server.on('/model.onnx', (request, response) => {
      if (request.headers.range === undefined) return sendFile(request, response, BODY);
      response.writeHead(206, { 'content-range': `bytes 5-${BODY.length - 1}/${BODY.length}` }).end(BODY.subarray(5));
    });
    await fetch(url);
    expect((await part()).equals(BODY)).toBe(true);
  });

  it('starts afresh where the file has become shorter than the part', async () => {
    const url = await begin();
    const short = BODY.subarray(0, 10);
    server.serve('/model.onnx', short);
    await fetch(url, {}, { sha256: sha256(short), bytes: undefined as never });
    expect((await part()).equals(short)).toBe(true);
  });

  it('starts afresh where the part is longer than the file should be', async () => {
    const url = server.serve('/model.onnx', BODY);
    await begin();
    await writeFile(`${path}.part`, Buffer.alloc(BODY.length + 1));
    server.serve('/model.onnx', BODY);
    await fetch(url);
    expect((await part()).equals(BODY)).toBe(true);
  });

  it('finds out that the part on disk was damaged', async () => {
    const url = await begin();
    const damaged = await part();
    damaged[10] ^= 1;
    await writeFile(`${path}.part`, damaged);
    server.serve('/model.onnx', BODY);
    await fetch(url);
    expect((await part()).equals(BODY)).toBe(true);
  });
});

describe('wrong content', () => {
  it('of the right size is refused with both hashes and put aside', async () => {
    const url = server.serve('/model.onnx', OTHER);
    expect(await refusal(fetch(url))).toBe(
      `${url} has the wrong content: expected SHA-256 ${HASH}, found ${sha256(OTHER)}; the file was put aside as ${path}.rejected and is not used.`,
    );
    expect(await readdir(join(dir, 'folder'))).toEqual(['model.onnx.rejected']);
    server.serve('/model.onnx', BODY);
    await fetch(url);
  });

  it('of another size is refused before it is fetched', async () => {
    const url = server.serve('/model.onnx', BODY.subarray(1));
    expect(await refusal(fetch(url))).toBe(
      `${url} has another file: expected ${BODY.length} bytes, found ${BODY.length - 1}.`,
    );
  });

  it('that does not end is cut', async () => {
    const url = server.on('/model.onnx', (_, response) => {
      response.write(BODY);
      response.end('and more');
    });
    expect(await refusal(fetch(url))).toBe(`${url} sends more than the expected ${BODY.length} bytes.`);
    expect((await part()).length).toBe(0);
  });

  it('that is a web page is called one', async () => {
    const url = server.on('/model.onnx', (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>Please log in</html>');
    });
    expect(await refusal(fetch(url, {}, unknown))).toBe(
      `${url} answers with a web page instead of the file: it has moved, or a login page of your network stands in between.`,
    );
  });

  it('that is compressed all the same is refused', async () => {
    const url = server.serve('/model.onnx', BODY, { headers: { 'content-encoding': 'gzip' } });
    expect(await refusal(fetch(url))).toBe(`${url} sends the file compressed (gzip), although it was asked not to.`);
  });
});

describe('an answer that is no file', () => {
  it.each([
    [404, (url: string) => `${url} does not exist (HTTP 404): the file has moved, or the mirror lacks it.`],
    [410, (url: string) => `${url} does not exist (HTTP 410): the file has moved, or the mirror lacks it.`],
    [401, (url: string) => `${url} may not be read (HTTP 401): it asks for a login.`],
    [403, (url: string) => `${url} may not be read (HTTP 403): it asks for a login.`],
    [400, (url: string) => `${url} answers HTTP 400 instead of the file.`],
  ])('HTTP %i is told at once', async (status, sentence) => {
    const url = server.on('/model.onnx', (_, response) => response.writeHead(status).end('sorry'));
    expect(await refusal(fetch(url))).toBe(sentence(url));
    expect(server.requests).toHaveLength(1);
  });

  it.each([500, 502, 503, 504, 429, 408])('HTTP %i is asked again', async (status) => {
    const url = server.on('/model.onnx', (request, response, count) => {
      if (count < 2) response.writeHead(status).end('later');
      else sendFile(request, response, BODY);
    });
    const pauses: number[] = [];
    await fetch(url, { onRetry: (_, pauseMs) => pauses.push(pauseMs) });
    expect(pauses).toEqual([1, 2]);
  });

  it('HTTP 500 for ever is given up', async () => {
    const url = server.on('/model.onnx', (_, response) => response.writeHead(500).end());
    expect(await refusal(fetch(url))).toBe(
      `model.onnx could not be downloaded from ${url}: 127.0.0.1:${server.port} answers 500 (3 attempts).`,
    );
    expect(server.requests).toHaveLength(3);
  });

  it('Retry-After is followed, in seconds or as a date', async () => {
    const url = server.on('/model.onnx', (request, response, count) => {
      if (count === 0) response.writeHead(503, { 'retry-after': '0' }).end();
      else if (count === 1) response.writeHead(503, { 'retry-after': new Date(0).toUTCString() }).end();
      else sendFile(request, response, BODY);
    });
    const pauses: number[] = [];
    await fetch(url, { onRetry: (_, pauseMs) => pauses.push(pauseMs) });
    expect(pauses).toEqual([0, 0]);
  });

  it('Retry-After of an hour is told instead of waited for', async () => {
    const url = server.on('/model.onnx', (_, response) => response.writeHead(503, { 'retry-after': '3600' }).end());
    expect(await refusal(fetch(url))).toBe(
      `127.0.0.1:${server.port} is busy and asks to come back in 3600 s (HTTP 503).`,
    );
  });
});

describe('redirects', () => {
  const redirect = (from: string, to: string, status = 302) =>
    server.on(from, (_, response) => response.writeHead(status, { location: to }).end());

  it('are followed, relative ones too, with the range of a resumed download', async () => {
    const url = redirect('/a', '/b', 301);
    redirect('/b', server.url('/c?signed=1'), 307);
    server.serve('/c?signed=1', BODY);
    await fetch(url);
    await writeFile(`${path}.part`, BODY.subarray(0, 7));
    await fetch(url);
    expect(server.rangesOf('/c?signed=1')).toEqual([undefined, 'bytes=7-']);
  });

  it('in a circle, or without end, are left', async () => {
    const url = redirect('/a', '/b');
    redirect('/b', '/a');
    expect(await refusal(fetch(url))).toBe(`${url} redirects in a circle.`);
    server.requests.length = 0;
    for (let i = 0; i < 30; i++) redirect(`/n${i}`, `/n${i + 1}`);
    expect(await refusal(fetch(server.url('/n0')))).toBe(`${server.url('/n0')} redirects more than 10 times.`);
    expect(server.requests).toHaveLength(11);
  });

  it('to what is no web address are left', async () => {
    const url = redirect('/a', 'file:///etc/passwd');
    expect(await refusal(fetch(url))).toBe(`${url} redirects to "file:///etc/passwd", which is no web address.`);
  });
});

describe('several addresses', () => {
  it('are tried in order where one does not have the file, or has another', async () => {
    const good = server.serve('/good', BODY);
    const urls = [server.url('/missing'), server.serve('/wrong', OTHER), good, server.url('/never')];
    expect(await fetch(urls)).toMatchObject({ url: good });
    expect(server.requests.map((one) => one.path)).toEqual(['/missing', '/wrong', '/good']);
  });

  it('end with what the last one said', async () => {
    expect(await refusal(fetch([server.url('/a'), server.url('/b')]))).toContain(`${server.url('/b')} does not exist`);
  });
});

describe('no network', () => {
  it('a host that nobody listens at is told at once', async () => {
    const other = await FileServer.start();
    const { port } = other;
    await other.close();
    expect(await refusal(fetch(`http://127.0.0.1:${port}/model.onnx`))).toBe(
      `model.onnx cannot be downloaded: no connection to 127.0.0.1:${port}: refused.`,
    );
  });

  it('a host that does not exist is told at once', async () => {
    // RFC 6761 keeps this name from ever existing.
    expect(await refusal(fetch('http://nowhere.invalid/model.onnx'))).toBe(
      'model.onnx cannot be downloaded: nowhere.invalid is not found: there is no network, or a proxy is needed.',
    );
  });

  it('that goes away in the middle is waited for', async () => {
    const { port } = server;
    server.on('/model.onnx', (_, response) => server.cutOff(response, BODY, 100_000));
    const retries: string[] = [];
    const fetching = refusal(
      fetch(server.url('/model.onnx'), {
        onRetry: (reason) => {
          retries.push(reason);
          if (retries.length === 1) void server.close();
        },
        patience: { ...HASTY, pauseMs: 100, longestPauseMs: 100 },
      }),
    );
    expect(await fetching).toContain('bytes are kept');
    expect(retries).toEqual([
      `127.0.0.1:${port} broke the connection off`,
      expect.stringMatching(/refused|broke the connection off/),
    ]);
    server = await FileServer.start();
  });
});

describe('cancelling', () => {
  it.each(['in the middle', 'while it waits for the next attempt'] as const)('%s keeps the part', async (when) => {
    const stop = new AbortController();
    const url = server.on('/model.onnx', (request, response, count) => {
      if (when !== 'in the middle' && count === 0) return server.cutOff(response, BODY, 50_000);
      response.writeHead(200, { 'content-length': BODY.length }).write(BODY.subarray(0, 50_000));
      request.on('close', () => undefined);
    });
    const reason = new Error('enough');
    const fetching = fetch(url, {
      signal: stop.signal,
      patience: { ...HASTY, pauseMs: 60_000, longestPauseMs: 60_000 },
      onBytes: (received) => when === 'in the middle' && received > 0 && stop.abort(reason),
      onRetry: () => stop.abort(reason),
    });
    await expect(fetching).rejects.toBe(reason);
    expect((await part()).length).toBeGreaterThan(0);
    expect(BODY.subarray(0, (await part()).length).equals(await part())).toBe(true);
    server.serve('/model.onnx', BODY);
    expect(await fetch(url)).toMatchObject({ sha256: HASH });
    expect(server.rangesOf('/model.onnx').at(-1)).toMatch(/^bytes=[1-9]/);
  });
});

describe('the disk', () => {
  it('is asked for room once the size is known, before anything is written', async () => {
    const url = server.serve('/model.onnx', BODY);
    const asked: number[] = [];
    const makeRoom = async (bytes: number) => {
      asked.push(bytes);
      throw new Error('no room');
    };
    await expect(fetch(url, { makeRoom, patience: { ...HASTY, attempts: 1 } }, unknown)).rejects.toThrow();
    expect(asked).toEqual([BODY.length]);
    expect((await part()).length).toBe(0);
  });

  it('that refuses is told of', async () => {
    await writeFile(join(dir, 'folder'), 'a file');
    const url = server.serve('/model.onnx', BODY);
    expect(await refusal(fetch(url))).toMatch(/^Cannot write .*folder: a file stands where a folder should be\.$/);
    expect(server.requests).toHaveLength(0);
  });
});
