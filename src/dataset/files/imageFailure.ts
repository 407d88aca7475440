/** What an engine's error says about the one image that it was asked about. */
import { NoEngineError, UserError } from '../../core/userError';

/**
 * A failure of one image, as a sentence that names it. Whatever goes wrong in an engine concerns the image in hand, but
 * for engines that do not start: a NoEngineError is thrown on, since every other image would meet it as well.
 *
 * @param path absolute path of the image
 * @param done what could not be done with it
 */
export function imageFailure(path: string, error: unknown, done = 'segmented'): UserError {
  if (error instanceof NoEngineError) throw error;
  if (error instanceof UserError && error.message.includes(path)) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new UserError(`${path} could not be ${done}: ${reason.replace(/\.$/, '')}.`, { cause: error });
}
