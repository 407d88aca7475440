/**
 * The package of the CUDA providers through the network of model downloads: resume, retries, mirror, proxy,
 * certificates.
 */

import { UserError } from '../core/userError';
import { fetchFile, type Patience } from '../models/fileDownload';
import { Network, withoutSecrets } from '../models/network';
import { placePart } from '../models/partFile';
import type { NetworkSettings } from '../protocol/modelApi';
import type { FetchFile } from './cudaSupport';

/** Belongs into a process that may be busy, never into the extension host. */
export const fetchThrough =
  (settings: NetworkSettings, patience?: Patience): FetchFile =>
  async (url, target, { signal, onProgress, sha256 }) => {
    const network = await Network.open(settings);
    try {
      const urls = network.placesOf(url);
      if (sha256 === undefined) urls.forEach(requireEncrypted);
      await fetchFile({ path: target, urls, sha256 }, network, {
        signal,
        ...(onProgress && { onBytes: onProgress }),
        ...(patience && { patience }),
      });
      await placePart(target);
    } finally {
      await network.close();
    }
  };

/**
 * Throws UserError for an address through which anybody on the way could send another package, none of which is pinned
 * yet.
 */
function requireEncrypted(url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:' || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return;
  throw new UserError(
    `${withoutSecrets(url)} is not encrypted, and no SHA-256 of the package is known yet: use an https address, or say with --sha256 what it must be.`,
  );
}
