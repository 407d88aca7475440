/** What a bench says: Markdown for people, or one JSON object per row for programs. */
import { textTable } from '../../src/cli/textTable';

export interface Printer {
  /** Every row has as many cells as the header, whose titles are all different. */
  table(title: string, header: readonly string[], rows: readonly (readonly string[])[]): void;
  /** A sentence beside the tables. */
  say(sentence: string): void;
}

/** @param json rows as JSON lines on the standard output, and sentences on standard error */
export function printerOf({ json }: { readonly json: boolean }): Printer {
  if (!json) {
    return {
      table: (title, header, rows) => console.log(`\n### ${title}\n\n${textTable(header, rows)}`),
      say: (sentence) => console.log(`\n${sentence}`),
    };
  }
  return {
    table: (title, header, rows) => {
      for (const row of rows) console.log(JSON.stringify(jsonRow(title, header, row)));
    },
    say: (sentence) => console.error(sentence),
  };
}

/** A row under its titles, with the table's; cells that are numbers as numbers. */
export function jsonRow(
  table: string,
  header: readonly string[],
  row: readonly string[],
): Record<string, string | number> {
  const number = (cell: string) => (/^[+-]?\d+(\.\d+)?(e[+-]\d+)?$/.test(cell) ? Number(cell) : cell);
  return { table, ...Object.fromEntries(header.map((title, column) => [title, number(row[column])])) };
}
