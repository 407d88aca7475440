/** What a command of the command line is: its options as data, from which parsing and help are made. */
import { parseArgs } from 'node:util';
import { UserError } from '../core/userError';
import type { ProbeOptions } from '../devices/deviceProber';
import type { EnginePool } from '../engineClient/pool';
import type { ModelStore } from '../models/modelStore';
import type { DeviceChoice } from '../protocol/deviceApi';

export interface Option {
  /** How help names the value; a switch has none. */
  readonly value?: string;
  readonly help: string;
  /** Shown in help and used where the option is not given. */
  readonly default?: string;
  /** May be given more than once. */
  readonly repeatable?: true;
}

export interface EngineSettings {
  readonly encoder: string;
  readonly segmenter: string;
  /** Engine processes and threads of each; what suits the device if left out. */
  readonly engines: number | undefined;
  readonly threads: number | undefined;
  readonly device: DeviceChoice;
  /** Longest time that the work on one image may take; 0 for no limit. */
  readonly imageSeconds: number;
  /** Tell of each model where it is opened and what memory it takes. */
  readonly verbose: boolean;
}

/** What the composition root lends to a command. */
export interface CommandContext {
  /** A line of results. */
  readonly out: (line: string) => void;
  /** A text of several lines that is our own, such as a table. */
  readonly outText: (text: string) => void;
  /** A line of progress, warnings and errors. */
  readonly err: (line: string) => void;
  /** Columns of the terminal that progress can be drawn on; undefined where stderr is none. */
  readonly columns: number | undefined;
  /** Asks a person yes or no; undefined where nobody sits at a terminal. */
  readonly ask: ((question: string) => Promise<boolean>) | undefined;
  /** Aborts on Ctrl+C, and when nothing can be printed any more. */
  readonly signal: AbortSignal;
  readonly store: ModelStore;
  /** Absolute path of the home of models and caches. */
  readonly home: string;
  /** What trying devices needs to know, but for the models. */
  readonly probe: Pick<ProbeOptions, 'entry'> & { readonly modelsDir: string };
  /**
   * Tries the devices first where `auto` has no answer yet and there is one to try. The pool is shut down when the
   * command ends.
   */
  startEngines(settings: EngineSettings): Promise<EnginePool>;
}

export interface Arguments {
  readonly positionals: readonly string[];
  /** Value of an option, or its default. */
  text(name: string): string | undefined;
  /** All values of an option that may be repeated. */
  texts(name: string): readonly string[];
  flag(name: string): boolean;
  /** A whole number of at least `least`; UsageError otherwise. */
  count(name: string, least?: number): number | undefined;
}

export interface Command {
  /** One or two words. */
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What follows the name: `<folder>... [options]`. */
  readonly usage: string;
  /** Paragraphs under the usage line. */
  readonly description: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** Whether files or folders may stand beside the options. */
  readonly takesFiles?: true;
  readonly examples: readonly string[];
  /** Resolves to the exit code. */
  run(args: Arguments, context: CommandContext): Promise<number>;
}

/** The command line itself makes no sense; the command's help is worth a look. */
export class UsageError extends UserError {}

/** Exit codes, the same for every command. */
export const EXIT = { done: 0, someFailed: 1, usage: 2, cancelled: 130, unread: 141 } as const;

export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: Object.fromEntries(
        Object.entries(command.options).map(([name, { value, repeatable }]) => [
          name,
          { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: repeatable === true },
        ]),
      ),
    });
  } catch (error) {
    const { message } = error as Error;
    const withoutValue =
      /'(--[\w-]+) <value>' argument (?:missing|is ambiguous)|'(--[\w-]+)' argument is ambiguous/.exec(message);
    // Otherwise Node's own sentence names the option; what follows it is advice about names that start with a dash.
    const said = withoutValue ? `${withoutValue[1] ?? withoutValue[2]} needs a value` : message.split(/\.\s/)[0];
    throw new UsageError(said, { cause: error });
  }
  const { values, positionals } = parsed;
  if (positionals.length > 0 && command.takesFiles !== true) {
    throw new UsageError(`${command.name} takes options only, got "${positionals[0]}"`);
  }
  const text = (name: string) => (values[name] as string | undefined) ?? command.options[name]?.default;
  return {
    positionals,
    text,
    texts: (name) => (values[name] as string[] | undefined) ?? [],
    flag: (name) => values[name] === true,
    count: (name, least = 1) => {
      const given = text(name);
      if (given === undefined) return undefined;
      const number = Number(given);
      // Number('') is 0.
      if (given.trim() !== '' && Number.isInteger(number) && number >= least) return number;
      throw new UsageError(`--${name} should be a whole number of at least ${least}, got "${given}"`);
    },
  };
}

const PROGRAM = 'ap-medsam';

/** Most columns that help takes. */
const HELP_COLUMNS = 100;

/** Help of one command, for a stranger to work from. */
export function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([name, { value, help, default: preset }]): [string, string] => [
    `--${name}${value === undefined ? '' : ` <${value}>`}`,
    preset === undefined ? help : `${help} (default: ${preset})`,
  ]);
  return [
    `Usage: ${PROGRAM} ${command.name} ${command.usage}`.trimEnd(),
    '',
    ...command.description.flatMap((paragraph) => [...wrap(paragraph, HELP_COLUMNS), '']),
    'Options:',
    ...columns([...options, ['--help', 'show this help']]),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
  ].join('\n');
}

/** The overview of all commands. */
export function overview(commands: readonly Command[]): string {
  return [
    'AP-MedSAM: one labelled image labels a folder.',
    'Runs on this machine alone; only "models download" and "devices install-cuda" open a connection.',
    '',
    `Usage: ${PROGRAM} <command> [options]`,
    '',
    'Commands:',
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    '',
    ...wrap(
      `Run "${PROGRAM} <command> --help" for the options and examples of a command, "${PROGRAM} --version" for versions.`,
      HELP_COLUMNS,
    ),
    '',
    ...wrap(
      'Exit codes: 0 all done; 1 some images failed, each named with its reason; 2 the command line or its inputs do not allow a start; 130 cancelled with Ctrl+C (run the same command again to go on); 141 nobody reads the output any more, as after "| head".',
      HELP_COLUMNS,
    ),
  ].join('\n');
}

/** Two aligned columns, the second one wrapped. */
function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.flatMap(([left, right]) =>
    wrap(right, HELP_COLUMNS - 2 - width).map((line, i) => `  ${(i === 0 ? left : '').padEnd(width)}${line}`),
  );
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
