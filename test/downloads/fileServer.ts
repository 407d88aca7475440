/** A web server of one test: serves bytes as well as a good one does, or as badly as the test tells it to. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** Answers a request; `count` is how many there were for this path before. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface Served {
  readonly etag?: string;
  readonly lastModified?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class FileServer {
  /** Every request that came, in order. */
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[] = [];
  private readonly behaviours = new Map<string, Behaviour>();
  private readonly sockets = new Set<Socket>();
  private readonly cuts: { readonly upTo: number; readonly response: ServerResponse }[] = [];

  private constructor(
    private readonly server: Server,
    private readonly scheme: 'http' | 'https',
  ) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const path = request.url ?? '';
      const count = this.requests.filter((one) => one.path === path).length;
      this.requests.push({ path, headers: request.headers });
      const behaviour = this.behaviours.get(path);
      if (behaviour) behaviour(request, response, count);
      else response.writeHead(404).end('not here');
    });
  }

  static async start(tls?: { readonly key: string; readonly cert: string }): Promise<FileServer> {
    const server = tls ? createSecureServer(tls) : createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FileServer(server, tls ? 'https' : 'http');
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  url(path: string): string {
    return `${this.origin}${path}`;
  }

  /** Answers requests for `path` so; gives the URL. */
  on(path: string, behaviour: Behaviour): string {
    this.behaviours.set(path, behaviour);
    return this.url(path);
  }

  /** Serves bytes, by range too. */
  serve(path: string, body: Buffer, served: Served = {}): string {
    return this.on(path, (request, response) => sendFile(request, response, body, served));
  }

  /**
   * Sends the headers of the whole file and the bytes up to `upTo`; the connection breaks when `arrived` says that the
   * client has them, since what it has not read by then would be lost.
   */
  cutOff(
    response: ServerResponse,
    body: Buffer,
    upTo: number,
    { from = 0, etag }: { from?: number; etag?: string } = {},
  ): void {
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': body.length - from,
      ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
      ...(etag !== undefined && { etag }),
    });
    response.write(body.subarray(from, upTo));
    this.cuts.push({ upTo, response });
  }

  /** The client has so many bytes of the file. */
  arrived(bytes: number): void {
    for (const { upTo, response } of this.cuts) if (bytes >= upTo) response.socket?.destroy();
  }

  /** Range headers of the requests for a path, undefined where the whole file was asked for. */
  rangesOf(path: string): (string | undefined)[] {
    return this.requests.filter((one) => one.path === path).map(({ headers }) => headers.range);
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** What a good server does: ranges, and whole files where If-Range does not fit. */
export function sendFile(request: IncomingMessage, response: ServerResponse, body: Buffer, served: Served = {}): void {
  const { etag, lastModified, headers = {} } = served;
  const about = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { 'last-modified': lastModified }),
    ...headers,
  };
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const ifRange = request.headers['if-range'];
  const fits = ifRange === undefined || ifRange === etag || ifRange === lastModified;
  if (request.headers.range === undefined || !fits) {
    response.writeHead(200, { ...about, 'content-length': body.length }).end(body);
  } else if (start >= body.length) {
    response.writeHead(416, { ...about, 'content-range': `bytes */${body.length}` }).end();
  } else {
    response
      .writeHead(206, {
        ...about,
        'content-length': body.length - start,
        'content-range': `bytes ${start}-${body.length - 1}/${body.length}`,
      })
      .end(body.subarray(start));
  }
}
