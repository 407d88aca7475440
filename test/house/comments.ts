/** Comments are wrapped at the width that the formatter gives to code. */
import type { Source } from './sources';

/** As biome.json says; the formatter itself leaves comments alone. */
export const WIDTH = 120;

/** One sentence per line of a comment that is too wide. A word that cannot be broken, such as an address, may be. */
export function wideComments(sources: readonly Source[]): string[] {
  return sources.flatMap(({ file, text, comments }) => {
    const lines = text.split('\n');
    const wide = comments.flatMap(({ firstLine, lastLine }) =>
      lines.slice(firstLine - 1, lastLine).flatMap((line, index) => {
        const words = line.trim().split(/\s+/);
        return line.length > WIDTH && words.length > 2 ? [firstLine + index] : [];
      }),
    );
    return [...new Set(wide)].map((line) => `${file}:${line}: a comment goes past column ${WIDTH}`);
  });
}
