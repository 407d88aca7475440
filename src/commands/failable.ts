/** How commands tell of outcomes and of errors: a sentence to the person, everything else to the log. */
import * as vscode from 'vscode';
import { isOutcome, type NextStep, Outcome, UserError } from '../core/userError';
import { commandId } from '../protocol/contributions';

const SHOW_LOG = 'Show Log';
const DOWNLOAD = 'Download Model...';

/** Runs a command and tells how it ended, where that was not as asked for; see `tell`. */
export async function failable(log: vscode.LogOutputChannel, command: () => unknown): Promise<void> {
  try {
    await command();
  } catch (error) {
    tell(log, error);
  }
}

/**
 * Cancelling is silent. An Outcome is news, with its next steps as buttons. A UserError is shown as it is, and anything
 * else is called unexpected and logged with its stack. Does not wait for the person to close what is shown.
 */
export function tell(log: vscode.LogOutputChannel, error: unknown): void {
  if (isCancellation(error)) return;
  if (isOutcome(error)) tellOutcome(log, error);
  else tellError(log, error);
}

function tellOutcome(log: vscode.LogOutputChannel, outcome: UserError): void {
  log.info(outcome.message);
  const steps: readonly NextStep[] = outcome instanceof Outcome ? outcome.steps : [];
  const shown = vscode.window.showInformationMessage(outcome.message, ...steps.map(({ label }) => label));
  void shown.then((choice) => failable(log, () => steps.find(({ label }) => label === choice)?.take()));
}

function tellError(log: vscode.LogOutputChannel, error: unknown): void {
  const isUserError = error instanceof UserError;
  const reason = error instanceof Error ? error.message : String(error);
  log.error(error instanceof Error && (error.stack ?? error.message) ? (error.stack ?? reason) : reason);
  const sentence = isUserError ? reason : `Something unexpected went wrong: ${reason.replace(/\.$/, '')}.`;
  // The error may come from another process, which only its name survives.
  const offers = error instanceof Error && error.name === 'ModelMissingError' ? [DOWNLOAD] : [];
  void vscode.window.showErrorMessage(sentence, ...offers, SHOW_LOG).then((choice) => {
    if (choice === SHOW_LOG) log.show();
    if (choice === DOWNLOAD) void vscode.commands.executeCommand(commandId('downloadModel'));
  });
}

const isCancellation = (error: unknown): boolean =>
  error instanceof vscode.CancellationError || (error instanceof Error && error.name === 'AbortError');

/** A signal that aborts with a cancellation token. */
export function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new vscode.CancellationError());
  if (token.isCancellationRequested) abort();
  else token.onCancellationRequested(abort);
  return controller.signal;
}
