/**
 * What ends a run early: Ctrl+C, SIGTERM, or nobody reading its output. Imported before everything else, since a signal
 * may come while the rest of the program is being loaded.
 */
import { setMaxListeners } from 'node:events';

/** The run was cancelled from outside. */
export class Cancelled extends Error {}

/** The reader of stdout or stderr has gone, as `head` does when it has seen enough. */
export class Unread extends Error {}

const interruption = new AbortController();

/** Aborts when the run is to end: with Cancelled, Unread, or a UserError that says why. */
export const interrupted = interruption.signal;

export const interrupt = (reason: Error): void => interruption.abort(reason);

// Every call under way listens; Node would take that many for a leak.
setMaxListeners(0, interrupted);
// The first Ctrl+C ends the work cleanly, the second one ends the process.
process.once('SIGINT', () => interrupt(new Cancelled()));
process.once('SIGTERM', () => interrupt(new Cancelled()));
