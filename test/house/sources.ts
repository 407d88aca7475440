/**
 * The sources as the house rules read them: the text, its syntax tree, and the imports.
 *
 * TypeScript 7 has no parser that a program can call; the one here is vite's, which vitest brings with it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { parseSync } from 'vite';

const CODE = /(?<!\.d)\.(?:[cm]?tsx?|mjs)$/;

/** A node of the syntax tree (ESTree with TypeScript's nodes); `start` and `end` count UTF-16 units of the text. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [part: string]: unknown;
}

/** Lines count from 1. */
export interface Comment {
  readonly text: string;
  readonly firstLine: number;
  readonly lastLine: number;
}

export interface Import {
  readonly file: string;
  /** As written, such as './mask' or 'sharp'. */
  readonly specifier: string;
  /** Path of the file meant, without extension, where the specifier is relative; else the package name. */
  readonly target: string;
  readonly relative: boolean;
  /** `import type` or `export type`: nothing is left of it at run time. */
  readonly typeOnly: boolean;
  readonly names: readonly ImportedName[];
  /** `export ... from`. */
  readonly passedOn: boolean;
}

/** A name in the file that is meant, or '*' for all of it, and its name here. */
interface ImportedName {
  readonly theirs: string;
  readonly ours: string | undefined;
  /** `import { type A }`. */
  readonly type: boolean;
}

export class Source {
  #parsed: ReturnType<typeof parseSync> | undefined;
  #imports: readonly Import[] | undefined;
  #lineStarts: readonly number[] | undefined;

  /** `file`: path from the repository's root with forward slashes. */
  constructor(
    readonly file: string,
    readonly text: string,
  ) {}

  get program(): Node {
    return this.#parse().program as unknown as Node;
  }

  get comments(): readonly Comment[] {
    return this.#parse().comments.map(({ value, start, end }) => ({
      text: value,
      firstLine: this.lineAt(start),
      lastLine: this.lineAt(end),
    }));
  }

  /** Static imports, re-exports, dynamic imports, types by `import('x')`, and requires. */
  get imports(): readonly Import[] {
    if (this.#imports === undefined) {
      const found: Import[] = [];
      walk(this.program, (node) => {
        const imported = importIn(this.file, node);
        if (imported !== undefined) found.push(imported);
      });
      this.#imports = found;
    }
    return this.#imports;
  }

  /** Line of a place in the text, from 1. */
  lineAt(offset: number): number {
    this.#lineStarts ??= [0, ...[...this.text.matchAll(/\n/g)].map(({ index }) => index + 1)];
    let [low, high] = [0, this.#lineStarts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle] <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }

  #parse(): ReturnType<typeof parseSync> {
    this.#parsed ??= parseSync(this.file, this.text);
    const [error] = this.#parsed.errors;
    if (error !== undefined) throw new Error(`${this.file}: ${error.message}`);
    return this.#parsed;
  }
}

/** Sources of some folders. */
export function readSources(root: string, folders: readonly string[]): readonly Source[] {
  return folders
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && CODE.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((full) => new Source(path.relative(root, full).split(path.sep).join('/'), readFileSync(full, 'utf8')))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** Sources out of nothing, for the rules' own tests: path -> text. */
export const sourcesFrom = (files: Readonly<Record<string, string>>): readonly Source[] =>
  Object.entries(files).map(([file, text]) => new Source(file, text));

export const withoutExtension = (file: string): string => file.replace(CODE, '');

/** Finds the file that a relative import means, also by the name of its folder. */
export function fileFinder(sources: readonly Source[]): (imported: Import) => Source | undefined {
  const byPath = new Map(sources.map((source) => [withoutExtension(source.file), source]));
  return ({ target, relative }) => (relative ? (byPath.get(target) ?? byPath.get(`${target}/index`)) : undefined);
}

/** Visits a node, then all nodes under it. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  forEachPart(node, (part) => walk(part, visit));
}

/** Parts of a node that are nodes themselves. */
export function forEachPart(node: Node, visit: (part: Node) => void): void {
  for (const name in node) {
    const part = node[name];
    if (Array.isArray(part)) {
      for (const one of part) if (isNode(one)) visit(one);
    } else if (isNode(part)) {
      visit(part);
    }
  }
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';

function importIn(file: string, node: Node): Import | undefined {
  const all = [{ theirs: '*', ours: undefined, type: false }];
  switch (node.type) {
    case 'ImportDeclaration':
      return importOf(file, node.source, node.importKind === 'type', (node.specifiers as Node[]).map(importedName));
    case 'ExportNamedDeclaration':
      return importOf(file, node.source, node.exportKind === 'type', (node.specifiers as Node[]).map(passedName), true);
    case 'ExportAllDeclaration':
      return importOf(file, node.source, node.exportKind === 'type', all, true);
    case 'ImportExpression':
      return importOf(file, node.source, false, all);
    case 'TSImportType':
      return importOf(file, node.source ?? node.argument, true, all);
    case 'TSExternalModuleReference':
      return importOf(file, node.expression, false, all);
    case 'CallExpression':
      return isRequire(node.callee as Node) ? importOf(file, (node.arguments as Node[])[0], false, all) : undefined;
    default:
      return undefined;
  }
}

function importOf(
  file: string,
  source: unknown,
  typeOnly: boolean,
  names: readonly ImportedName[],
  passedOn = false,
): Import | undefined {
  const specifier = textOf(source);
  if (specifier === undefined) return undefined;
  const relative = specifier.startsWith('.');
  const target = relative
    ? path.posix.join(path.posix.dirname(file), specifier).replace(/\.[cm]?[jt]sx?$/, '')
    : packageName(specifier);
  return { file, specifier, target, relative, typeOnly, names, passedOn };
}

const importedName = ({ type, imported, local, importKind }: Node) => ({
  theirs: type === 'ImportSpecifier' ? nameOf(imported) : type === 'ImportDefaultSpecifier' ? 'default' : '*',
  ours: nameOf(local),
  type: importKind === 'type',
});

const passedName = ({ local, exported, exportKind }: Node) => ({
  theirs: nameOf(local),
  ours: nameOf(exported),
  type: exportKind === 'type',
});

/** An identifier's name, or the text of a string that stands for one. */
export const nameOf = (node: unknown): string => {
  const { name, value } = node as { name?: string; value?: string };
  return name ?? value ?? '';
};

function textOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'TSLiteralType') return textOf(node.literal);
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  const quasis = node.type === 'TemplateLiteral' ? (node.quasis as { value: { cooked: string } }[]) : [];
  return quasis.length === 1 ? quasis[0].value.cooked : undefined;
}

function isRequire(callee: Node): boolean {
  if (callee.type === 'Identifier') return callee.name === 'require';
  return (
    callee.type === 'MemberExpression' && nameOf(callee.object) === 'require' && nameOf(callee.property) === 'resolve'
  );
}

function packageName(specifier: string): string {
  if (specifier.startsWith('node:') || builtinModules.includes(specifier.split('/')[0])) return 'node';
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
