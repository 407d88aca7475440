/** Pages say what is there: links lead somewhere, the README is short, and the map is that of the sources. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { HOUSES } from './house/rooms';

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

describe('docs/architecture.md', () => {
  const page = read('docs/architecture.md');

  it('draws every room above those that it imports', () => {
    const picture = /^extension\.ts.*?(?=^```)/ms.exec(page)![0];
    const lines = picture.split('\n').map((line) => line.split(/ {3,}/)[0].split(/ +/));
    const rankOf = (room: string) => lines.findIndex((rooms) => rooms.includes(room));
    const drawn = Object.keys(HOUSES).filter((room) => room !== 'dispose');
    for (const room of drawn) {
      expect(rankOf(room), room).toBeGreaterThan(-1);
      const below = (HOUSES[room]?.imports ?? []).filter((other) => drawn.includes(other));
      for (const other of below) expect(rankOf(other), `${room} imports ${other}`).toBeGreaterThan(rankOf(room));
    }
  });

  it('says of every package why it is there', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, object>;
    const [, table] = page.split('## Packages');
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      expect(table, name).toMatch(new RegExp(`^\\| ([^|]*, )?${name}[, ]`, 'm'));
    }
  });

  it.each(['docs/architecture.md', 'CONTRIBUTING.md'])('%s names folders and files that are there', (file) => {
    const named = [...read(file).matchAll(/`([\w.-]+(?:\/[\w.-]+)+)`/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(5);
    const isThere = (name: string) => ['', 'src'].some((from) => existsSync(path.join(root, from, name)));
    expect(named.filter((name) => !isThere(name))).toEqual([]);
  });
});
