import { describe, expect, it } from 'vitest';
import { functionsOf, longFunctions, MOST_LINES } from './functions';
import { Source, sourcesFrom } from './sources';

/** The inside of a function, with `lines` lines. */
const body = (lines: number): string => '  work();\n'.repeat(lines);

describe('the rule of short functions', () => {
  const check = (text: string) => longFunctions(sourcesFrom({ 'src/a.ts': text }));

  it('counts from the first line to the last', () => {
    expect(check(`function fits() {\n${body(MOST_LINES - 2)}}\n`)).toEqual([]);
    expect(check(`\nfunction long() {\n${body(MOST_LINES - 1)}}\n`)).toEqual([
      'src/a.ts:2: long has 61 lines, more than 60',
    ]);
  });

  it.each([
    ['a method', `class A {\n  async long() {\n${body(60)}}\n}`, 'src/a.ts:2: long has 62 lines'],
    ['an arrow function', `export const long = () => {\n${body(60)}};`, 'src/a.ts:1: long has 62 lines'],
    [
      'a function in an object',
      `const a = {\n  long: async () => {\n${body(60)}},\n};`,
      'src/a.ts:2: long has 62 lines',
    ],
    ['one without a name', `call(() => {\n${body(60)}});`, 'src/a.ts:1: a function has 62 lines'],
    ['one whose comment gives no reason', `/** One piece. */\nfunction long() {\n${body(60)}}`, 'src/a.ts:2: long has'],
    [
      'one with the reason of another',
      `// One piece, because.\n\n\nfunction long() {\n${body(60)}}`,
      'src/a.ts:4: long',
    ],
  ])('reports %s', (_, text, offence) => {
    expect(check(text)).toEqual([expect.stringContaining(offence)]);
  });

  it.each([
    ['above it', `/** Draws. One piece, because each step needs the last. */\nfunction long() {\n${body(60)}}`],
    ['over two lines', `/**\n * One piece,\n * because of the order.\n */\nconst long = () => {\n${body(60)}};`],
    ['in its first lines', `function long(\n  a: number,\n) {\n  // One piece, because it is a table.\n${body(60)}}`],
  ])('accepts a reason %s', (_, text) => {
    expect(check(text)).toEqual([]);
  });

  it('sees functions in functions, and none without a body', () => {
    const text = 'declare function none(): void;\nfunction outer() {\n  return () => {\n  };\n}\n';
    expect(functionsOf(new Source('src/a.ts', text)).map(({ name, lines }) => [name, lines])).toEqual([
      ['outer', 4],
      ['a function', 2],
    ]);
  });
});
