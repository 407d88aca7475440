/** An error whose message is one sentence fit to show to a person; anything else goes to the log. */
export class UserError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'UserError';
  }
}

/** No engine can be started, so that nothing more can be done; never the fault of the file that one was asked about. */
export class NoEngineError extends UserError {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'NoEngineError';
  }
}

/** Longer words of others are cut: they would hide the sentence that they stand in. */
const MOST_LETTERS = 240;

/** Words of others for a sentence of ours, such as the reason that a parser gives with a piece of the file in it. */
export function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS)}...` : line;
}

/** Something that a person may want to do next. */
export interface NextStep {
  /** As on a button. */
  readonly label: string;
  take(): unknown;
}

/**
 * How a task ends where nothing has gone wrong: there is nothing to do, or something else comes first. It is told as
 * news and never as a fault. Steps stay in the process that made them; `isOutcome` knows one that came from another
 * process too.
 */
export class Outcome extends UserError {
  constructor(
    message: string,
    readonly steps: readonly NextStep[] = [],
  ) {
    super(message);
    this.name = 'Outcome';
  }
}

export const isOutcome = (error: unknown): error is UserError => error instanceof UserError && error.name === 'Outcome';
