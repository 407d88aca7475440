/** The stages of the method have one name each: that of docs/method.md, whose table says where each one is. */
import { type Node, nameOf, type Source, walk } from './sources';

/** A row of the table of all stages. */
interface Stage {
  readonly name: string;
  /** Keys of `Ablation` among the words that switch it off. */
  readonly switches: readonly string[];
  readonly timings: readonly string[];
  /** Path from the repository's root. */
  readonly file: string;
}

/** Where the files of the table's fifth column are. */
const CORE = 'src/core/';

/** How comments cite: stage *trust*, or stages *adaptation*, *refinement* and *specks*. */
const CITED = /\bstages?\s+(\*[^*]+\*(?:(?:,|,? and|,? or)\s+\*[^*]+\*)*)/gi;

/** A letter in place of the name: no page in this repository explains it. */
const LETTER = /\bstages?\s+[A-Z]\b(?:\.\d+)?/g;

/** One sentence per name that the page and the code do not share. */
export function methodOffences(page: string, sources: readonly Source[], switches: readonly string[]): string[] {
  const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, name]) => name);
  const stages = stagesOf(page);
  const known = new Set(headings);
  const cited = new Map(sources.map((source) => [source.file, citationsIn(source)]));
  const timings = new Set(sources.filter(({ file }) => file.startsWith('src/')).flatMap(timingsIn));
  const offences: string[] = [];
  for (const source of sources) {
    for (const name of cited.get(source.file) ?? []) {
      if (!known.has(name)) offences.push(`${source.file}: the method has no stage *${name}*`);
    }
    for (const { text } of source.comments) {
      for (const [letter] of plain(text).matchAll(LETTER)) offences.push(`${source.file}: '${letter}' has a name`);
    }
  }
  for (const { name, file } of stages) {
    if (!cited.get(file)?.includes(name))
      offences.push(`${file}: does not cite stage *${name}*, which is said to be there`);
  }
  const compare = (what: string, inPage: Iterable<string>, inCode: Iterable<string>) => {
    const [told, there] = [new Set(inPage), new Set(inCode)];
    for (const each of there) if (!told.has(each)) offences.push(`docs/method.md: no ${what} ${each} in its table`);
    for (const each of told) if (!there.has(each)) offences.push(`docs/method.md: ${what} ${each} is not there`);
  };
  compare(
    'stage',
    stages.map(({ name }) => name),
    headings,
  );
  compare(
    'switch',
    stages.flatMap((stage) => stage.switches),
    switches,
  );
  compare(
    'timing',
    stages.flatMap((stage) => stage.timings),
    timings,
  );
  return offences;
}

/** Rows of the table whose first column links to a heading. */
function stagesOf(page: string): Stage[] {
  return [...page.matchAll(/^\| \[([^\]]+)\]\(#[^)]*\) \|(.*)\|$/gm)].map(([, name, row]) => {
    const [, switches, timings, file] = row.split('|').map(codeIn);
    return { name, switches: switches.filter((each) => !each.startsWith('--')), timings, file: `${CORE}${file[0]}` };
  });
}

const codeIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);

const citationsIn = ({ comments }: Source): string[] =>
  comments.flatMap(({ text }) =>
    [...plain(text).matchAll(CITED)].flatMap(([, names]) =>
      [...names.matchAll(/\*([^*]+)\*/g)].map(([, name]) => name),
    ),
  );

/** Names under which a source times its stages: `stage('match', ...)` and `runner.stage('match', ...)`. */
function timingsIn(source: Source): string[] {
  const found: string[] = [];
  walk(source.program, (node) => {
    if (node.type !== 'CallExpression') return;
    const callee = node.callee as Node;
    const called = callee.type === 'MemberExpression' ? nameOf(callee.property) : nameOf(callee);
    const [name] = node.arguments as Node[];
    if (called === 'stage' && name?.type === 'Literal') found.push(String(name.value));
  });
  return found;
}

/** A comment's words in one line. */
const plain = (comment: string): string => comment.replace(/\s*\n\s*\*?\s*/g, ' ');
