/** Long functions, and the reasons that their comments give. */
import { forEachPart, type Node, nameOf, type Source } from './sources';

/** Lines that a function may have without a reason. */
export const MOST_LINES = 60;

/** How the comment of a longer one begins its reason, above the function or in its first lines. */
const REASON = /\bOne piece, because\s+\S/;

const FUNCTIONS = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'];

export interface FunctionSpan {
  readonly file: string;
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** One sentence per function that is too long and says no reason. */
export function longFunctions(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const long = functionsOf(source).filter(({ lines }) => lines > MOST_LINES);
    const reasons = long.length > 0 ? source.comments.filter(({ text }) => REASON.test(plain(text))) : [];
    return long
      .filter(({ line }) => !reasons.some(({ firstLine, lastLine }) => lastLine >= line - 1 && firstLine <= line + 3))
      .map(({ file, line, name, lines }) => `${file}:${line}: ${name} has ${lines} lines, more than ${MOST_LINES}`);
  });
}

/** Every function with a body, those inside others too. */
export function functionsOf(source: Source): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  const visit = (node: Node, name: string | undefined, start: number): void => {
    if (FUNCTIONS.includes(node.type) && node.body !== null) {
      const line = source.lineAt(start);
      const own = node.id ? nameOf(node.id) : name;
      found.push({ file: source.file, name: own ?? 'a function', line, lines: source.lineAt(node.end) - line + 1 });
    }
    const named = nameFor(node);
    forEachPart(node, (part) => visit(part, named, named === undefined ? part.start : node.start));
  };
  visit(source.program, undefined, 0);
  return found;
}

/** The name that a node gives to the function that is its value. */
function nameFor(node: Node): string | undefined {
  switch (node.type) {
    case 'VariableDeclarator':
      return nameOf(node.id);
    case 'MethodDefinition':
    case 'PropertyDefinition':
    case 'Property':
      return nameOf(node.key);
    default:
      return undefined;
  }
}

/** A comment's words in one line. */
const plain = (comment: string): string => comment.replace(/\s*\n\s*\*?\s*/g, ' ');
