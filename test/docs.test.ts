/** Pages say what is there: links lead somewhere, the README is short, and the table of stages is that of the code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { NO_ABLATION } from '../src/core/strategies/strategy';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

const isOurs = (file: string): boolean => !/(^|\/)(node_modules|venv|dist)\//.test(file);
const filesIn = (folder: string, suffix: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => path.posix.join(folder, file.split(path.sep).join('/')))
    .filter((file) => file.endsWith(suffix) && isOurs(file));

const pages = [
  ...readdirSync(root).filter((file) => file.endsWith('.md')),
  ...['docs', 'models', 'test', 'webview/media'].flatMap((folder) => filesIn(folder, '.md')),
];

/** Anchor of a heading as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

const headingsOf = (page: string): string[] => [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading!);

describe('pages', () => {
  it('are found', () => {
    expect(pages).toEqual(expect.arrayContaining(['README.md', 'docs/method.md', 'models/train/README.md']));
  });

  it.each(pages)('%s links to what is there', (page) => {
    for (const [, link] of read(page).matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      const [file, anchor] = link!.split('#');
      const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file!);
      expect(existsSync(path.join(root, target)), link).toBe(true);
      if (anchor) expect(headingsOf(target).map(anchorOf), link).toContain(anchor);
    }
  });

  it('start with a README of at most 150 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(151);
  });
});

describe('docs/method.md', () => {
  const rows = [...read('docs/method.md').matchAll(/^\| \[([^\]]+)\]\(#[^)]+\) \|(.*)\|$/gm)].map(([, name, rest]) => {
    const [, switchKey, timings, file] = rest!.split('|').map((cell) => cell.trim());
    const words = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, word]) => word!);
    return { name: name!, switches: words(switchKey), timings: words(timings), files: words(file) };
  });

  it('has a section for each stage of its table', () => {
    const sections = headingsOf('docs/method.md').slice(1);
    expect(rows.length).toBeGreaterThan(20);
    for (const { name } of rows) expect(sections).toContain(name);
  });

  it('has every switch', () => {
    const switches = new Set(rows.flatMap((row) => row.switches).filter((key) => !key.startsWith('--')));
    expect([...switches].sort()).toEqual(Object.keys(NO_ABLATION).sort());
  });

  it('has every timing', () => {
    const named = ['src/core', 'src/engine']
      .flatMap((folder) => filesIn(folder, '.ts'))
      .flatMap((file) => [...read(file).matchAll(/\bstage\(\s*'([^']+)'/g)].map(([, name]) => name!));
    const timings = new Set(rows.flatMap((row) => row.timings));
    expect([...timings].sort()).toEqual([...new Set(named)].sort());
  });

  it('names files that are there', () => {
    for (const file of rows.flatMap((row) => row.files))
      expect(existsSync(path.join(root, 'src/core', file))).toBe(true);
  });
});
