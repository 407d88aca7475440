/** Which room may import which, and what a file may be called. */
import path from 'node:path';
import { fileFinder, type Import, type Source, withoutExtension } from './sources';

/** A folder of `src`, a file beside them, or the page in the editor's view. */
interface House {
  /** Other houses and packages that its files may import; left out where they are free but for the rules below. */
  readonly imports?: readonly string[];
  /**
   * Its inner rooms -> inner rooms that each may import besides itself. '' has the files outside all of them. 'a/*'
   * means each room inside 'a', which are strangers to each other; 'a/index' is the file that lists them.
   */
  readonly rooms?: Readonly<Record<string, readonly string[]>>;
}

export const HOUSES: Readonly<Record<string, House>> = {
  core: {
    imports: [],
    rooms: {
      '': [],
      pixels: [''],
      pixelPrior: ['', 'pixels'],
      maskFiles: ['', 'pixels'],
      drawing: ['', 'pixels'],
      tokens: ['', 'pixels'],
      prompting: ['', 'pixels', 'tokens'],
      strategies: ['', 'pixels', 'pixelPrior', 'tokens', 'prompting'],
      'strategies/*': ['', 'pixels', 'pixelPrior', 'tokens', 'prompting', 'strategies'],
      'strategies/index': ['strategies', 'strategies/*'],
    },
  },
  protocol: { imports: ['core'] },
  rpc: { imports: [] },
  processes: { imports: ['rpc', 'node'] },
  disk: { imports: ['core', 'node'] },
  formats: { imports: ['core', 'node', 'zod'] },
  models: { imports: ['core', 'protocol', 'disk', 'node', 'undici', 'zod'] },
  devices: { imports: ['core', 'protocol', 'processes', 'disk', 'models', 'node', 'yauzl', 'zod'] },
  dataset: {
    imports: ['core', 'protocol', 'formats', 'disk', 'node', 'zod'],
    rooms: {
      files: [],
      journal: ['files'],
      project: ['files', 'journal'],
      commits: ['files', 'journal', 'project'],
      batch: ['files', 'journal', 'project', 'commits'],
      review: ['files', 'journal', 'project'],
      '': ['files', 'journal', 'project', 'review'],
    },
  },
  engine: {
    imports: [
      ...['core', 'protocol', 'rpc', 'processes', 'disk', 'formats', 'models', 'devices'],
      ...['node', 'onnxruntime-node', 'sharp'],
    ],
    rooms: {
      runtime: [],
      pictures: ['runtime'],
      matching: ['runtime'],
      encoders: ['runtime', 'matching'],
      segmenters: ['runtime', 'encoders'],
      models: ['runtime', 'encoders', 'segmenters'],
      images: ['runtime', 'pictures', 'encoders', 'segmenters', 'models'],
      '': ['runtime', 'pictures', 'matching', 'models', 'images'],
    },
  },
  engineClient: { imports: ['core', 'protocol', 'rpc', 'processes', 'devices', 'node'] },
  downloads: { imports: ['core', 'protocol', 'rpc', 'processes', 'models', 'devices', 'node'] },
  runner: { imports: ['core', 'protocol', 'rpc', 'processes', 'devices', 'dataset', 'engineClient', 'node'] },
  cli: {
    imports: [
      ...['core', 'protocol', 'disk', 'formats', 'models', 'devices', 'dataset', 'engine', 'engineClient'],
      ...['node', 'package.json'],
    ],
  },
  dispose: { imports: [] },
  config: { imports: ['core', 'protocol', 'devices', 'node', 'vscode'] },
  projects: { imports: ['protocol', 'dataset', 'dispose', 'node', 'vscode'] },
  editor: {
    imports: [
      ...['core', 'protocol', 'rpc', 'disk', 'devices', 'dataset', 'engineClient', 'dispose', 'projects'],
      ...['node', 'vscode', 'zod'],
    ],
    rooms: {
      document: [],
      engines: [],
      image: ['document'],
      page: [],
      unsaved: ['document'],
      '': ['document', 'engines', 'image', 'page', 'unsaved'],
    },
  },
  views: {
    imports: [
      ...['core', 'protocol', 'models', 'dataset', 'downloads', 'dispose', 'projects', 'editor'],
      ...['node', 'vscode'],
    ],
  },
  commands: {
    imports: [
      ...['core', 'protocol', 'disk', 'formats', 'models', 'devices', 'dataset', 'downloads', 'runner', 'dispose'],
      ...['projects', 'editor', 'views', 'node', 'vscode'],
    ],
  },
  webview: {
    imports: ['protocol', 'rpc', 'core', '@vscode/webview-ui-toolkit'],
    rooms: {
      canvas: [],
      document: ['canvas'],
      tools: ['canvas', 'document'],
      controls: ['canvas', 'document'],
      '': ['canvas', 'document', 'tools', 'controls'],
    },
  },
};

/** Packages that a single file imports. */
const ONLY_IN: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'src/engine/runtime/onnxRuntime.ts',
  sharp: 'src/engine/pictures/libvips.ts',
  '@vscode/webview-ui-toolkit': 'webview/controls/toolkit.ts',
  undici: 'src/models/network.ts',
  yauzl: 'src/devices/cudaSupport.ts',
};

/**
 * Of houses that work in processes of their own, the only files that the extension's and the batch process may import:
 * none loads a native library, and none downloads.
 */
const FRONTS: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  models: ['src/models/families', 'src/models/modelDescription', 'src/models/modelState', 'src/models/modelStore'],
  devices: [
    'src/devices/devices',
    'src/devices/deviceAnswers',
    'src/devices/deviceProber',
    'src/devices/cudaSupport',
    'src/devices/machine',
  ],
};
const FRONT_HOUSES = ['editor', 'views', 'commands', 'runner'];

/** Houses that open files of folders from anywhere: only by `src/disk`, which keeps a stranger's folder harmless. */
const GUARDED_HOUSES = ['dataset', 'views', 'commands', 'runner'];

/** What these may import from Node's file system themselves: looks, which open nothing. Samples are our own files. */
const LOOKS = ['stat', 'lstat', 'constants'];
const OWN_FILES = ['src/commands/samples.ts'];

/** Words that say nothing about what a file holds. */
const EMPTY_NAMES = ['utils', 'util', 'helpers', 'helper', 'common', 'misc'];

/** Entry points, and files that list what their folder offers, are named alike everywhere. */
const ENTRY_NAMES = ['main', 'index'];

interface Place {
  readonly house: string;
  /** Inner room, in a house whose rooms are named; else ''. */
  readonly room: string;
}

/** `src/core/pixels/mask` is in room pixels of core, `src/cli` in house cli, `webview/main` in house webview. */
export function placeOf(target: string): Place {
  const folders = target.split('/');
  const name = folders.pop()!;
  if (folders[0] === 'src') folders.shift();
  const house = folders.shift() ?? name;
  const rooms = HOUSES[house]?.rooms;
  if (rooms === undefined) return { house, room: '' };
  const room = folders.join('/');
  return { house, room: `${room}/${name}` in rooms ? `${room}/${name}` : room };
}

/** `core/pixels`, `core`, `webview/canvas`: a room's name among all. */
const roomName = ({ house, room }: Place): string => (room === '' ? house : `${house}/${room}`);

/** One sentence per offence, each naming the file and the import. */
export function roomOffences(sources: readonly Source[]): string[] {
  const find = fileFinder(sources);
  return [
    ...sources.flatMap(({ imports }) => imports.flatMap((each) => importOffences(each, find(each)?.file))),
    ...sources.flatMap(openingOffences),
    ...nameOffences(sources),
    ...circles(sources),
  ];
}

function importOffences({ file, specifier, target, relative, typeOnly }: Import, found: string | undefined): string[] {
  const from = placeOf(withoutExtension(file));
  const to = relative ? placeOf(withoutExtension(found ?? target)) : { house: target, room: '' };
  const offences: string[] = [];
  const report = (rule: string) => offences.push(`${file} imports '${specifier}': ${rule}`);

  const { imports, rooms } = HOUSES[from.house] ?? {};
  // rpc carries the types of others but runs nothing of theirs; its one value is the error fit to show.
  const excused = from.house === 'rpc' && (typeOnly || target === 'src/core/userError');
  if (imports && from.house !== to.house && !imports.includes(to.house) && !excused) {
    report(`${from.house} imports only ${[from.house, ...imports].join(', ')}`);
  }
  if (rooms && from.house === to.house && from.room !== to.room) {
    const allowed = rooms[ruleFor(rooms, from.room)];
    if (allowed === undefined) report(`${roomName(from)} is not among the rooms of ${from.house}`);
    else if (!allowed.includes(to.room) && !allowed.includes(ruleFor(rooms, to.room))) {
      const others = allowed.map((room) => roomName({ house: from.house, room }));
      report(`${roomName(from)} imports of its house only ${[roomName(from), ...others].join(', ')}`);
    }
  }
  if (from.house === 'protocol' && to.house === 'core' && !typeOnly) {
    report('protocol imports core with `import type` only');
  }
  const owner = ONLY_IN[to.house];
  if (owner !== undefined && !relative && file !== owner) report(`only ${owner} imports ${to.house}`);
  const fronts = FRONTS[to.house];
  if (FRONT_HOUSES.includes(from.house) && fronts && !fronts.includes(target)) {
    report(`${from.house} imports no file of ${to.house}${fronts.length > 0 ? ` but ${fronts.join(', ')}` : ''}`);
  }
  return offences;
}

/** The entry of a house's rooms that a room comes under: its own, or that of each room inside another. */
const ruleFor = (rooms: NonNullable<House['rooms']>, room: string): string =>
  room in rooms ? room : `${path.posix.dirname(room)}/*`;

/** Functions of Node's file system that a guarded house would call past `src/disk`. */
function openingOffences({ file, imports }: Source): string[] {
  if (!GUARDED_HOUSES.includes(placeOf(withoutExtension(file)).house) || OWN_FILES.includes(file)) return [];
  return imports
    .filter(({ specifier, typeOnly }) => /^node:fs(?:\/promises)?$/.test(specifier) && !typeOnly)
    .flatMap(({ specifier, names }) =>
      names
        .filter(({ theirs, type }) => !type && !LOOKS.includes(theirs))
        .map(({ theirs }) => `${file} imports '${specifier}': ${theirs} opens files past src/disk`),
    );
}

function nameOffences(sources: readonly Source[]): string[] {
  const offences: string[] = [];
  const filesOf = new Map<string, string[]>();
  for (const { file } of sources) {
    const name = path.posix.basename(withoutExtension(file));
    if (EMPTY_NAMES.includes(name.toLowerCase())) offences.push(`${file}: say what the file holds, not '${name}'`);
    if (!ENTRY_NAMES.includes(name)) filesOf.set(name, [...(filesOf.get(name) ?? []), file]);
  }
  for (const [name, files] of filesOf) {
    const houses = new Set(files.map((file) => placeOf(withoutExtension(file)).house));
    if (houses.size > 1) offences.push(`${files.join(' and ')}: '${name}' in two houses`);
  }
  return offences;
}

/** Arrows between things: from -> to. */
export type Arrows = ReadonlyMap<string, ReadonlySet<string>>;

/** What imports what, types included, of files or of what `name` makes of them. */
export function arrowsOf(sources: readonly Source[], name: (file: string) => string): Arrows {
  const find = fileFinder(sources);
  const arrows = new Map<string, Set<string>>(sources.map(({ file }) => [name(file), new Set()]));
  for (const { file, imports } of sources) {
    for (const to of imports.map(find)) if (to !== undefined) arrows.get(name(file))?.add(name(to.file));
  }
  return arrows;
}

export const roomOfFile = (file: string): string => roomName(placeOf(withoutExtension(file)));
export const houseOfFile = (file: string): string => placeOf(withoutExtension(file)).house;

/** Circles of files, of rooms and of houses. One of types is as hard to read as one of values. */
function circles(sources: readonly Source[]): string[] {
  const files = circlesIn(arrowsOf(sources, (file) => file));
  const others = [roomOfFile, houseOfFile].flatMap((name) => {
    const arrows = arrowsOf(sources, name);
    for (const [from, to] of arrows) (to as Set<string>).delete(from);
    return circlesIn(arrows);
  });
  return [...new Set([...files, ...others])].map((circle) => `${circle}: circular import`);
}

function circlesIn(arrows: Arrows): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (one: string, trail: readonly string[]): void => {
    const start = trail.indexOf(one);
    if (start >= 0) {
      found.push([...trail.slice(start), one].join(' -> '));
      return;
    }
    if (done.has(one)) return;
    for (const to of arrows.get(one) ?? []) visit(to, [...trail, one]);
    done.add(one);
  };
  for (const one of arrows.keys()) visit(one, []);
  return found;
}
