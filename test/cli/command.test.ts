/** Parsing and help of a command that is made of every kind of option. */
import { describe, expect, it } from 'vitest';
import { type Command, commandHelp, overview, parseArguments, UsageError } from '../../src/cli/command';
import { evaluate } from '../../src/cli/evaluateCommand';
import { chosenBands, chosenStrategy } from '../../src/cli/options';
import { segment } from '../../src/cli/segmentCommand';
import { NO_ABLATION } from '../../src/core/strategies/strategy';
import { UserError } from '../../src/core/userError';

const LONG =
  'a sentence that goes on and on about what the option does, until it fits in no line of a terminal any more';

const command: Command = {
  name: 'paint picture',
  summary: 'paints',
  usage: '<canvas>... [options]',
  description: [`First paragraph: ${LONG}; ${LONG}.`, 'Second paragraph.'],
  options: {
    colour: { value: 'name', help: LONG },
    layers: { value: 'n', help: 'how many layers', default: '3' },
    'keep-wet': { help: 'do not dry' },
    'odd-numbers': { value: 'n', help: 'how odd', default: 'several' },
  },
  takesFiles: true,
  examples: ['ap-medsam paint picture wall --colour red'],
  run: async () => 0,
};

const parse = (...argv: string[]) => parseArguments(command, argv);

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toBeInstanceOf(UserError);
    return (error as UsageError).message;
  }
  throw new Error('expected a UsageError, nothing was thrown');
}

describe('parseArguments', () => {
  it('takes options and positionals in any order, with a space or an equals sign', () => {
    const args = parse('a', '--colour', 'light blue', 'b', '--keep-wet', '--layers=7', 'c');
    expect(args.positionals).toEqual(['a', 'b', 'c']);
    expect(args.text('colour')).toBe('light blue');
    expect(args.text('layers')).toBe('7');
    expect(args.count('layers')).toBe(7);
    expect(args.flag('keep-wet')).toBe(true);
  });

  it('gives defaults where there are any', () => {
    const args = parse();
    expect(args.positionals).toEqual([]);
    expect(args.text('colour')).toBeUndefined();
    expect(args.count('colour')).toBeUndefined();
    expect(args.text('layers')).toBe('3');
    expect(args.count('layers')).toBe(3);
    expect(args.flag('keep-wet')).toBe(false);
  });

  it('lets the last of several count, and keeps what follows "--" as it is', () => {
    const args = parse('--colour', 'red', '--colour', 'green', '--', '--keep-wet', '-x');
    expect(args.text('colour')).toBe('green');
    expect(args.positionals).toEqual(['--keep-wet', '-x']);
    expect(args.flag('keep-wet')).toBe(false);
  });

  it('does not change its arguments', () => {
    const argv = Object.freeze(['a', '--layers', '2']);
    expect(parseArguments(command, argv).count('layers')).toBe(2);
  });

  it.each([
    [['--size', '3'], /^Unknown option '--size'$/],
    [['-c'], /^Unknown option '-c'$/],
    [['--constructor'], /^Unknown option '--constructor'$/],
    [['--colour'], /^--colour needs a value$/],
    [['--colour', '--keep-wet'], /^--colour needs a value$/],
    [['--keep-wet=yes'], /^Option '--keep-wet' does not take an argument$/],
  ])('refuses %j in one sentence', (argv, message) => {
    expect(refusal(() => parse(...argv))).toMatch(message);
  });

  describe('count', () => {
    it.each([
      ['0', 1],
      ['-1', 1],
      ['2', 3],
      ['1.5', 1],
      ['many', 1],
      ['3 4', 1],
      ['', 0],
      [' ', 0],
      ['Infinity', 1],
      ['NaN', 1],
    ])('refuses "%s" where at least %i is needed', (given, least) => {
      expect(refusal(() => parse(`--layers=${given}`).count('layers', least))).toBe(
        `--layers should be a whole number of at least ${least}, got "${given}"`,
      );
    });

    it('takes the least and what lies above it', () => {
      expect(parse('--layers', '1').count('layers')).toBe(1);
      expect(parse('--layers', '0').count('layers', 0)).toBe(0);
      expect(parse('--layers', '3').count('layers', 3)).toBe(3);
      expect(parse('--layers', '123456').count('layers', 3)).toBe(123456);
    });

    it('checks the default as well', () => {
      expect(refusal(() => parse().count('odd-numbers'))).toContain('got "several"');
    });
  });
});

describe('chosenBands', () => {
  const chosen = (...argv: string[]) => chosenBands(parseArguments(segment, argv));

  it('takes three bands counted from 1', () => {
    expect(chosen()).toBeUndefined();
    expect(chosen('--bands', '4,3,2')).toEqual([4, 3, 2]);
    expect(chosen('--bands', '7,7,12')).toEqual([7, 7, 12]);
    for (const text of ['1,2', '0,1,2', '1,2,3,4', 'red', '', '1;2;3']) {
      expect(refusal(() => chosen(`--bands=${text}`))).toBe(
        `--bands should be three bands counted from 1, such as 4,3,2, got "${text}"`,
      );
    }
  });
});

describe('chosenStrategy', () => {
  const chosen = (...argv: string[]) => chosenStrategy(parseArguments(segment, argv));

  it('takes views as a word or a number of parts', () => {
    for (const word of ['fast', 'thorough', 'whole']) {
      expect(chosen('--views', word).parameters).toEqual({ views: word });
    }
    expect(chosen('--views', '3').parameters).toEqual({ views: 3 });
    for (const text of ['0', '1', '7', '1.5', 'many', '']) {
      expect(refusal(() => chosen(`--views=${text}`))).toBe(
        `--views should be fast, thorough, whole or a whole number from 2 to 6, got "${text}"`,
      );
    }
  });

  it('is what the command line says, and undefined where it says nothing', () => {
    expect(chosen()).toEqual({ strategy: undefined, parameters: {} });
    expect(chosen('--strategy', 'gbmseg').strategy).toBe('gbmseg');
    const { parameters } = chosen('--without', 'hard,sparse');
    expect(Object.entries(parameters.ablation!).filter(([, on]) => !on)).toEqual([
      ['hard', false],
      ['sparse', false],
    ]);
    expect(chosen('--min-trust', '0.25').parameters).toEqual({ minTrust: 0.25 });
    expect(chosen('--min-trust', '0', '--without', 'hard').parameters).toMatchObject({ minTrust: 0, ablation: {} });
  });

  it('takes trust from 0 to 1', () => {
    for (const text of ['-0.1', '1.01', 'much', '', ' ']) {
      expect(refusal(() => chosen(`--min-trust=${text}`))).toBe(
        `--min-trust should be a number from 0 to 1, got "${text}"`,
      );
    }
  });

  it('takes a least trust only for a strategy that gives any', () => {
    expect(refusal(() => chosen('--min-trust', '0.3', '--strategy', 'gbmseg'))).toBe(
      '--min-trust needs masks with a trust, which only ap-medsam gives, not gbmseg',
    );
    expect(refusal(() => chosen('--min-trust', '0.3', '--preset', 'regions'))).toMatch(/not cluster$/);
    expect(chosen('--min-trust', '0', '--strategy', 'gbmseg').strategy).toBe('gbmseg');
  });

  it('takes the strategy from the preset', () => {
    expect(chosen('--preset', 'part')).toEqual({
      strategy: 'matcher',
      parameters: { matcher: { preset: 'part', seed: 0 } },
    });
    const { strategy, parameters } = chosen('--strategy', 'cluster', '--preset', 'prompt', '--without', 'specks');
    expect(strategy).toBe('cluster');
    expect(parameters).toEqual({ ablation: { ...NO_ABLATION, specks: false }, cluster: { preset: 'prompt' } });
    expect(refusal(() => chosen('--strategy', 'gbmseg', '--preset', 'part'))).toBe(
      'the preset "part" is one of strategy matcher, not of gbmseg',
    );
    expect(refusal(() => chosen('--preset', 'toString'))).toBe(
      'there is no preset "toString"; known: object, semantic, part, regions, prompt',
    );
  });

  it('refuses what it does not know, also where every object has a member of that name', () => {
    for (const name of ['sam', 'constructor']) {
      expect(refusal(() => chosen('--strategy', name))).toBe(
        `there is no strategy "${name}"; known: ap-medsam, gbmseg, matcher, cluster`,
      );
      expect(refusal(() => chosen('--without', `hard,${name}`))).toMatch(
        new RegExp(`^--without knows the stages backward, .*, not "${name}"$`),
      );
    }
  });
});

describe('commandHelp', () => {
  const help = commandHelp(command);

  it('shows usage, description, options, examples in this order', () => {
    const lines = help.split('\n');
    expect(lines[0]).toBe('Usage: ap-medsam paint picture <canvas>... [options]');
    const at = ['First paragraph', 'Second paragraph.', 'Options:', 'Examples:', '  ap-medsam paint picture wall'].map(
      (start) => lines.findIndex((line) => line.startsWith(start)),
    );
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at[0]).toBe(2);
    expect(lines.at(-1)).toBe('  ap-medsam paint picture wall --colour red');
  });

  it('names every option once, with its value and default, and --help', () => {
    const named = [...help.matchAll(/^ {2}(--[\w-]+(?: <\w+>)?) {2,}\S/gm)].map(([, option]) => option);
    expect(named).toEqual(['--colour <name>', '--layers <n>', '--keep-wet', '--odd-numbers <n>', '--help']);
    expect(help).toMatch(/^ {2}--layers <n> +how many layers \(default: 3\)$/m);
    expect(help).toMatch(/^ {2}--keep-wet +do not dry$/m);
    expect(help.match(/\(default:/g)).toHaveLength(2);
  });

  it('wraps at 100 columns, the second column under itself, and loses no word', () => {
    const lines = help.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    const start = lines.findIndex((line) => line.startsWith('  --colour'));
    const column = lines[start].indexOf('a sentence');
    expect(column).toBe(2 + '--odd-numbers <n>'.length + 2);
    expect(lines[start + 1]).toMatch(new RegExp(`^ {${column}}\\S`));
    const words = help.split(/\s+/).join(' ');
    expect(words).toContain(command.description.join(' '));
    expect(words).toContain(`--colour <name> ${LONG} --layers`);
    // No line could take the first word of the next one.
    const paragraph = lines.slice(2, lines.indexOf('', 2));
    for (const [i, line] of paragraph.slice(1).entries()) {
      expect(paragraph[i].length + 1 + line.split(' ')[0].length).toBeGreaterThan(100);
    }
  });

  it('fills both columns up to the last place, and no further', () => {
    const letters = Array.from({ length: 200 }, () => 'a').join(' ');
    for (const name of ['odd', 'even', 'longer-than-the-other-ones']) {
      const lines = commandHelp({ ...command, description: [letters], options: { [name]: { help: letters } } }).split(
        '\n',
      );
      const longest = Math.max(...lines.map((line) => line.length));
      expect(longest).toBeLessThanOrEqual(100);
      const option = lines.find((line) => line.startsWith(`  --${name} `))!;
      for (const full of [lines[2], option]) expect(full.length).toBeGreaterThanOrEqual(99);
    }
  });

  it('keeps a word that is wider than a line whole', () => {
    const word = 'x'.repeat(120);
    const long = commandHelp({ ...command, description: [`before ${word} after`] });
    expect(long.split('\n').slice(2, 5)).toEqual(['before', word, 'after']);
  });

  it('needs no usage and no options', () => {
    const bare = commandHelp({ ...command, usage: '', options: {} });
    expect(bare.split('\n')[0]).toBe('Usage: ap-medsam paint picture');
    expect(bare).toMatch(/^Options:\n {2}--help {2}show this help\n\nExamples:$/m);
  });
});

describe('overview', () => {
  it('lists the commands, aligned, within 100 columns', () => {
    const text = overview([segment, evaluate, command]);
    const lines = text.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    for (const { name, summary } of [segment, evaluate, command]) {
      const line = lines.find((one) => one.startsWith(`  ${name} `))!;
      expect(line).toBe(`  ${name.padEnd('paint picture'.length + 2)}${summary}`);
    }
  });
});
