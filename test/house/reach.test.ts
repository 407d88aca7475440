import { describe, expect, it } from 'vitest';
import { unreached, unsharedExports } from './reach';
import { sourcesFrom } from './sources';

const ENTRIES = { 'src/main.ts': ['activate'] };

describe('the rule of reach', () => {
  const check = (files: Record<string, string>) => unreached(sourcesFrom(files), ENTRIES);

  it('reports what only its own kind uses', () => {
    const files = {
      'src/main.ts': "import { used } from './a';\nused();",
      'src/a.ts': 'export function used() {}\nexport function dead() { return deader(); }\nconst deader = () => 1;',
      'src/b.ts': "import { used } from './a';\nexport type Alone = typeof used;",
    };
    expect(check(files)).toEqual([
      'src/a.ts: no entry point reaches dead',
      'src/a.ts: no entry point reaches deader',
      'src/b.ts: no entry point reaches Alone',
    ]);
  });

  it.each([
    ['by a name of its own', "import { a as b } from './a';\nb();", 'export const a = () => 1;'],
    ['by default', "import a from './a';\na();", 'export default function named() {}'],
    ['as a whole', "import * as all from './a';\nall.a();", 'export const a = () => 1;'],
    ['late', "export async function activate() { (await import('./a')).a(); }", 'export const a = () => 1;'],
    ['as a type', "import type { A } from './a';\nlet a: A;", 'export interface A { b: B }\ntype B = 1;'],
    ['as a type by its path', "let a: import('./a').A;", 'export interface A {}'],
    ['for its effects', "import './a';", 'const a = () => 1;\na();'],
    [
      'out of a pattern',
      "import { b } from './a';\nb();",
      'export const { a: b, ...rest } = make();\nfunction make() {}',
    ],
    ['by the names that it exports', "import { c } from './a';\nc();", 'const a = () => 1;\nexport { a as c };'],
  ])('accepts what is imported %s', (_, main, a) => {
    expect(check({ 'src/main.ts': main, 'src/a.ts': a }).filter((offence) => !offence.endsWith('rest'))).toEqual([]);
  });

  it('follows names that are passed on', () => {
    const files = {
      'src/main.ts': "import { one, two } from './all';\none(two);",
      'src/all/index.ts': "export { a as one } from './a';\nexport * from './b';",
      'src/all/a.ts': 'export const a = () => 1;\nexport const other = 1;',
      'src/all/b.ts': 'export const two = 2;\nexport const three = 3;',
    };
    expect(check(files)).toEqual([
      'src/all/a.ts: no entry point reaches other',
      'src/all/b.ts: no entry point reaches three',
    ]);
  });

  it('does not take a member for a name', () => {
    const files = {
      'src/main.ts': "import { used } from './a';\nused().area({ area: 1 });",
      'src/a.ts': 'export const used = () => ({ area: (x: { area: number }) => x.area });\nexport const area = 1;',
    };
    expect(check(files)).toEqual(['src/a.ts: no entry point reaches area']);
  });

  it('takes of an entry point what it calls, and what is called of it', () => {
    const main =
      'const started = start();\nfunction start() {}\nexport function activate() {}\nexport function unknown() {}';
    expect(check({ 'src/main.ts': main })).toEqual(['src/main.ts: no entry point reaches unknown']);
  });
});

describe('the rule of exports', () => {
  const check = (files: Record<string, string>, tests: Record<string, string> = {}) =>
    unsharedExports(sourcesFrom(files), sourcesFrom(tests), ENTRIES);

  it('reports what no other file imports, types too', () => {
    const a =
      'export const used = 1;\nexport const own = 2;\nexport type Own = 3;\nconst late = 4;\nexport { late as later };';
    expect(check({ 'src/a.ts': a, 'src/b.ts': "import { used } from './a';" })).toEqual([
      'src/a.ts: no other file imports own',
      'src/a.ts: no other file imports Own',
      'src/a.ts: no other file imports later',
    ]);
  });

  it('accepts what another file, a test or VS Code takes', () => {
    const files = { 'src/a.ts': 'export const a = 1;', 'src/main.ts': 'export function activate() {}' };
    expect(check(files, { 'test/a.test.ts': "import { a } from '../src/a';" })).toEqual([]);
    expect(check({ ...files, 'src/b.ts': "export * from './a';" })).toEqual([]);
  });
});
