/** What a long bench has measured: a JSON line per row, written as it comes, so that no stop loses it. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';

/** The rows of a file, none where there is no file; a last line that a stop has cut short is cut off. */
export function readRows<Row>(file: string): Row[] {
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) truncateSync(file, end);
  return bytes
    .toString('utf8', 0, end)
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Row => JSON.parse(line));
}

export const appendRow = <Row>(file: string, row: Row): void => appendFileSync(file, `${JSON.stringify(row)}\n`);
