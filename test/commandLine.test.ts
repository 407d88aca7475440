/** What the benches are asked, and that each of them says how. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from './bench/bench';
import { benches } from './bench/benches';
import { type ProgramDescription, parseCommandLine, wholeNumbers } from './commandLine';

const program = {
  command: 'npm run something --',
  about: 'Something is measured.',
  arguments: { names: '<data dir>', least: 1, most: 1 },
  options: {
    seed: { type: 'string', default: '0', value: 'n', about: 'where it begins' },
    out: { type: 'string', value: 'file', about: 'where it ends' },
    json: { type: 'boolean', about: 'lines' },
  },
} as const satisfies ProgramDescription;

describe('a command line', () => {
  it('is read with its defaults', () => {
    expect(parseCommandLine(program, ['data'])).toEqual({ values: { seed: '0', json: false }, positionals: ['data'] });
    expect(parseCommandLine(program, ['data', '--seed', '3', '--json', '--out=x'])).toEqual({
      values: { seed: '3', json: true, out: 'x' },
      positionals: ['data'],
    });
  });

  it.each([
    [['data', '--sed', '3'], "Unknown option '--sed'"],
    [['data', '--seed'], "Option '--seed <value>' argument missing"],
    [[], '<data dir> is missing'],
    [['a', 'b'], 'b is one argument too many'],
  ])('with a mistake gets one sentence: %j', (args, complaint) => {
    expect(parseCommandLine(program, args)).toEqual({ complaint });
  });

  it('is explained, whatever else is asked', () => {
    expect(parseCommandLine(program, ['--sed', '--help'])).toEqual({
      help: `usage: npm run something -- <data dir> [options]

Something is measured.

  --seed <n>    where it begins (0)
  --out <file>  where it ends
  --json        lines
  --help        this text`,
    });
  });

  it('has lists of whole numbers', () => {
    expect(wholeNumbers('0,12')).toEqual([0, 12]);
    expect(() => wholeNumbers('0,x')).toThrow('x is no whole number');
  });
});

describe('every bench', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };

  it('has a script, and every script a bench', () => {
    const named = Object.keys(scripts).filter((name) => name.startsWith('bench:'));
    expect(Object.keys(benches).sort()).toEqual(named.map((name) => name.slice('bench:'.length)).sort());
  });

  it.each(Object.entries<ProgramDescription>(benches))('%s explains itself before it does anything', (name, bench) => {
    expect(parseCommandLine(bench, ['--help'])).toEqual({ help: expect.stringContaining(`bench:${name}`) });
    expect(bench.options.json).toBeDefined();
    // It asks at its top level, so that no engine is started and no data is read before.
    const source = readFileSync(path.join(repository, 'test', 'bench', `${name}.ts`), 'utf8');
    expect(source).toMatch(new RegExp(`^const \\{ .+ \\} = readCommandLine\\(benches\\.${name}\\);$`, 'm'));
    expect(scripts[`bench:${name}`]).toBe(`node scripts/run.mjs test/bench/${name}.ts`);
  });
});
