/** A child's end of the pipe to the process that started it: the other end of child.ts. */
import { connect, type Handlers, type Peer, type Port } from '../rpc';

/**
 * Makes this process go when its parent does. A run of the inference library blocks the message loop, so the exit may
 * come only after the run in progress.
 */
export function exitWithParent(): void {
  process.on('disconnect', () => process.exit(0));
  // Ctrl+C in a terminal reaches the whole process group; when to stop is the parent's decision.
  process.on('SIGINT', () => undefined);
}

/** The configuration that `startChild` passed on the command line. */
export function configFromArguments<Config>(argv: readonly string[] = process.argv): Config {
  const text = argv[2];
  if (text === undefined) throw new Error('expected the configuration as JSON in the first argument');
  return JSON.parse(text) as Config;
}

/** Answers the parent's calls from now on and tells it so. Throws when this process was not forked. */
export function serveParent<LocalApi, RemoteApi = object>(handlers: Handlers<LocalApi>): Peer<RemoteApi> {
  if (!process.send) {
    throw new Error('this program is started by AP-MedSAM, not by hand: it needs a channel to its parent');
  }
  const peer = connect<RemoteApi, LocalApi>(parentPort, handlers);
  // Whatever its content, the first message proves that the process started: an exit before it is a failed start.
  parentPort.post('ready');
  return peer;
}

const parentPort: Port = {
  // A reply that finds no parent any more is of no use to anybody: the callback keeps its error from being thrown.
  post: (message) => void process.send?.(message, undefined, undefined, () => undefined),
  listen: (receive) => void process.on('message', receive),
};
