/** How commands tell of errors: a sentence to the person, everything else to the log. */
import * as vscode from 'vscode';
import { UserError } from '../core/userError';

const SHOW_LOG = 'Show Log';
const DOWNLOAD = 'Download Model...';

/**
 * Runs a command. A UserError is shown as it is, cancelling is silent, and anything else is called unexpected and logged
 * with its stack.
 */
export async function failable(log: vscode.LogOutputChannel, command: () => unknown): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (isCancellation(error)) return;
    tell(log, error);
  }
}

/** Shows an error; does not wait for the person to close it. */
export function tell(log: vscode.LogOutputChannel, error: unknown): void {
  const isUserError = error instanceof UserError;
  const reason = error instanceof Error ? error.message : String(error);
  log.error(error instanceof Error && (error.stack ?? error.message) ? (error.stack ?? reason) : reason);
  const sentence = isUserError ? reason : `Something unexpected went wrong: ${reason.replace(/\.$/, '')}.`;
  // The error may come from another process, which only its name survives.
  const offers = error instanceof Error && error.name === 'ModelMissingError' ? [DOWNLOAD] : [];
  void vscode.window.showErrorMessage(sentence, ...offers, SHOW_LOG).then((choice) => {
    if (choice === SHOW_LOG) log.show();
    if (choice === DOWNLOAD) void vscode.commands.executeCommand('apMedSam.downloadModel');
  });
}

export const isCancellation = (error: unknown): boolean =>
  error instanceof vscode.CancellationError || (error instanceof Error && error.name === 'AbortError');

/** A signal that aborts with a cancellation token. */
export function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new vscode.CancellationError());
  if (token.isCancellationRequested) abort();
  else token.onCancellationRequested(abort);
  return controller.signal;
}
