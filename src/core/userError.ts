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

/** Words of others for a sentence of ours, such as the reason that a parser gives with a piece of the file in it. */
export const oneLine = (text: string): string => text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
