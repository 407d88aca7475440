import { describe, expect, it } from 'vitest';
import { methodOffences } from './method';
import { sourcesFrom } from './sources';

const PAGE = `
| stage | strategies | switch | timing | file | worth |
|---|---|---|---|---|---:|
| [forward matching](#forward-matching) | all | | \`match\` | \`tokens/matching.ts\` | |
| [trust](#trust) | one | \`trusted\`, \`--min-trust 0\` | [\`judge\`] | \`tokens/trust.ts\` | 0.1 |

### forward matching

### trust
`;

const CODE = {
  'src/core/tokens/matching.ts': '/** Stage *forward matching*. */',
  'src/core/tokens/trust.ts': '// Where stage *trust*\n// is.',
  'src/engine/run.ts': "await stage('match', work); await runner.stage('judge', work);",
};

describe('the rule of the names of stages', () => {
  const check = (more: Record<string, string>, page = PAGE, switches = ['trusted']) =>
    methodOffences(page, sourcesFrom({ ...CODE, ...more }), switches);

  it('accepts names that the page has, also over two lines and several in a row', () => {
    expect(check({})).toEqual([]);
    expect(
      check({ 'src/a.ts': '/**\n * After stages *trust* and *forward\n * matching*, a stage of its *own*.\n */' }),
    ).toEqual([]);
    expect(check({ 'src/a.ts': "const text = 'stage *none*, stage B.3';" })).toEqual([]);
  });

  it.each([
    ['a name that is no heading', '// Stage *hope*.', 'src/a.ts: the method has no stage *hope*'],
    ['the second of two', '// Stages *trust*, *hope* and *trust*.', 'src/a.ts: the method has no stage *hope*'],
    ['a letter', '/* Like stage B.3 of it. */', "src/a.ts: 'stage B.3' has a name"],
    ['a timing of no stage', "stage('dream', work);", 'docs/method.md: no timing dream in its table'],
  ])('reports %s', (_, text, offence) => {
    expect(check({ 'src/a.ts': text })).toEqual([offence]);
  });

  it('reports what the page tells and the code does not have', () => {
    expect(check({ 'src/engine/run.ts': "stage('match', work);" })).toEqual([
      'docs/method.md: timing judge is not there',
    ]);
    expect(check({}, PAGE, ['trusted', 'more'])).toEqual(['docs/method.md: no switch more in its table']);
    expect(check({}, PAGE, [])).toEqual(['docs/method.md: switch trusted is not there']);
    expect(check({ 'src/core/tokens/trust.ts': '' })).toEqual([
      'src/core/tokens/trust.ts: does not cite stage *trust*, which is said to be there',
    ]);
    expect(check({}, PAGE.replace('### trust', ''))).toContain('docs/method.md: stage trust is not there');
    expect(check({}, `${PAGE}\n### hope\n`)).toEqual(['docs/method.md: no stage hope in its table']);
  });
});
