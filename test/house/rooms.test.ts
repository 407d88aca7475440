import { describe, expect, it } from 'vitest';
import { HOUSES, roomOffences } from './rooms';
import { sourcesFrom } from './sources';

describe('the rules of rooms', () => {
  const check = (files: Record<string, string>) => roomOffences(sourcesFrom(files));

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
    ['onnxruntime outside onnxRuntime', 'src/engine/a.ts', "import { Tensor } from 'onnxruntime-node';"],
    ['onnxruntime subpath', 'src/cli.ts', "import { Tensor } from 'onnxruntime-node/dist/backend';"],
    ['sharp outside libvips', 'src/engine/runtime/sessions.ts', "import sharp from 'sharp';"],
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
    ['views -> engine adapter', 'src/views/a.ts', "import { b } from '../engine/imagePixels';"],
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
    ['onnxRuntime', 'src/engine/runtime/onnxRuntime.ts', "import * as ort from 'onnxruntime-node';"],
    ['libvips', 'src/engine/pictures/libvips.ts', "import sharp from 'sharp';"],
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

  it('reports one name in two houses, but not entry points', () => {
    expect(check({ 'src/core/pixels/mask.ts': '', 'src/formats/mask.ts': '' })).toEqual([
      "src/core/pixels/mask.ts and src/formats/mask.ts: 'mask' in two houses",
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

describe('the rules of inner rooms', () => {
  const check = (files: Record<string, string>) => roomOffences(sourcesFrom(files));

  it.each([
    ['pixels -> tokens', 'src/core/pixels/a.ts', "import type { B } from '../tokens/b';"],
    ['tokens -> drawing', 'src/core/tokens/a.ts', "import { b } from '../drawing/b';"],
    ['the top of core -> pixels', 'src/core/a.ts', "import { b } from './pixels/b';"],
    ['a strategy -> another', 'src/core/strategies/one/a.ts', "import { b } from '../two/b';"],
    ['what strategies share -> one of them', 'src/core/strategies/a.ts', "import { b } from './one/b';"],
    ['a strategy -> the list of them', 'src/core/strategies/one/a.ts', "import { b } from '../index';"],
    ['runtime -> pictures', 'src/engine/runtime/a.ts', "import { b } from '../pictures/b';"],
    ['images -> the top of the engine', 'src/engine/images/a.ts', "import { b } from '../engine';"],
    ['files -> journal', 'src/dataset/files/a.ts', "import { b } from '../journal/b';"],
    ['review -> batch', 'src/dataset/review/a.ts', "import { b } from '../batch/b';"],
    ['canvas -> tools', 'webview/canvas/a.ts', "import { b } from '../tools/b';"],
    ['tools -> the page', 'webview/tools/a.ts', "import { b } from '../editorPage';"],
    ['a room without rules', 'src/core/attic/a.ts', "import { b } from '../pixels/b';"],
    ['a room within a room', 'webview/canvas/layers/a.ts', "import { b } from '../sheet';"],
  ])('reports %s', (_, file, source) => {
    expect(check({ [file]: source })).toEqual([expect.stringContaining(file)]);
  });

  it.each([
    [
      'tokens -> pixels and top',
      'src/core/tokens/a.ts',
      "import { b } from '../pixels/b';\nimport { c } from '../geometry';",
    ],
    ['a strategy -> what strategies share', 'src/core/strategies/one/a.ts', "import { b } from '../strategy';"],
    [
      'the list of strategies -> each',
      'src/core/strategies/index.ts',
      "import { b } from './one/b';\nimport './strategy';",
    ],
    ['the top of the engine -> images', 'src/engine/a.ts', "import { b } from './images/b';"],
    ['the page -> all', 'webview/editorPage.ts', "import './canvas/a';\nimport './tools/b';"],
    ['another house -> a room', 'src/dataset/files/a.ts', "import { b } from '../../core/strategies/one/b';"],
  ])('accepts %s', (_, file, source) => {
    expect(check({ [file]: source })).toEqual([]);
  });

  it('reports circles of rooms and houses whose files have none', () => {
    const files = {
      'src/config.ts': "import { a } from './projects';",
      'src/projects.ts': "import { b } from './dispose';",
      'src/extension/a.ts': "import { b } from '../other/b';",
      'src/other/b.ts': '',
      'src/other/c.ts': "import { d } from '../extension/d';",
      'src/extension/d.ts': '',
    };
    expect(check(files).filter((offence) => offence.includes('circular'))).toEqual([
      'extension -> other -> extension: circular import',
    ]);
  });

  it('have no circle among themselves', () => {
    for (const { rooms = {} } of Object.values(HOUSES)) {
      const below = (room: string, seen: readonly string[]): void => {
        expect(seen).not.toContain(room);
        for (const next of rooms[room] ?? []) below(next, [...seen, room]);
      };
      for (const room of Object.keys(rooms)) below(room, []);
    }
  });
});
