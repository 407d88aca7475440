/** `ap-medsam cache info | clear`: tokens and image embeddings on disk. */
import { TensorCache } from '../engine/cache';
import { type Command, EXIT } from './command';
import { jsonOption } from './options';

/** Size cap of the cache: some hundred embeddings of the embedded family, and room for references. */
export const CACHE_BYTES = 2 * 1024 ** 3;

export const cacheInfo: Command = {
  name: 'cache info',
  summary: 'what the cache of tokens and embeddings holds',
  usage: '[options]',
  description: ['The cache keeps references, and images that are likely to be opened next; the oldest go first.'],
  options: { json: jsonOption },
  examples: ['ap-medsam cache info'],
  async run(args, { cacheDir, out }) {
    const info = await new TensorCache(cacheDir, CACHE_BYTES).info();
    const { dir, entries, bytes, capBytes } = info;
    if (args.flag('json')) out(JSON.stringify(info));
    else
      out(`${entries} entries, ${(bytes / 1e6).toFixed(1)} MB of at most ${(capBytes / 1e6).toFixed(0)} MB in ${dir}`);
    return EXIT.done;
  },
};

export const cacheClear: Command = {
  name: 'cache clear',
  summary: 'empty the cache; everything in it can be computed again',
  usage: '',
  description: ['Removes every entry, and nothing else that may lie in the folder.'],
  options: {},
  examples: ['ap-medsam cache clear'],
  async run(_, { cacheDir, out }) {
    const cache = new TensorCache(cacheDir, CACHE_BYTES);
    const { entries, bytes } = await cache.info();
    await cache.clear();
    out(`Removed ${entries} entries, ${(bytes / 1e6).toFixed(1)} MB.`);
    return EXIT.done;
  },
};
