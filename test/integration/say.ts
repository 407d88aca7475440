/** The voice of the suite: lines that can be told from what else VS Code prints. */
import { format } from 'node:util';

/** Begins each line; the test host shows no other. */
const MARK = '│ ';

/** As `console.log`. Whole lines, because not every VS Code fills in what `console.log` is told to. */
export function say(...parts: unknown[]): void {
  console.log(format(...parts).replaceAll(/^/gm, MARK));
}
