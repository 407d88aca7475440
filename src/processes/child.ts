/** Starts one of our own bundles as a child process and talks to it: the other end of parent.ts. */
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Handlers, type Peer } from '../rpc';

interface ChildOptions<LocalApi> {
  /** What the child is, for messages: `engine`. */
  readonly name: string;
  /** Absolute path of the bundle. */
  readonly entry: string;
  /** Passed as JSON on the command line; see `configFromArguments`. */
  readonly config: unknown;
  /** Of its JavaScript engine, as on the command line of node. */
  readonly v8Options?: readonly string[];
  /** Added to the environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** What the child may call. */
  readonly handlers: Handlers<LocalApi>;
  /** Receives what the child writes to stdout and stderr, line by line. */
  readonly log?: ((line: string) => void) | undefined;
  /** Called once, with the first message: the process has started. */
  readonly onReady?: () => void;
}

/** A child process went away while a call was waiting for it. */
export class ChildCrashError extends Error {
  constructor(
    name: string,
    /** How the process ended, for example `signal SIGKILL` or `exit code 134`. */
    readonly ending: string,
    /** The last lines that it wrote to stderr. */
    readonly stderrTail: string,
    /** False where it ended before it was ready for calls. */
    readonly wasReady: boolean,
  ) {
    super(`the ${name} process ended with ${ending}${stderrTail && `: ${stderrTail}`}`);
    this.name = 'ChildCrashError';
  }

  /**
   * Whether it was ended from outside while it started, so that starting it again may help; after an error of its own
   * it will not. Windows knows no signals: there a process that says nothing before it ends was ended.
   */
  get isStartAccident(): boolean {
    const { ending, stderrTail, wasReady } = this;
    return !wasReady && (ending.startsWith('signal ') || (process.platform === 'win32' && stderrTail === ''));
  }

  /** The error line of an uncaught exception, else the last line, else how the process ended. */
  get lastWords(): string {
    const lines = this.stderrTail.split('\n').filter((line) => line.trim());
    const line =
      lines.find((candidate) => /Error\b.*: /.test(candidate)) ?? lines.at(-1) ?? `it ended with ${this.ending}`;
    return line.trim().replace(/\.$/, '');
  }
}

/** A child process, as long as it lives. */
export interface RunningChild<RemoteApi> {
  readonly process: ChildProcess;
  readonly peer: Peer<RemoteApi>;
  /** Resolves when the process is gone and every waiting call has been rejected. */
  readonly ended: Promise<void>;
  /**
   * Lets the process go, kills it if it stays longer than `graceMs`, and resolves when it is gone. Waiting calls
   * reject.
   */
  stop(graceMs: number): Promise<void>;
  /**
   * Ends the process by force: waiting calls reject at once as after a crash, also where the system cannot end it yet,
   * such as one that waits for a disk.
   *
   * @param ending how messages say that it ended
   */
  abandon(ending: string): void;
}

/** Before a process is started again that was ended from outside while it started. */
const RESTART_PAUSES_MS = [200, 1000];

/**
 * Makes an attempt again, twice at most and after growing pauses, whose process was ended from outside while it
 * started.
 */
export async function withRestarts<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const milliseconds of RESTART_PAUSES_MS) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ChildCrashError && error.isStartAccident)) throw error;
      await pause(milliseconds, undefined, signal && { signal }).catch(() => undefined);
      signal?.throwIfAborted();
    }
  }
  return await attempt();
}

/** Enough for an uncaught exception with its stack. */
const TAIL_LINES = 30;

/** How long after its process a child's last output may still arrive. */
const LAST_WORDS_MS = 500;

/** Forks a bundle, with our environment but what would make another program of it. */
function forkBundle({
  entry,
  config,
  v8Options = [],
  env: added,
}: Omit<ChildOptions<object>, 'handlers'>): ChildProcess {
  const env: NodeJS.ProcessEnv = { ...process.env, ELECTRON_RUN_AS_NODE: '1', ORT_DISABLE_TELEMETRY: '1', ...added };
  // A debugger or a preload meant for the editor must not follow into the child.
  delete env.NODE_OPTIONS;
  return fork(entry, [JSON.stringify(config)], {
    serialization: 'advanced',
    execArgv: [...v8Options],
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

/** Logs what a child writes. The last lines of its stderr, as long as it writes. */
function readLines(child: ChildProcess, log: ((line: string) => void) | undefined): readonly string[] {
  const tail: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => log?.(line));
  createInterface({ input: child.stderr! }).on('line', (line) => {
    log?.(line);
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
  });
  return tail;
}

/** A process of the child's that outlives it, as a crash reporter may, holds the pipes and would hold us with them. */
function letGo({ stdout, stderr }: ChildProcess): void {
  stdout?.destroy();
  stderr?.destroy();
}

/** Starts a bundle. Waiting calls reject with ChildCrashError when it ends. */
export function startChild<RemoteApi, LocalApi = object>(options: ChildOptions<LocalApi>): RunningChild<RemoteApi> {
  const { name, handlers, onReady } = options;
  const child = forkBundle(options);
  const tail = readLines(child, options.log);
  let ready = false;
  child.once('message', () => {
    ready = true;
    onReady?.();
  });
  const peer = connect<RemoteApi, LocalApi>(
    {
      // A message that finds the process gone needs no error of its own: the ending below rejects its call.
      post: (message) => void child.send(message as object, () => undefined),
      listen: (receive) => void child.on('message', receive),
    },
    handlers,
  );

  let stopping = false;
  const crash = (ending: string) => peer.close(new ChildCrashError(name, ending, tail.join('\n'), ready));
  const ended = new Promise<void>((resolve) => {
    const end = (ending: string) => {
      crash(ending);
      setTimeout(() => letGo(child), LAST_WORDS_MS).unref();
      resolve();
    };
    child.on('error', (error) => {
      end(`the error "${error.message}"`);
      child.kill('SIGKILL');
    });
    const endAs = (code: number | null, signal: string | null) =>
      end(signal ? `signal ${signal}` : `exit code ${code}`);
    // 'close' comes after the last line of stderr and the last message, but not at all where we closed the channel
    // ourselves (node 20) or something else holds the pipes.
    child.once('close', endAs);
    child.once('exit', (...status) => void setTimeout(endAs, stopping ? 0 : LAST_WORDS_MS, ...status));
  });
  return {
    process: child,
    peer,
    ended,
    async stop(graceMs) {
      stopping = true;
      peer.close(new Error(`the ${name} was shut down`));
      if (child.connected) child.disconnect();
      const grace = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await ended;
      clearTimeout(grace);
    },
    abandon(ending) {
      crash(ending);
      child.kill('SIGKILL');
    },
  };
}
