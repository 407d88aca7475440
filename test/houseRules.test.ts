/**
 * The rules of the house, held against the sources: who imports whom, what may be there at all, and how it is written.
 * Each rule is in a file of `test/house`, with what it reports and what it accepts in the test beside it.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { NO_ABLATION } from '../src/core/strategies/strategy';
import { wideComments } from './house/comments';
import { longFunctions } from './house/functions';
import { methodOffences } from './house/method';
import { unreached, unsharedExports } from './house/reach';
import { roomOffences } from './house/rooms';
import { readSources, type Source } from './house/sources';

const root = path.join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** What VS Code calls of its two entry points; the other bundles do what they do when they are loaded. */
const CALLED_BY_VSCODE = { 'src/extension.ts': ['activate', 'deactivate'] };

describe('the sources', () => {
  let product: readonly Source[];
  let others: readonly Source[];
  let entries: Readonly<Record<string, readonly string[]>>;
  beforeAll(() => {
    product = readSources(root, ['src', 'webview']);
    others = readSources(root, ['test', 'scripts']);
    const bundled = [...read('esbuild.mjs').matchAll(/entryPoints: \['([^']+)'\]/g)].map(([, file]) => [file, []]);
    entries = { ...Object.fromEntries(bundled), ...CALLED_BY_VSCODE };
  });

  it('are found, with their imports and entry points', () => {
    const mask = product.find(({ file }) => file === 'src/core/pixels/mask.ts');
    expect(mask?.imports.map(({ target }) => target)).toContain('src/core/geometry');
    expect(Object.keys(entries)).toEqual(expect.arrayContaining(['src/cli.ts', 'webview/main.ts']));
    for (const entry of Object.keys(entries)) expect(product.map(({ file }) => file)).toContain(entry);
  });

  it('import only what their room may', () => {
    expect(roomOffences(product)).toEqual([]);
  });

  it('hold nothing that only tests use', () => {
    expect(unreached(product, entries)).toEqual([]);
  });

  it('export nothing that no other file imports', () => {
    expect(unsharedExports(product, others, entries)).toEqual([]);
  });

  it('have short functions, or reasons', () => {
    expect(longFunctions(product)).toEqual([]);
  });

  it('have comments within the width of code', () => {
    expect(wideComments([...product, ...others])).toEqual([]);
  });

  it('call the stages of the method by their names', () => {
    const page = read('docs/method.md');
    expect(methodOffences(page, [...product, ...others], Object.keys(NO_ABLATION))).toEqual([]);
  });
});
