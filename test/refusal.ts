/** What a person is told. */
import { expect } from 'vitest';
import { UserError } from '../src/core/userError';

/** The sentence with which `promise` rejects; fails unless it is a UserError. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}
