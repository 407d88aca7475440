/** How downloads reach the network: mirrors, proxies and certificates, against real sockets. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fetchFile } from '../../src/models/fileDownload';
import { mirrored, Network, withoutSecrets } from '../../src/models/network';
import type { NetworkSettings } from '../../src/protocol/modelApi';
import { selfSigned } from '../downloads/certificate';
import { FileServer } from '../downloads/fileServer';
import { refusal } from '../refusal';

const BODY = Buffer.from('\x08 a small model', 'latin1');

let dir: string;
const ends: (() => unknown)[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ap-medsam-network-'));
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await rm(dir, { recursive: true });
});

async function serverWith(tls?: { key: string; cert: string }): Promise<FileServer> {
  const server = await FileServer.start(tls);
  ends.push(() => server.close());
  server.serve('/folder/model.onnx', BODY);
  return server;
}

/** Downloads what a URL leads to. */
async function fetch(url: string, settings: NetworkSettings = {}, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const network = await Network.open(settings, env);
  ends.push(() => network.close());
  const path = join(dir, 'model.onnx');
  await fetchFile({ path, urls: network.placesOf(url) }, network, {
    patience: { stallMs: 20_000, attempts: 2, pauseMs: 1, longestPauseMs: 1 },
  });
  return path;
}

/** A proxy that writes down what it is asked: tunnels (CONNECT), and whole URLs of plain http. */
async function startProxy(password?: string) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const isWelcome = ({ headers }: IncomingMessage) =>
    password === undefined || headers['proxy-authorization'] === `Basic ${Buffer.from(password).toString('base64')}`;
  const server: Server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (!isWelcome(request)) return response.writeHead(407).end();
    const { hostname, port, pathname } = new URL(request.url!);
    const upstream = connect(Number(port), hostname, () => {
      upstream.write(`GET ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nconnection: close\r\n\r\n`);
      upstream.pipe(response.socket!);
    });
    return sockets.add(upstream);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    if (!isWelcome(request)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const [host, port] = request.url!.split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    sockets.add(upstream);
    return upstream.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { asked, port, url: `http://127.0.0.1:${port}` };
}

describe('a mirror', () => {
  it.each([
    ['https://mirror.example.org', 'https://mirror.example.org/a/b.onnx?x=1'],
    ['https://mirror.example.org/', 'https://mirror.example.org/a/b.onnx?x=1'],
    ['http://10.0.0.1:8080/models/hf/', 'http://10.0.0.1:8080/models/hf/a/b.onnx?x=1'],
    ['https://user:word@mirror.example.org', 'https://user:word@mirror.example.org/a/b.onnx?x=1'],
  ])('%s takes the place of scheme and host', (mirror, expected) => {
    expect(mirrored('https://huggingface.co/a/b.onnx?x=1', mirror)).toBe(expected);
  });

  it.each(['mirror.example.org', 'ftp://mirror.example.org', ''])(
    '"%s" is refused before anything is asked',
    async (mirror) => {
      expect(await refusal(Network.open({ mirror }))).toBe(
        `The mirror "${mirror}" is no http or https address, such as https://models.example.org.`,
      );
    },
  );

  it('is asked in place of every other address', async () => {
    const server = await serverWith();
    const network = await Network.open({ mirror: `${server.origin}/folder` }, {});
    expect(network.placesOf('https://huggingface.co/model.onnx', ['https://other.example.org/x'])).toEqual([
      server.url('/folder/model.onnx'),
    ]);
    await network.close();
    await fetch('https://huggingface.co/model.onnx', { mirror: `${server.origin}/folder` });
    expect(server.requests.map(({ path }) => path)).toEqual(['/folder/model.onnx']);
  });

  it('gets its user and password as a header, which no message shows', async () => {
    const server = await serverWith();
    await fetch('https://huggingface.co/folder/model.onnx', { mirror: `http://me:p%40ss@127.0.0.1:${server.port}` });
    const [request] = server.requests;
    expect(request!.headers.authorization).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
    const missing = refusal(
      fetch('https://huggingface.co/none', { mirror: `http://me:secret@127.0.0.1:${server.port}` }),
    );
    expect(await missing).toBe(
      `${server.url('/none')} does not exist (HTTP 404): the file has moved, or the mirror lacks it.`,
    );
  });
});

describe('a proxy', () => {
  it('of the environment or the settings is used, for https through a tunnel', async () => {
    const { key, cert } = selfSigned();
    const server = await serverWith({ key, cert });
    const proxy = await startProxy();
    const caFile = join(dir, 'ca.pem');
    await writeFile(caFile, cert);
    await fetch(server.url('/folder/model.onnx'), { caFile }, { HTTPS_PROXY: proxy.url });
    await rm(join(dir, 'model.onnx.part'));
    await fetch(server.url('/folder/model.onnx'), { caFile, proxy: proxy.url });
    expect(proxy.asked).toEqual([`CONNECT 127.0.0.1:${server.port}`, `CONNECT 127.0.0.1:${server.port}`]);
    expect(server.requests).toHaveLength(2);
  });

  it('carries plain http without a tunnel', async () => {
    const server = await serverWith();
    const proxy = await startProxy();
    await fetch(server.url('/folder/model.onnx'), {}, { http_proxy: `127.0.0.1:${proxy.port}` });
    expect(proxy.asked).toEqual([`GET ${server.url('/folder/model.onnx')}`]);
  });

  it.each([
    ['NO_PROXY names the host', {}, { NO_PROXY: 'example.org, 127.0.0.1' }],
    ['NO_PROXY is *', {}, { no_proxy: '*' }],
    ['the settings name the host', { noProxy: ['127.0.0.1'] }, {}],
    ['no proxy is wanted', { direct: true }, {}],
  ])('is not used where %s', async (_, settings, env) => {
    const server = await serverWith();
    const proxy = await startProxy();
    await fetch(server.url('/folder/model.onnx'), settings, { HTTP_PROXY: proxy.url, ...env });
    expect(proxy.asked).toEqual([]);
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ['example.org', 'https://models.example.org/', true],
    ['.example.org', 'https://models.example.org/', true],
    ['*.example.org', 'https://models.example.org/', true],
    ['example.org', 'https://example.org/', true],
    ['ample.org', 'https://example.org/', false],
    ['example.org:443', 'https://example.org/', true],
    ['example.org:8443', 'https://example.org/', false],
    ['EXAMPLE.org', 'https://example.org/', true],
    ['', 'https://example.org/', false],
  ])('exception "%s" and %s: %s', async (exception, url, excepted) => {
    const network = await Network.open({ proxy: 'http://proxy.example.net:3128' }, { NO_PROXY: exception });
    expect(network.proxyNameFor(new URL(url)) === undefined).toBe(excepted);
    await network.close();
  });

  it('with a password gets it, from its address or from VS Code', async () => {
    const server = await serverWith();
    const { key, cert } = selfSigned();
    const secure = await serverWith({ key, cert });
    const proxy = await startProxy('me:secret');
    const withPassword = `http://me:secret@127.0.0.1:${proxy.port}`;
    await fetch(server.url('/folder/model.onnx'), { proxy: withPassword });
    await rm(join(dir, 'model.onnx.part'));
    await fetch(secure.url('/folder/model.onnx'), { proxy: withPassword, strictSsl: false });
    await rm(join(dir, 'model.onnx.part'));
    const proxyAuthorization = `Basic ${Buffer.from('me:secret').toString('base64')}`;
    await fetch(secure.url('/folder/model.onnx'), { proxy: proxy.url, strictSsl: false, proxyAuthorization });
    expect(secure.requests).toHaveLength(2);
  });

  it('that wants a password says so', async () => {
    const server = await serverWith();
    const secure = await serverWith(selfSigned());
    const proxy = await startProxy('me:secret');
    for (const url of [server.url('/folder/model.onnx'), secure.url('/folder/model.onnx')]) {
      expect(await refusal(fetch(url, { proxy: `http://me:wrong@127.0.0.1:${proxy.port}` }))).toBe(
        `model.onnx cannot be downloaded: the proxy http://127.0.0.1:${proxy.port} asks for a password.`,
      );
    }
  });

  it('that is not there, or makes no sense, says so', async () => {
    const gone = await startProxy();
    for (const end of ends.splice(0)) await end();
    expect(await refusal(fetch('http://example.org/model.onnx', { proxy: gone.url }))).toBe(
      `model.onnx cannot be downloaded: no connection to example.org through the proxy ${gone.url}: refused.`,
    );
    expect(
      await refusal(fetch('http://example.org/model.onnx', { proxy: 'socks5://me:secret@example.org:1080' })),
    ).toBe('The proxy "socks5://example.org:1080" is no http or https address, such as http://proxy.example.org:3128.');
  });
});

describe('a certificate', () => {
  it('that nobody trusts is refused, and accepted with the file of its authority', async () => {
    const { key, cert } = selfSigned();
    const server = await serverWith({ key, cert });
    const url = server.url('/folder/model.onnx');
    expect(await refusal(fetch(url))).toMatch(
      new RegExp(
        `^The certificate of 127\\.0\\.0\\.1:${server.port} is not trusted \\(.*self.signed.*\\): where your network has an authority of its own, name its PEM file with --ca-file or the variable NODE_EXTRA_CA_CERTS\\.$`,
      ),
    );
    expect(server.requests).toHaveLength(0);
    const caFile = join(dir, 'ca.pem');
    await writeFile(caFile, cert);
    await fetch(url, { caFile });
    await rm(join(dir, 'model.onnx.part'));
    await fetch(url, {}, { NODE_EXTRA_CA_CERTS: caFile });
    await rm(join(dir, 'model.onnx.part'));
    await fetch(url, { strictSsl: false });
    expect(server.requests).toHaveLength(3);
  });

  it('of another authority does not help', async () => {
    const server = await serverWith(selfSigned());
    const caFile = join(dir, 'other.pem');
    await writeFile(caFile, selfSigned().cert);
    expect(await refusal(fetch(server.url('/folder/model.onnx'), { caFile }))).toContain('is not trusted');
  });

  it('file that is missing or is none is refused before anything is asked', async () => {
    const caFile = join(dir, 'ca.pem');
    expect(await refusal(Network.open({ caFile }))).toContain(`The certificate file ${caFile} cannot be read: ENOENT`);
    await writeFile(caFile, 'hello');
    expect(await refusal(Network.open({ caFile }))).toBe(
      `${caFile} holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----").`,
    );
  });

  it('keeps a redirect from https to http from being followed', async () => {
    const plain = await serverWith();
    const { key, cert } = selfSigned();
    const server = await serverWith({ key, cert });
    const url = server.on('/down', (_, response) =>
      response.writeHead(302, { location: plain.url('/folder/model.onnx') }).end(),
    );
    const caFile = join(dir, 'ca.pem');
    await writeFile(caFile, cert);
    expect(await refusal(fetch(url, { caFile }))).toBe(
      `${url} redirects from https to ${plain.url('/folder/model.onnx')}, which is not encrypted.`,
    );
    expect(plain.requests).toHaveLength(0);
  });
});

describe('what is shown of an address', () => {
  it('has no password and no signature', () => {
    expect(withoutSecrets('https://me:secret@example.org/a?sig=1#x')).toBe('https://example.org/a');
    expect(withoutSecrets('//me:secret@example.org')).toBe('//example.org');
  });
});

describe('an answer', () => {
  it('has status, headers and body', async () => {
    const server = await serverWith();
    const network = await Network.open({}, {});
    ends.push(() => network.close());
    const answer = await network.get(new URL(server.url('/folder/model.onnx')), {}, new AbortController().signal);
    expect([answer.status, answer.header('content-length'), answer.header('etag')]).toEqual([200, '15', undefined]);
    expect(await text(answer.body)).toBe(BODY.toString());
  });
});
