/** The import directions and file names of the house style, checked on the sources as text. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/** Path from the repository root with forward slashes -> source text. */
type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly file: string;
  /** As written, such as './mask' or 'sharp'. */
  readonly specifier: string;
  /** Path of the file meant, without extension, where the specifier is relative; else the package name. */
  readonly target: string;
  readonly relative: boolean;
  /** `import type` or `export type`: nothing is left of it at run time. */
  readonly typeOnly: boolean;
}

const CODE = /\.[cm]?tsx?$/;

/** Static imports, re-exports, dynamic imports and requires of one file. */
function importsOf(file: string, source: string): Import[] {
  // Comments go first, and strings are matched with them so that '//' inside a string is not one.
  const code = source.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_, text: string | undefined) => text ?? ' ',
  );
  const found: [specifier: string, typeOnly: boolean][] = [];
  for (const match of code.matchAll(/^\s*(?:import|export)\s+(type\s+)?[\w*{][^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm)) {
    // In `import type from 'x'` the word is a name.
    found.push([match[2], match[1] !== undefined && !/^\s*import\s+type\s+from/.test(match[0])]);
  }
  for (const match of code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm)) found.push([match[1], false]);
  for (const match of code.matchAll(/\b(?:import|require|require\.resolve)\s*\(\s*['"`]([^'"`]+)['"`]/g)) {
    found.push([match[1], false]);
  }
  return found.map(([specifier, typeOnly]) => {
    const relative = specifier.startsWith('.');
    const target = relative
      ? path.posix.join(path.posix.dirname(file), specifier).replace(/\.(?:[cm]?[jt]sx?)$/, '')
      : packageName(specifier);
    return { file, specifier, target, relative, typeOnly };
  });
}

function packageName(specifier: string): string {
  if (specifier.startsWith('node:') || builtinModules.includes(specifier.split('/')[0])) return 'node';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * `src/core/pixels/mask` -> core; `src/protocol/engineApi` -> protocol; `webview/main` -> webview; a package -> its
 * name.
 */
function roomOf({ target, relative }: { target: string; relative: boolean }): string {
  if (!relative) return target;
  const [top, second] = target.split('/');
  return top === 'src' && second !== undefined ? second : top;
}

const roomOfFile = (file: string): string => roomOf({ target: file.replace(CODE, ''), relative: true });

/** Rooms and packages that each room may import, besides itself; rooms not listed are free but for the rules below. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: ['core'],
  rpc: [],
  processes: ['rpc', 'node'],
  disk: ['core', 'node'],
  dataset: ['core', 'protocol', 'formats', 'disk', 'node', 'zod'],
  formats: ['core', 'node', 'zod'],
  models: ['core', 'protocol', 'disk', 'node', 'undici', 'zod'],
  devices: ['core', 'protocol', 'processes', 'disk', 'models', 'node', 'yauzl', 'zod'],
  engine: [
    'core',
    'protocol',
    'rpc',
    'processes',
    'disk',
    'formats',
    'models',
    'devices',
    'node',
    'onnxruntime-node',
    'sharp',
  ],
  engineClient: ['core', 'protocol', 'rpc', 'processes', 'devices', 'node'],
  downloads: ['core', 'protocol', 'rpc', 'processes', 'models', 'devices', 'node'],
  webview: ['protocol', 'rpc', 'core', '@vscode/webview-ui-toolkit'],
};

/** Packages that a single file imports. */
const ONLY_IN: Readonly<Record<string, string>> = {
  'onnxruntime-node': 'src/engine/runtime/sessions.ts',
  sharp: 'src/engine/pictures/imageIo.ts',
  '@vscode/webview-ui-toolkit': 'webview/controls/toolkit.ts',
  undici: 'src/models/network.ts',
  yauzl: 'src/devices/cudaSupport.ts',
};

/**
 * Of rooms that work in processes of their own, the only files that the extension's rooms and the batch process may
 * import: none loads a native library, and none downloads.
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
const FRONT_ROOMS = ['editor', 'views', 'commands', 'runner'];

/**
 * Rooms that open files of folders from anywhere: only by `src/disk`, whose rules keep a stranger's folder harmless.
 */
const GUARDED_ROOMS = ['dataset', 'views', 'commands', 'runner'];

/** What these may import from Node's file system themselves: looks, which open nothing. Samples are our own files. */
const LOOKS = ['stat', 'lstat', 'constants'];
const OWN_FILES = ['src/commands/samples.ts'];

/** Words that say nothing about what a file holds. */
const EMPTY_NAMES = ['utils', 'util', 'helpers', 'helper', 'common', 'misc'];

/** Entry points are named alike in every room. */
const ENTRY_NAMES = ['main', 'index'];

/** One sentence per offence, each naming the file and the import. */
function violations(sources: Sources): string[] {
  const files = [...sources.keys()].filter((file) => CODE.test(file));
  const imports = files.flatMap((file) => importsOf(file, sources.get(file) ?? ''));
  const opened = files.flatMap((file) => openingViolations(file, sources.get(file) ?? ''));
  return [...imports.flatMap(importViolations), ...opened, ...nameViolations(files), ...cycles(files, imports)];
}

/** Functions of Node's file system that a guarded room would call past `src/disk`. */
function openingViolations(file: string, source: string): string[] {
  if (!GUARDED_ROOMS.includes(roomOfFile(file)) || OWN_FILES.includes(file)) return [];
  const found = source.matchAll(
    /^import\s+(?!type\b)(?:\{([^}]*)\}|[^'"{]*)\s*from\s*['"](node:fs(?:\/promises)?)['"]/gm,
  );
  return [...found].flatMap(([, names, specifier]) => {
    const values = names?.split(',').map((name) => name.trim()) ?? ['*'];
    const opening = values.filter((name) => name !== '' && !name.startsWith('type ') && !LOOKS.includes(name));
    return opening.map((name) => `${file} imports '${specifier}': ${name} opens files past src/disk`);
  });
}

function importViolations(imported: Import): string[] {
  const { file, specifier, target, typeOnly } = imported;
  const from = roomOfFile(file);
  const to = roomOf(imported);
  const offences: string[] = [];
  const report = (rule: string) => offences.push(`${file} imports '${specifier}': ${rule}`);

  const allowed = ALLOWED[from];
  // rpc carries the types of others but runs nothing of theirs; its one value is the error fit to show.
  const excused = from === 'rpc' && (typeOnly || target === 'src/core/userError');
  if (allowed && from !== to && !allowed.includes(to) && !excused) {
    report(`${from} imports only ${[from, ...allowed].join(', ')}`);
  }
  if (from === 'protocol' && to === 'core' && !typeOnly) report('protocol imports core with `import type` only');
  const owner = ONLY_IN[to];
  if (owner !== undefined && !imported.relative && file !== owner) report(`only ${owner} imports ${to}`);
  const fronts = FRONTS[to];
  if (FRONT_ROOMS.includes(from) && fronts && !fronts.includes(target)) {
    report(`${from} imports no file of ${to}${fronts.length > 0 ? ` but ${fronts.join(', ')}` : ''}`);
  }
  return offences;
}

function nameViolations(files: readonly string[]): string[] {
  const offences: string[] = [];
  const roomsOf = new Map<string, string[]>();
  for (const file of files) {
    const name = path.posix.basename(file).replace(CODE, '');
    if (EMPTY_NAMES.includes(name.toLowerCase())) offences.push(`${file}: say what the file holds, not '${name}'`);
    if (!ENTRY_NAMES.includes(name)) roomsOf.set(name, [...(roomsOf.get(name) ?? []), file]);
  }
  for (const [name, where] of roomsOf) {
    if (new Set(where.map(roomOfFile)).size > 1) offences.push(`${where.join(' and ')}: '${name}' in two rooms`);
  }
  return offences;
}

/** Circles among the files, types included: a circle of types is as hard to read as one of values. */
function cycles(files: readonly string[], imports: readonly Import[]): string[] {
  const byPath = new Map(files.map((file) => [file.replace(CODE, ''), file]));
  const next = new Map<string, string[]>(files.map((file) => [file, []]));
  for (const { file, target, relative } of imports) {
    const to = relative ? (byPath.get(target) ?? byPath.get(`${target}/index`)) : undefined;
    if (to !== undefined) next.get(file)?.push(to);
  }
  const offences: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file);
    if (start >= 0) {
      offences.push(`${[...trail.slice(start), file].join(' -> ')}: circular import`);
      return;
    }
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...trail, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return offences;
}

function readSources(root: string, folders: readonly string[]): Sources {
  const sources = new Map<string, string>();
  for (const folder of folders) {
    if (!existsSync(path.join(root, folder))) continue;
    for (const entry of readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !CODE.test(entry.name)) continue;
      const full = path.join(entry.parentPath, entry.name);
      sources.set(path.relative(root, full).split(path.sep).join('/'), readFileSync(full, 'utf8'));
    }
  }
  return sources;
}

describe('the sources', () => {
  const sources = readSources(path.join(import.meta.dirname, '..'), ['src', 'webview']);

  it('are found', () => {
    expect([...sources.keys()]).toContain('src/core/pixels/mask.ts');
    expect(
      importsOf('src/core/pixels/mask.ts', sources.get('src/core/pixels/mask.ts') ?? '').map((i) => i.target),
    ).toContain('src/core/geometry');
  });

  it('keep the house rules', () => {
    expect(violations(sources)).toEqual([]);
  });
});

describe('the checker', () => {
  const check = (files: Record<string, string>) => violations(new Map(Object.entries(files)));

  it.each([
    ['core -> Node', 'src/core/a.ts', "import { readFileSync } from 'node:fs';"],
    ['core -> Node without prefix', 'src/core/a.ts', "import fs from 'fs/promises';"],
    ['core -> vscode types', 'src/core/strategies/a.ts', "import type { Uri } from 'vscode';"],
    ['core -> protocol', 'src/core/a.ts', "export type { EngineApi } from '../protocol/engineApi';"],
    ['core -> engine from a subfolder', 'src/core/strategies/a.ts', "import { b } from '../../engine/b';"],
    ['protocol -> core values', 'src/protocol/a.ts', "import { area } from '../core/geometry';"],
    ['protocol -> Node', 'src/protocol/a.ts', "import type { Readable } from 'node:stream';"],
    ['rpc -> values of core', 'src/rpc.ts', "import { area } from './core/geometry';"],
    ['dataset -> engine', 'src/dataset/a.ts', "import { Session } from '../engine/runtime/sessions';"],
    ['dataset -> vscode', 'src/dataset/a.ts', "const v = require('vscode');"],
    ['dataset -> sharp', 'src/dataset/a.ts', "const sharp = await import('sharp');"],
    ['dataset -> rpc', 'src/dataset/a.ts', "import '../rpc';"],
    ['dataset -> opening files', 'src/dataset/a.ts', "import { readFile, stat } from 'node:fs/promises';"],
    ['dataset -> all of the file system', 'src/dataset/a.ts', "import * as fs from 'node:fs';"],
    ['formats -> dataset', 'src/formats/a.ts', "import { b } from '../dataset/b';"],
    ['webview -> Node', 'webview/a.ts', "import path from 'node:path';"],
    ['webview -> host', 'webview/a.ts', "import { b } from '../src/editor/b';"],
    ['webview -> toolkit elsewhere', 'webview/a.ts', "import { button } from '@vscode/webview-ui-toolkit';"],
    ['engine -> vscode', 'src/engine/a.ts', "import * as vscode from 'vscode';"],
    ['engine -> dataset', 'src/engine/a.ts', "import type { Journal } from '../dataset/journal';"],
    ['engine -> editor', 'src/engine/a.ts', "import { b } from '../editor/b';"],
    ['onnxruntime outside sessions', 'src/engine/a.ts', "import { Tensor } from 'onnxruntime-node';"],
    ['onnxruntime subpath', 'src/cli.ts', "import { Tensor } from 'onnxruntime-node/dist/backend';"],
    ['sharp outside imageIo', 'src/engine/runtime/sessions.ts', "import sharp from 'sharp';"],
    ['models -> engine', 'src/models/a.ts', "import type { Session } from '../engine/sessions';"],
    ['models -> vscode', 'src/models/a.ts', "import * as vscode from 'vscode';"],
    ['devices -> engine', 'src/devices/a.ts', "import { Session } from '../engine/sessions';"],
    ['models -> devices', 'src/models/a.ts', "import { deviceTitles } from '../devices/devices';"],
    ['downloads -> engine', 'src/downloads/a.ts', "import { EngineClient } from '../engine/runtime/sessions';"],
    ['yauzl outside CUDA support', 'src/devices/machine.ts', "import { open } from 'yauzl';"],
    ['commands -> downloads that run', 'src/commands/a.ts', "import { fetchThrough } from '../devices/cudaDownload';"],
    ['undici outside network', 'src/models/modelStore.ts', "const { request } = await import('undici');"],
    ['views -> downloads that run', 'src/views/a.ts', "import { downloadModel } from '../models/modelDownload';"],
    ['commands -> imports that hash', 'src/commands/a.ts', "import { importModel } from '../models/modelImport';"],
    ['editor -> engine adapter', 'src/editor/a.ts', "import { b } from '../engine/segmenters';"],
    ['views -> engine adapter', 'src/views/a.ts', "import { b } from '../engine/imageIo';"],
    ['commands -> engine adapter', 'src/commands.ts', "import { b } from './engine/main';"],
    ['several lines', 'src/core/a.ts', "import {\n  a,\n  b,\n} from 'vscode';"],
    ['double quotes', 'src/core/a.ts', 'import { a } from "vscode";'],
    ['after a comment with a quote', 'src/core/a.ts', "// don't\nimport { a } from 'vscode';"],
  ])('reports %s', (_, file, source) => {
    const offences = check({ [file]: source });
    expect(offences.length).toBeGreaterThan(0);
    for (const offence of offences) {
      expect(offence).toContain(file);
      expect(offence).toContain(/['"]([^'"\n]+)['"](?!.*['"])/.exec(source.replace(/^\/\/.*$/m, ''))?.[1]);
    }
  });

  it.each([
    ['core -> core', 'src/core/strategies/a.ts', "import { area } from '../geometry';"],
    ['a comment', 'src/core/a.ts', "// import { a } from 'vscode';\n/* import b from 'sharp'; require('sharp') */"],
    ['a string', 'src/core/a.ts', "const url = 'https://x'; const word = 'import';"],
    ['protocol -> core types', 'src/protocol/a.ts', "import type { Size } from '../core/geometry';"],
    [
      'rpc -> UserError and types',
      'src/rpc.ts',
      "import { UserError } from './core/userError';\nimport type { A } from './protocol/engineApi';",
    ],
    [
      'dataset',
      'src/dataset/a.ts',
      "import * as z from 'zod';\nimport { b } from '../formats/b';\nimport os from 'os';",
    ],
    ['formats', 'src/formats/a.ts', "import * as z from 'zod';\nimport { deflate } from 'node:zlib';"],
    [
      'webview',
      'webview/a.ts',
      "import './style.css';\nimport { connect } from '../src/rpc';\nimport { x } from './x';",
    ],
    ['toolkit', 'webview/controls/toolkit.ts', "import { button } from '@vscode/webview-ui-toolkit';"],
    ['sessions', 'src/engine/runtime/sessions.ts', "import * as ort from 'onnxruntime-node';"],
    ['imageIo', 'src/engine/pictures/imageIo.ts', "import sharp from 'sharp';"],
    [
      'editor -> client',
      'src/editor/a.ts',
      "import { EngineClient } from '../engineClient/client';\nimport * as vscode from 'vscode';",
    ],
    [
      'views -> model store',
      'src/views/a.ts',
      "import type { ModelStore } from '../models/modelStore';\nimport { a } from '../models/families';",
    ],
    [
      'composition root',
      'src/cli.ts',
      "import { Pool } from './engineClient/pool';\nimport { run } from './dataset/batch';",
    ],
  ])('accepts %s', (_, file, source) => {
    expect(check({ [file]: source })).toEqual([]);
  });

  it('reports names that say nothing', () => {
    expect(check({ 'src/core/utils.ts': '', 'webview/Helpers.ts': '', 'src/engine/common.ts': '' })).toEqual([
      "src/core/utils.ts: say what the file holds, not 'utils'",
      "webview/Helpers.ts: say what the file holds, not 'Helpers'",
      "src/engine/common.ts: say what the file holds, not 'common'",
    ]);
  });

  it('reports one name in two rooms, but not entry points', () => {
    expect(check({ 'src/core/pixels/mask.ts': '', 'src/formats/mask.ts': '' })).toEqual([
      "src/core/pixels/mask.ts and src/formats/mask.ts: 'mask' in two rooms",
    ]);
    expect(check({ 'src/engine/main.ts': '', 'webview/main.ts': '' })).toEqual([]);
  });

  it('reports circles, of types too, and of one file with itself', () => {
    expect(
      check({
        'src/core/a.ts': "import { b } from './b';",
        'src/core/b.ts': "import type { c } from './c.js';",
        'src/core/c.ts': "export * from './a';",
      }),
    ).toEqual(['src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts: circular import']);
    expect(check({ 'src/core/a.ts': "import { a } from './a';" })).toEqual([
      'src/core/a.ts -> src/core/a.ts: circular import',
    ]);
    expect(check({ 'src/core/a.ts': "import { b } from './b';", 'src/core/b.ts': '' })).toEqual([]);
  });
});
