/** One file over HTTP, going on where an earlier attempt stopped. */
import { open, rename, stat } from 'node:fs/promises';
import { UserError } from '../core/userError';
import { explainWriteError } from '../disk/storageError';
import type { FetchFile } from './cudaSupport';

/** The part of a file that has arrived stands beside it under this ending. */
const PART = '.part';

export const fetchResumable: FetchFile = async (url, target, { signal, onProgress }) => {
  const part = `${target}${PART}`;
  const have = await sizeOf(part);
  const response = await fetch(url, {
    ...(signal && { signal }),
    // Compressed answers could not be resumed.
    headers: { 'accept-encoding': 'identity', ...(have > 0 && { range: `bytes=${have}-` }) },
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    const why = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    throw new UserError(`${url} cannot be reached: ${why}.`, { cause });
  });
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 416 && Number(range?.[2]) === have) {
    await rename(part, target);
    return;
  }
  if (response.status !== 200 && response.status !== 206) {
    throw new UserError(`${url} was answered with status ${response.status}.`);
  }
  const from = response.status === 206 && Number(range?.[1]) === have ? have : 0;
  if (response.status === 206 && from !== have)
    throw new UserError(`${url} was answered with another range than asked for.`);
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const total = Number.isFinite(length) ? from + length : undefined;
  let received = from;
  const file = await open(part, from > 0 ? 'a' : 'w').catch((error: unknown) => {
    throw explainWriteError(error, part);
  });
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      await file.write(chunk);
      received += chunk.length;
      onProgress?.(received, total);
    }
    await file.sync();
  } catch (error) {
    signal?.throwIfAborted();
    const explained = explainWriteError(error, part);
    if (explained !== error) throw explained;
    throw broken(url, received, total, error);
  } finally {
    await file.close();
  }
  if (total !== undefined && received < total) throw broken(url, received, total, undefined);
  await rename(part, target);
};

const broken = (url: string, received: number, total: number | undefined, cause: unknown): UserError =>
  new UserError(
    `The connection to ${url} ended after ${received} of ${total ?? 'unknown'} bytes: try again to go on from there.`,
    { cause },
  );

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );
