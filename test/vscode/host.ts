/** Whether the tests beside this file can run, as the set-up of their project found. */
import { describe, inject } from 'vitest';
import type { NoHost, VsCodeHost } from './install';

declare module 'vitest' {
  interface ProvidedContext {
    vscodeHost: VsCodeHost | NoHost;
  }
}

const found = inject('vscodeHost');

/** As `describe`, skipped where there is no VS Code. */
export const describeInVsCode = describe.skipIf('reason' in found);

/** For use inside `describeInVsCode`. */
export function vscodeHost(): VsCodeHost {
  if ('reason' in found) throw new Error(found.reason);
  return found;
}
