/** `ap-medsam cache info | clear`: what is kept on disk although it can be made again. */
import type { BoundedFolder } from '../disk/boundedFolder';
import { homeCacheDir } from '../disk/home';
import { TensorCache } from '../engine/images/cache';
import { openDisplayFolder } from '../engine/pictures/displayFolder';
import { type Command, EXIT } from './command';
import { jsonOption } from './options';

/**
 * Size cap of each of the two caches: some hundred embeddings of the embedded family and room for references; pictures
 * of some thousand images, or of some ten of 8000 x 8000.
 */
export const CACHE_BYTES = 2 * 1024 ** 3;

const caches = (home: string): [what: string, cache: Pick<BoundedFolder, 'info' | 'clear'>][] => [
  ['embeddings', new TensorCache(homeCacheDir(home), CACHE_BYTES)],
  ['pictures', openDisplayFolder(home, CACHE_BYTES)],
];

const megabytes = (bytes: number, digits = 1): string => `${(bytes / 1e6).toFixed(digits)} MB`;

export const cacheInfo: Command = {
  name: 'cache info',
  summary: 'what the caches hold: tokens and embeddings, and pictures for the editor',
  usage: '[options]',
  description: [
    'Embeddings: references, and images that are likely to be opened next. Pictures: what the editor shows of an image.',
    'In either cache, what was used longest ago goes first.',
  ],
  options: { json: jsonOption },
  examples: ['ap-medsam cache info'],
  async run(args, { home, out }) {
    for (const [what, cache] of caches(home)) {
      const info = await cache.info();
      const { dir, entries, bytes, capBytes } = info;
      if (args.flag('json')) out(JSON.stringify({ cache: what, ...info }));
      else out(`${what}: ${entries} entries, ${megabytes(bytes)} of at most ${megabytes(capBytes, 0)} in ${dir}`);
    }
    return EXIT.done;
  },
};

export const cacheClear: Command = {
  name: 'cache clear',
  summary: 'empty the caches; everything in them can be made again',
  usage: '',
  description: ['Removes every entry, and nothing else that may lie in the folders.'],
  options: {},
  examples: ['ap-medsam cache clear'],
  async run(_, { home, out }) {
    for (const [what, cache] of caches(home)) {
      const { entries, bytes } = await cache.info();
      await cache.clear();
      out(`Removed ${entries} entries of ${what}, ${megabytes(bytes)}.`);
    }
    return EXIT.done;
  },
};
