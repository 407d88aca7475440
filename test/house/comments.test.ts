import { describe, expect, it } from 'vitest';
import { wideComments } from './comments';
import { sourcesFrom } from './sources';

describe('the rule of the width of comments', () => {
  const check = (text: string) => wideComments(sourcesFrom({ 'src/a.ts': text }));
  const words = (width: number) => `${'word '.repeat(40)}`.slice(0, width - 1).concat('s');

  it.each([
    ['a line comment', `\n//${words(119)}\n`, 'src/a.ts:2: a comment goes past column 120'],
    ['a line of a block', `/**\n * fits\n *${words(119)}\n */`, 'src/a.ts:3: a comment goes past column 120'],
    ['one after code', `const a = 1; //${words(110)}`, 'src/a.ts:1: a comment goes past column 120'],
  ])('reports %s', (_, text, offence) => {
    expect(check(text)).toEqual([offence]);
  });

  it.each([
    ['a comment of the full width', `//${words(118)}`],
    ['a long text in code', `const a = '// ${words(130)}';`],
    ['an address that cannot be broken', `// https://example.org/${'a'.repeat(120)}`],
  ])('accepts %s', (_, text) => {
    expect(check(text)).toEqual([]);
  });
});
