/** The package of the CUDA providers through the network of model downloads: resume, retries, mirror, proxy, certificates. */

import { fetchFile, type Patience } from '../models/fileDownload';
import { Network } from '../models/network';
import { placePart } from '../models/partFile';
import type { NetworkSettings } from '../protocol/modelApi';
import type { FetchFile } from './cudaSupport';

/** Belongs into a process that may be busy, never into the extension host. */
export const fetchThrough =
  (settings: NetworkSettings, patience?: Patience): FetchFile =>
  async (url, target, { signal, onProgress, sha256 }) => {
    const network = await Network.open(settings);
    try {
      await fetchFile({ path: target, urls: network.placesOf(url), sha256 }, network, {
        signal,
        ...(onProgress && { onBytes: onProgress }),
        ...(patience && { patience }),
      });
      await placePart(target);
    } finally {
      await network.close();
    }
  };
