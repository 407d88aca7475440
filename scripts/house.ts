/**
 * npm run house: the house in numbers, as the house rules read it. Of each folder of the product its files and lines,
 * and what a drawing of its dependencies would show: boxes (files and folders directly in it) and arrows between them.
 * Then the longest files and functions.
 */
import path from 'node:path';
import { textTable } from '../src/cli/textTable';
import { readCommandLine } from '../test/commandLine';
import { functionsOf } from '../test/house/functions';
import { arrowsOf } from '../test/house/rooms';
import { readSources, type Source } from '../test/house/sources';

const { values, positionals } = readCommandLine({
  command: 'npm run house --',
  about: 'Files, lines and arrows of each folder; the longest files and functions.',
  arguments: { names: '[<another checkout>]', least: 0, most: 1 },
  options: { longest: { type: 'string', default: '10', value: 'n', about: 'how many of the longest' } },
});

const root = path.resolve(positionals[0] ?? path.resolve(__dirname, '..', '..'));
const product = readSources(root, ['src', 'webview']);
const longest = Number(values.longest);

const linesOf = ({ text }: Source): number => text.split('\n').length - 1;
const sum = (sources: readonly Source[]): number => sources.reduce((total, source) => total + linesOf(source), 0);

/** A row for a folder: what is in it at any depth, and the boxes and arrows of what is directly in it. */
function rowOf(folder: string): string[] {
  const inside = product.filter(({ file }) => file.startsWith(`${folder}/`));
  const arrows = arrowsOf(inside, (file) => file.slice(folder.length + 1).split('/')[0]);
  const count = [...arrows].flatMap(([from, to]) => [...to].filter((each) => each !== from)).length;
  return [folder, ...[inside.length, sum(inside), arrows.size, count].map(String)];
}

const folders = new Set(
  product.flatMap(({ file }) => {
    const parts = path.posix.dirname(file).split('/');
    return parts.map((_, depth) => parts.slice(0, depth + 1).join('/'));
  }),
);
console.log(textTable(['folder', 'files', 'lines', 'boxes', 'arrows'], [...folders].sort().map(rowOf)));
console.log(
  `\n${sum(product)} lines of the product, ${sum(readSources(root, ['test', 'scripts']))} of tests and scripts\n`,
);

const files = product.map((source) => [source.file, linesOf(source)] as const).sort((a, b) => b[1] - a[1]);
console.log(
  textTable(
    ['longest files', 'lines'],
    files.slice(0, longest).map(([file, lines]) => [file, String(lines)]),
  ),
);

const functions = product.flatMap(functionsOf).sort((a, b) => b.lines - a.lines);
const rows = functions
  .slice(0, longest)
  .map(({ file, line, name, lines }) => [`${file}:${line} ${name}`, String(lines)]);
console.log(`\n${textTable(['longest functions', 'lines'], rows)}`);
