/** Tables for people; valid Markdown, so that a report can be pasted. */
import { printable } from './printable';

/** Aligned columns: the first is text, the others are right-aligned. Every row has as many cells as the header. */
export function textTable(header: readonly string[], cells: readonly (readonly string[])[]): string {
  // A bar would end the cell, a line break the row.
  const rows = cells.map((row) => row.map((cell) => printable(cell).replaceAll('|', '\\|')));
  const widths = header.map((title, i) => Math.max(title.length, 3, ...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ');
  return [line(header), `| ${rule} |`, ...rows.map(line)].join('\n');
}
