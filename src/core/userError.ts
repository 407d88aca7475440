/** An error whose message is one sentence fit to show to a person; anything else goes to the log. */
export class UserError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'UserError';
  }
}
