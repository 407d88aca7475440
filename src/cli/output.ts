/** Everything that the command line prints, and what becomes of a run whose output goes nowhere. */
import { UserError } from '../core/userError';
import { errorCode } from '../disk/storageError';
import { interrupt, Unread } from './interrupt';
import { printable } from './printable';

/** A line of results, on stdout. */
export const out = (line: string): void => print(process.stdout, `${printable(line)}\n`);

/** A line of progress, warnings and errors, on stderr. */
export const err = (line: string): void => print(process.stderr, `${printable(line)}\n`);

/** A text of several lines that is our own, such as help or a table, on stdout. */
export function outText(text: string): void {
  for (const line of text.split('\n')) out(line);
}

function print(stream: NodeJS.WriteStream, text: string): void {
  if (lost.has(stream)) return;
  stream.write(text);
}

/** Streams that take nothing any more. */
const lost = new Set<NodeJS.WriteStream>();

/**
 * Ends the run in order when a stream takes nothing any more: what is under way is committed, and the next run goes on
 * from there. Where nobody reads, that needs no words.
 */
export function watchOutput(): void {
  for (const [stream, name] of [
    [process.stdout, 'The results'],
    [process.stderr, 'The messages'],
  ] as const) {
    stream.on('error', (error) => {
      if (lost.has(stream)) return;
      lost.add(stream);
      const code = errorCode(error) ?? error.message;
      if (code === 'EPIPE' || code === 'EOF') return interrupt(new Unread());
      const why = code === 'ENOSPC' ? 'the disk is full' : code === 'EDQUOT' ? 'the disk quota is used up' : code;
      const lostOutput = new UserError(`${name} cannot be written: ${why}.`);
      err(`ap-medsam: ${lostOutput.message}`);
      interrupt(lostOutput);
    });
  }
}
