/**
 * One file over HTTP: resumed by range, tried again after stalls and broken connections, hashed on the way. Ends with a
 * complete part beside the file's place, never with the file itself.
 */
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../core/userError';
import { type Answer, isCertificateError, type Network, networkReason, withoutSecrets } from './network';
import { PartFile, type PartOrigin, rejectPart } from './partFile';

interface FileToFetch {
  /** Absolute path that the file is meant for; the part lies beside it. */
  readonly path: string;
  /** Addresses, tried in order. */
  readonly urls: readonly string[];
  readonly sha256?: string | undefined;
  readonly bytes?: number | undefined;
}

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that are there and, once known, those of the whole file. */
  readonly onBytes?: (received: number, total: number | undefined) => void;
  /** Called before a pause, with the reason as part of a sentence. */
  readonly onRetry?: (reason: string, pauseMs: number) => void;
  /** Called when the size is known and before anything is written; throws where there is no room for `bytes` more. */
  readonly makeRoom?: (bytes: number) => Promise<void>;
  readonly patience?: Patience;
}

/** When to give up. */
export interface Patience {
  /** Milliseconds without a byte after which a connection counts as dead. */
  readonly stallMs: number;
  /** Attempts in a row that bring nothing. */
  readonly attempts: number;
  /** The first pause in milliseconds; each further one is twice as long. */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
}

const PATIENCE: Patience = { stallMs: 30_000, attempts: 6, pauseMs: 1_000, longestPauseMs: 30_000 };

export interface Fetched {
  readonly sha256: string;
  readonly bytes: number;
  /** The address that it came from. */
  readonly url: string;
}

const MOST_REDIRECTS = 10;

/** Answers that mean "not now": request timeout, too early, too many requests, and servers in trouble. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** May go better at the same address a little later. */
class Passing extends Error {
  constructor(
    message: string,
    /** What the server asked for. */
    readonly pauseMs?: number,
  ) {
    super(message);
  }
}

/** Will not go better at this address; another one may have the file. */
class Hopeless extends UserError {}

/**
 * Fetches a file into its part, going on where an earlier attempt stopped.
 *
 * @throws UserError that says what the address answered, or both hashes where the content is wrong (it is then put
 *   aside); the signal's reason when aborted. What has arrived is kept for the next attempt in both cases.
 */
export async function fetchFile(file: FileToFetch, network: Network, options: FetchOptions = {}): Promise<Fetched> {
  let failure: unknown = new RangeError(`no address for ${file.path}`);
  for (const url of file.urls) {
    try {
      return await new FileFetch(file, url, network, options).run();
    } catch (error) {
      if (!(error instanceof Hopeless)) throw error;
      failure = error;
    }
  }
  throw failure;
}

class FileFetch {
  private readonly patience: Patience;
  private readonly signal: AbortSignal;
  private readonly shownUrl: string;
  /** Whether what is in the part came in more than one piece, so that a wrong hash may be the seam's fault. */
  private pieced = false;
  /** Whether the address has answered at all: only then is a lost connection worth waiting for. */
  private answered = false;

  constructor(
    private readonly file: FileToFetch,
    private readonly url: string,
    private readonly network: Network,
    private readonly options: FetchOptions,
  ) {
    this.patience = options.patience ?? PATIENCE;
    this.signal = options.signal ?? new AbortController().signal;
    this.shownUrl = withoutSecrets(url);
  }

  async run(): Promise<Fetched> {
    const { sha256: expected, path } = this.file;
    const part = await PartFile.open(path, this.signal);
    try {
      this.pieced = part.size > 0;
      for (let again = false; ; again = true) {
        await this.complete(part);
        const sha256 = part.sha256();
        if (expected === undefined || sha256 === expected) return { sha256, bytes: part.size, url: this.url };
        if (!this.pieced || again) {
          throw new Hopeless(
            `${this.shownUrl} has the wrong content: expected SHA-256 ${expected}, found ${sha256}; the file was put aside as ${await rejectPart(path)} and is not used.`,
          );
        }
        // Once more from the start: the server may have changed the file without a word.
        await part.restart();
      }
    } finally {
      await part.close();
    }
  }

  /** Transfers until everything is there, with pauses in between. */
  private async complete(part: PartFile): Promise<void> {
    for (let fruitless = 0; ; ) {
      const before = part.size;
      try {
        if (await this.transfer(part)) return;
        throw new Passing(`${new URL(this.url).host} ended the file early`);
      } catch (error) {
        this.signal.throwIfAborted();
        if (!(error instanceof Passing)) throw error;
        fruitless = part.size > before ? 1 : fruitless + 1;
        if (fruitless >= this.patience.attempts) throw this.gaveUp(error, part);
        const pauseMs =
          error.pauseMs ?? Math.min(this.patience.pauseMs * 2 ** (fruitless - 1), this.patience.longestPauseMs);
        this.options.onRetry?.(error.message, pauseMs);
        await sleep(pauseMs, undefined, { signal: this.signal }).catch(() => this.signal.throwIfAborted());
      }
      this.pieced ||= part.size > 0;
    }
  }

  private gaveUp({ message }: Error, part: PartFile): UserError {
    const kept = part.size > 0 ? `; ${part.size} bytes are kept, and the next attempt goes on from there` : '';
    const sentence = `${basename(this.file.path)} could not be downloaded from ${this.shownUrl}: ${message} (${this.patience.attempts} attempts)${kept}.`;
    // With nothing of it there, another address may do as well.
    return part.size > 0 ? new UserError(sentence) : new Hopeless(sentence);
  }

  /** One request, from what is there to the end; says whether everything is there then. */
  private async transfer(part: PartFile): Promise<boolean> {
    const { bytes: expected } = this.file;
    const { onBytes } = this.options;
    if (expected !== undefined && part.size > expected) await part.restart();
    if (part.size > 0 && !this.mayResume(part)) await part.restart();
    onBytes?.(part.size, expected ?? part.origin?.total);
    if (expected !== undefined && part.size === expected) return true;

    const watch = new Watch(this.patience.stallMs, this.signal);
    let answer: Answer | undefined;
    try {
      answer = await this.follow(new URL(this.url), this.rangeOf(part), watch);
      const total = await this.accept(answer, part);
      if (total === 'complete') return true;
      const most = expected ?? total;
      onBytes?.(part.size, most);
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        watch.touch();
        if (most !== undefined && part.size + chunk.length > most) {
          await part.restart();
          throw new Hopeless(`${this.shownUrl} sends more than the expected ${most} bytes.`);
        }
        await part.append(chunk);
        onBytes?.(part.size, most);
      }
      return most === undefined || part.size === most;
    } catch (error) {
      throw this.judged(error, watch);
    } finally {
      watch.stop();
      answer?.body.destroy();
    }
  }

  /** Only a hash, or a validator of the same address, can tell that two pieces belong together. */
  private mayResume({ origin }: PartFile): boolean {
    return this.file.sha256 !== undefined || (origin?.validator !== undefined && origin.url === this.url);
  }

  private rangeOf({ size, origin }: PartFile): Record<string, string> {
    if (size === 0) return {};
    const validator = origin?.url === this.url ? origin.validator : undefined;
    return { range: `bytes=${size}-`, ...(validator !== undefined && { 'if-range': validator }) };
  }

  /** Sends the request, following redirects. */
  private async follow(from: URL, range: Record<string, string>, watch: Watch): Promise<Answer> {
    const seen = new Set<string>();
    for (let url = from; ; ) {
      if (seen.has(url.href)) throw new Hopeless(`${this.shownUrl} redirects in a circle.`);
      seen.add(url.href);
      if (seen.size > MOST_REDIRECTS + 1)
        throw new Hopeless(`${this.shownUrl} redirects more than ${MOST_REDIRECTS} times.`);
      let answer: Answer;
      try {
        answer = await this.network.get(url, range, watch.signal);
      } catch (error) {
        throw this.unreachable(error, url, watch);
      }
      this.answered = true;
      watch.touch();
      const location = answer.header('location');
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.body.destroy();
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || !/^https?:$/.test(next.protocol)) {
        throw new Hopeless(`${this.shownUrl} redirects to "${withoutSecrets(location)}", which is no web address.`);
      }
      if (url.protocol === 'https:' && next.protocol === 'http:') {
        throw new Hopeless(
          `${this.shownUrl} redirects from https to ${withoutSecrets(next.href)}, which is not encrypted.`,
        );
      }
      url = next;
    }
  }

  /** Judges an answer's status and headers and prepares the part; gives the whole file's size where it is known. */
  private async accept(answer: Answer, part: PartFile): Promise<number | undefined | 'complete'> {
    const { status } = answer;
    const { bytes: expected } = this.file;
    const { host } = new URL(this.url);
    if (status === 206) {
      const [, start, whole] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header('content-range') ?? '') ?? [];
      const total = whole === undefined || whole === '*' ? part.origin?.total : Number(whole);
      const known = expected ?? part.origin?.total;
      const other = part.origin?.url === this.url && differs(part.origin.validator, validatorOf(answer));
      if (Number(start) === part.size && (known === undefined || total === undefined || total === known) && !other) {
        await this.options.makeRoom?.((total ?? known ?? part.size) - part.size);
        return total ?? known;
      }
      await part.restart();
      throw new Passing(`${host} sent another part of the file than was asked for`);
    }
    if (status === 416 && part.size > 0) {
      const total = Number(/^bytes \*\/(\d+)$/.exec(answer.header('content-range') ?? '')?.[1]);
      if (total === part.size && expected === undefined) return 'complete';
      await part.restart();
      throw new Passing(`${host} no longer has the part of the file that was asked for`);
    }
    if (status !== 200) throw this.refusal(answer);
    if (/^\s*text\/html/i.test(answer.header('content-type') ?? '')) {
      throw new Hopeless(
        `${this.shownUrl} answers with a web page instead of the file: it has moved, or a login page of your network stands in between.`,
      );
    }
    const encoding = answer.header('content-encoding');
    if (encoding !== undefined && encoding !== 'identity') {
      throw new Hopeless(`${this.shownUrl} sends the file compressed (${encoding}), although it was asked not to.`);
    }
    const length = answer.header('content-length');
    const total = length === undefined ? undefined : Number(length);
    if (expected !== undefined && total !== undefined && total !== expected) {
      throw new Hopeless(`${this.shownUrl} has another file: expected ${expected} bytes, found ${total}.`);
    }
    // The whole file comes: nothing of an earlier one may stay.
    const size = expected ?? total;
    await this.options.makeRoom?.(size === undefined ? 0 : size - part.size);
    const validator = validatorOf(answer);
    const origin: PartOrigin = {
      url: this.url,
      ...(validator !== undefined && { validator }),
      ...(total !== undefined && { total }),
    };
    await part.restart(origin);
    this.pieced = false;
    return total;
  }

  private refusal(answer: Answer): Error {
    const { status } = answer;
    const { host } = new URL(this.url);
    if (PASSING_STATUS.has(status)) {
      const asked = retryAfterMs(answer.header('retry-after'));
      // Nobody wants to watch a program wait for an hour.
      const tooLong = asked !== undefined && asked > 4 * this.patience.longestPauseMs;
      if (tooLong)
        return new Hopeless(`${host} is busy and asks to come back in ${Math.ceil(asked / 1000)} s (HTTP ${status}).`);
      return new Passing(`${host} answers ${status}`, asked);
    }
    if (status === 404 || status === 410) {
      return new Hopeless(
        `${this.shownUrl} does not exist (HTTP ${status}): the file has moved, or the mirror lacks it.`,
      );
    }
    if (status === 401 || status === 403)
      return new Hopeless(`${this.shownUrl} may not be read (HTTP ${status}): it asks for a login.`);
    if (status === 407) return new Hopeless(`The proxy asks for a password (HTTP 407).`);
    return new Hopeless(`${this.shownUrl} answers HTTP ${status} instead of the file.`);
  }

  /** Why a request got no answer. */
  private unreachable(error: unknown, url: URL, watch: Watch): unknown {
    this.signal.throwIfAborted();
    if (watch.stalled) return watch.complaint(url);
    if (error instanceof UserError) return error;
    if (isCertificateError(error)) {
      const why = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
      return new Hopeless(
        `The certificate of ${url.host} is not trusted (${why}): where your network has an authority of its own, name its PEM file with --ca-file or the variable NODE_EXTRA_CA_CERTS.`,
        { cause: error },
      );
    }
    const { sentence, passing } = networkReason(error, url, this.network.proxyNameFor(url));
    if (passing || this.answered) return new Passing(sentence);
    return new Hopeless(`${basename(this.file.path)} cannot be downloaded: ${sentence}.`, { cause: error });
  }

  /** Errors while the body comes. */
  private judged(error: unknown, watch: Watch): unknown {
    this.signal.throwIfAborted();
    if (watch.stalled) return watch.complaint(new URL(this.url));
    if (error instanceof Passing || error instanceof UserError) return error;
    return new Passing(networkReason(error, new URL(this.url), undefined).sentence);
  }
}

/** Aborts a request that brings nothing for too long. */
class Watch {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  readonly signal: AbortSignal;
  stalled = false;

  constructor(
    private readonly stallMs: number,
    cancelled: AbortSignal,
  ) {
    this.signal = AbortSignal.any([cancelled, this.controller.signal]);
    this.timer = setTimeout(() => {
      this.stalled = true;
      this.controller.abort(new Error('stalled'));
    }, stallMs);
  }

  touch(): void {
    this.timer.refresh();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  complaint({ host }: URL): Passing {
    return new Passing(`${host} sent nothing for ${this.stallMs / 1000} s`);
  }
}

/** What If-Range takes: a strong ETag, else the time of the last change. */
function validatorOf(answer: Answer): string | undefined {
  const etag = answer.header('etag');
  return etag?.startsWith('"') ? etag : answer.header('last-modified');
}

/** Both are known, of one kind, and not the same. */
const differs = (a: string | undefined, b: string | undefined): boolean =>
  a !== undefined && b !== undefined && a.startsWith('"') === b.startsWith('"') && a !== b;

/** Milliseconds from a Retry-After header: seconds, or a date. */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
