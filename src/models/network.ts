/**
 * How downloads reach the network: mirror, proxy and certificates. The only importer of undici, and only when asked.
 */
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import * as tls from 'node:tls';
import type { Dispatcher } from 'undici';
import { UserError } from '../core/userError';
import { errorCode } from '../disk/storageError';
import type { NetworkSettings } from '../protocol/modelApi';

/** The answer to one request; a redirect is an answer too. */
export interface Answer {
  readonly status: number;
  /** Value of a header by its lower-case name. */
  header(name: string): string | undefined;
  readonly body: Readable;
}

/** Where Linux distributions keep the authorities that the machine's owner trusts. */
const SYSTEM_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

export class Network {
  /** One dispatcher per proxy, '' for none. */
  private readonly dispatchers = new Map<string, Dispatcher>();

  private constructor(
    private readonly undici: typeof import('undici'),
    private readonly settings: NetworkSettings,
    private readonly env: NodeJS.ProcessEnv,
    private readonly ca: readonly string[] | undefined,
  ) {}

  /** Throws UserError where mirror, proxy or certificate file make no sense. Opens no connection. */
  static async open(settings: NetworkSettings = {}, env: NodeJS.ProcessEnv = process.env): Promise<Network> {
    if (settings.mirror !== undefined) mirrored('https://example.org/', settings.mirror);
    const ca = await authorities(settings.caFile, env);
    return new Network(await import('undici'), settings, env, ca);
  }

  /** Places to ask for a file, in order: with a mirror set, the mirror alone. */
  placesOf(url: string, mirrors: readonly string[] = []): readonly string[] {
    const { mirror } = this.settings;
    return mirror === undefined ? [url, ...mirrors] : [mirrored(url, mirror)];
  }

  /**
   * Sends one GET and resolves with its headers; a redirect is not followed. User and password of the URL are sent as
   * header.
   */
  async get(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const { username, password } = url;
    const authorization =
      username === ''
        ? {}
        : {
            authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
          };
    const answer = await this.undici.request(`${url.origin}${url.pathname}${url.search}`, {
      dispatcher: this.dispatcherFor(url),
      // Compressed answers could not be resumed or measured.
      headers: { 'accept-encoding': 'identity', 'user-agent': 'ap-medsam', ...authorization, ...headers },
      signal,
      // The caller watches for stalls, connecting included.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    // An error that comes before anybody reads would have no listener and end the process; the reader gets it all the
    // same.
    answer.body.on('error', () => undefined);
    return {
      status: answer.statusCode,
      body: answer.body,
      header: (name) => {
        const value = answer.headers[name];
        return Array.isArray(value) ? value[0] : value;
      },
    };
  }

  /** The proxy that a URL is asked through, without its password; undefined where none is. */
  proxyNameFor(url: URL): string | undefined {
    const proxy = this.proxyFor(url);
    return proxy === undefined ? undefined : withoutSecrets(proxy);
  }

  async close(): Promise<void> {
    await Promise.all([...this.dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
  }

  private proxyFor(url: URL): string | undefined {
    const { direct, proxy, noProxy = [] } = this.settings;
    if (direct) return undefined;
    const { env } = this;
    const fromEnv =
      url.protocol === 'https:'
        ? env.https_proxy || env.HTTPS_PROXY || env.all_proxy || env.ALL_PROXY
        : env.http_proxy || env.HTTP_PROXY || env.all_proxy || env.ALL_PROXY;
    const found = proxy || fromEnv;
    if (!found) return undefined;
    const exceptions = [...noProxy, ...(env.no_proxy || env.NO_PROXY || '').split(/[\s,]+/)];
    return exceptions.some((exception) => isExcepted(url, exception)) ? undefined : found;
  }

  private dispatcherFor(url: URL): Dispatcher {
    const proxy = this.proxyFor(url) ?? '';
    let dispatcher = this.dispatchers.get(proxy);
    if (!dispatcher) {
      const { Agent, ProxyAgent } = this.undici;
      const connect = {
        rejectUnauthorized: this.settings.strictSsl ?? true,
        timeout: 0,
        ...(this.ca && { ca: [...this.ca] }),
      };
      if (proxy === '') dispatcher = new Agent({ connect });
      else {
        const { proxyAuthorization: token } = this.settings;
        dispatcher = new ProxyAgent({
          uri: proxyUrl(proxy).href,
          requestTls: connect,
          proxyTls: connect,
          // Proxies rarely let http through a tunnel.
          proxyTunnel: false,
          ...(token ? { token } : {}),
        });
      }
      this.dispatchers.set(proxy, dispatcher);
    }
    return dispatcher;
  }
}

/** `url` on another host. Throws UserError unless `mirror` is an http or https URL. */
export function mirrored(url: string, mirror: string): string {
  const base = URL.canParse(mirror) ? new URL(mirror) : undefined;
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    throw new UserError(
      `The mirror "${withoutSecrets(mirror)}" is no http or https address, such as https://models.example.org.`,
    );
  }
  const { pathname, search } = new URL(url);
  base.pathname = `${base.pathname.replace(/\/+$/, '')}${pathname}`;
  base.search = search;
  return base.href;
}

/** A URL fit to show: no password, and no query, which may be a signature. */
export function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return url.replace(/\/\/[^/@]*@/, '//');
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
}

/** Why a request failed. */
interface NetworkReason {
  /** Part of a sentence: "no connection to example.org: refused". */
  readonly sentence: string;
  /** Whether it may well be over in a minute; a missing network or a wrong proxy is better told at once. */
  readonly passing: boolean;
}

export function networkReason(error: unknown, { host }: URL, proxy: string | undefined): NetworkReason {
  const message = error instanceof Error ? error.message : String(error);
  const code = errorCode(error) ?? '';
  const refusal = /Proxy response \((\d+)\)|\b(407)\b/.exec(message);
  if (refusal) {
    const status = refusal[1] ?? refusal[2];
    const what = status === '407' ? 'asks for a password' : `refuses to connect to ${host} (HTTP ${status})`;
    return { sentence: `the proxy ${proxy} ${what}`, passing: false };
  }
  const through = proxy === undefined ? '' : ` through the proxy ${proxy}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    const sentence = `${proxy ?? host} is not found: there is no network, or a proxy is needed`;
    return { sentence, passing: false };
  }
  if (code === 'ECONNREFUSED') return { sentence: `no connection to ${host}${through}: refused`, passing: false };
  if (code === 'ECONNRESET' || code === 'UND_ERR_SOCKET' || code === 'EPIPE') {
    return { sentence: `${host} broke the connection off`, passing: true };
  }
  return { sentence: `no connection to ${host}${through}: ${message.replace(/\.$/, '')}`, passing: true };
}

/** Whether a request failed because a certificate is not trusted. */
export function isCertificateError(error: unknown): boolean {
  const code = errorCode(error) ?? '';
  const inner = error instanceof Error && error.cause !== undefined && isCertificateError(error.cause);
  return inner || /CERT|UNABLE_TO_(?:GET_ISSUER|VERIFY)/.test(code);
}

/**
 * `example.org` and `.example.org` stand for the host and all below it, `*` for all; a port must agree where one is
 * given.
 */
function isExcepted({ hostname, port, protocol }: URL, exception: string): boolean {
  const [, name = '', only] =
    /^(.*?)(?::(\d+))?$/.exec(
      exception
        .toLowerCase()
        .trim()
        .replace(/^\*?\./, ''),
    ) ?? [];
  if (name === '*') return true;
  if (name === '' || (only !== undefined && only !== (port || (protocol === 'https:' ? '443' : '80')))) return false;
  return hostname === name || hostname.endsWith(`.${name}`);
}

function proxyUrl(proxy: string): URL {
  const text = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw new UserError(
    `The proxy "${withoutSecrets(proxy)}" is no http or https address, such as http://proxy.example.org:3128.`,
  );
}

/** Authorities to trust, undefined where Node's own do. */
async function authorities(caFile: string | undefined, env: NodeJS.ProcessEnv): Promise<readonly string[] | undefined> {
  const extra: string[] = [];
  if (caFile !== undefined) extra.push(await readAuthorities(caFile));
  // Node reads this variable itself, but a list of ours takes the place of its own.
  const fromNode = env.NODE_EXTRA_CA_CERTS && (await readFile(env.NODE_EXTRA_CA_CERTS, 'utf8').catch(() => undefined));
  if (fromNode && isUsable([fromNode])) extra.push(fromNode);
  const system = await systemAuthorities(env);
  // A damaged list of the system's must not keep Node's own from working.
  const ofSystem = isUsable(system) ? system : [];
  if (extra.length === 0 && ofSystem.length === 0) return undefined;
  return [...tls.rootCertificates, ...ofSystem, ...extra];
}

async function readAuthorities(path: string): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(path, 'utf8');
  } catch (cause) {
    throw new UserError(`The certificate file ${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----') || !isUsable([pem])) {
    throw new UserError(`${path} holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----").`);
  }
  return pem;
}

/** Node knows the system's own from version 22.15 on; before, Linux keeps them in a file. */
async function systemAuthorities(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'system') => string[] };
  if (getCACertificates) return getCACertificates('system');
  for (const path of [...(env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : []), ...SYSTEM_BUNDLES]) {
    const pem = await readFile(path, 'utf8').catch(() => undefined);
    if (pem !== undefined) return [pem];
  }
  return [];
}

function isUsable(ca: readonly string[]): boolean {
  try {
    tls.createSecureContext({ ca: [...ca] });
    return true;
  } catch {
    return false;
  }
}
