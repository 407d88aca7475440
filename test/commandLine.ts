/** The command lines of programs that developers run: from one description, their usage and what was asked for. */
import { parseArgs } from 'node:util';

export interface OptionDescription {
  readonly type: 'string' | 'boolean';
  readonly default?: string;
  /** What stands for the value in the usage, of an option that has one. */
  readonly value?: string;
  /** One phrase. */
  readonly about: string;
}

export interface ProgramDescription {
  /** As it is typed, such as `npm run bench:speed --`. */
  readonly command: string;
  /** One sentence. */
  readonly about: string;
  /** Of the arguments that are no options: what stands for them in the usage, and how many there may be. */
  readonly arguments?: { readonly names: string; readonly least: number; readonly most: number };
  readonly options: Readonly<Record<string, OptionDescription>>;
}

/** What was given for each option: a switch that was left out is off, a value that was left out its default. */
export type OptionValues<D extends ProgramDescription> = {
  readonly [Name in keyof D['options']]: D['options'][Name] extends { type: 'boolean' }
    ? boolean
    : D['options'][Name] extends { default: string }
      ? string
      : string | undefined;
};

export interface CommandLine<D extends ProgramDescription> {
  readonly values: OptionValues<D>;
  readonly positionals: readonly string[];
}

/** What to do with a command line: start, or print the usage, or complain in one sentence and print it. */
export type ParsedCommandLine<D extends ProgramDescription> =
  | CommandLine<D>
  | { readonly help: string }
  | { readonly complaint: string };

const NO_ARGUMENTS = { names: '', least: 0, most: 0 };

export function usageOf({ command, about, arguments: { names } = NO_ARGUMENTS, options }: ProgramDescription): string {
  const all = [
    ...Object.entries(options).map(([name, { value, default: usual, about: what }]) => ({
      left: `--${name}${value === undefined ? '' : ` <${value}>`}`,
      right: `${what}${usual === undefined ? '' : ` (${usual})`}`,
    })),
    { left: '--help', right: 'this text' },
  ];
  const width = Math.max(...all.map(({ left }) => left.length));
  const lines = all.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`);
  return [`usage: ${[command, names, '[options]'].filter(Boolean).join(' ')}`, '', about, '', ...lines].join('\n');
}

export function parseCommandLine<D extends ProgramDescription>(
  description: D,
  args: readonly string[],
): ParsedCommandLine<D> {
  if (args.includes('--help')) return { help: usageOf(description) };
  const { least, most } = description.arguments ?? NO_ARGUMENTS;
  const switches = Object.entries(description.options).filter(([, { type }]) => type === 'boolean');
  const options = Object.fromEntries(
    Object.entries(description.options).map(([name, { type, default: usual }]) => [
      name,
      { type, ...(usual !== undefined && { default: usual }) },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (positionals.length < least) return { complaint: `${description.arguments!.names} is missing` };
    if (positionals.length > most) return { complaint: `${positionals[most]} is one argument too many` };
    const off = Object.fromEntries(switches.map(([name]) => [name, false]));
    return { values: { ...off, ...values } as OptionValues<D>, positionals };
  } catch (error) {
    // Node explains in a second sentence how an argument may begin with a dash.
    return { complaint: (error as Error).message.split('. ')[0] };
  }
}

/** What this process was asked for; where that is the usage, or makes no sense, the process ends here. */
export function readCommandLine<D extends ProgramDescription>(description: D): CommandLine<D> {
  const parsed = parseCommandLine(description, process.argv.slice(2));
  if ('help' in parsed) {
    console.log(parsed.help);
    process.exit(0);
  }
  if ('complaint' in parsed) {
    console.error(`${parsed.complaint}\n\n${usageOf(description)}`);
    process.exit(2);
  }
  return parsed;
}

/** `0,1,2` as numbers. Throws RangeError where one of them is no whole number. */
export function wholeNumbers(text: string): number[] {
  return text.split(',').map((part) => {
    if (!/^\d+$/.test(part)) throw new RangeError(`${part} is no whole number`);
    return Number(part);
  });
}
