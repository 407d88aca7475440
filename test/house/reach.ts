/**
 * Two rules on what the product holds: each declaration is reached from an entry point, so that nothing is kept for the
 * tests alone; and each export is imported, by the product or by a test of what the product reaches.
 */
import { fileFinder, type Import, type Node, nameOf, type Source, walk } from './sources';

/** Entry point -> its exports that are called from outside. What it does when it is loaded needs no name. */
export type Entries = Readonly<Record<string, readonly string[]>>;

/** A name of another file. */
interface Link {
  readonly file: string;
  readonly name: string;
}

/** The names at the top of a file. */
interface Names {
  /** Declaration -> names that its code uses: too many where a local hides the one at the top, never too few. */
  readonly declared: ReadonlyMap<string, ReadonlySet<string>>;
  /** Of the declared, what is worked out when the file is loaded: in an entry point for its effects. */
  readonly variables: readonly string[];
  /** Names that are used when the file is loaded, outside any declaration. */
  readonly onLoad: ReadonlySet<string>;
  readonly imported: ReadonlyMap<string, Link>;
  /** Exported name -> declaration or import of this file. */
  readonly exported: ReadonlyMap<string, string>;
  /** Exported name -> what `export ... from` passes on; '*' for all of some files. */
  readonly passedOn: ReadonlyMap<string, Link>;
  readonly passedOnWhole: readonly string[];
  /** Files that are loaded with this one, and of those, or of their types, the ones that are taken as a whole. */
  readonly loads: readonly string[];
  readonly whole: readonly string[];
}

/** One sentence per declaration that no entry point reaches: nothing uses it, or only tests do. */
export function unreached(sources: readonly Source[], entries: Entries): string[] {
  const find = fileFinder(sources);
  const files = new Map(sources.map((source) => [source.file, namesOf(source, find)]));
  const done = new Set<string>();
  const once = (key: string) => !done.has(key) && done.add(key);

  const load = (file: string): void => {
    const names = files.get(file);
    if (names === undefined || !once(file)) return;
    for (const name of names.onLoad) use(file, name);
    for (const other of names.loads) load(other);
    for (const other of names.whole) take({ file: other, name: '*' });
  };
  const use = (file: string, name: string): void => {
    const names = files.get(file);
    if (names === undefined || !once(`${file}#${name}`)) return;
    load(file);
    const link = names.imported.get(name);
    if (link !== undefined) take(link);
    for (const used of names.declared.get(name) ?? []) use(file, used);
  };
  const take = ({ file, name }: Link): void => {
    const names = files.get(file);
    if (names === undefined || !once(`${file}>${name}`)) return;
    const local = names.exported.get(name);
    if (local !== undefined) use(file, local);
    const link = names.passedOn.get(name);
    if (link !== undefined) take(link);
    else if (local === undefined) for (const other of names.passedOnWhole) take({ file: other, name });
    if (name === '*')
      for (const each of [...names.exported.keys(), ...names.passedOn.keys()]) take({ file, name: each });
  };

  for (const [file, called] of Object.entries(entries)) {
    load(file);
    for (const name of files.get(file)?.variables ?? []) use(file, name);
    for (const name of called) take({ file, name });
  }
  return [...files].flatMap(([file, { declared }]) =>
    [...declared.keys()]
      .filter((name) => !done.has(`${file}#${name}`))
      .map((name) => `${file}: no entry point reaches ${name}`),
  );
}

/** One sentence per export that neither another file of the product nor any of `others`, its tests, imports. */
export function unsharedExports(sources: readonly Source[], others: readonly Source[], entries: Entries): string[] {
  const find = fileFinder(sources);
  const taken = new Set<string>();
  for (const imported of [...sources, ...others].flatMap((source) => source.imports)) {
    const file = find(imported)?.file;
    if (file !== undefined) for (const { theirs } of imported.names) taken.add(`${file}#${theirs}`);
  }
  return sources.flatMap((source) => {
    const { file } = source;
    const { exported, passedOn } = namesOf(source, find);
    return [...exported.keys(), ...passedOn.keys()]
      .filter((name) => !taken.has(`${file}#${name}`) && !taken.has(`${file}#*`) && !entries[file]?.includes(name))
      .map((name) => `${file}: no other file imports ${name}`);
  });
}

function namesOf(source: Source, find: (imported: Import) => Source | undefined): Names {
  const declared = new Map<string, ReadonlySet<string>>();
  const exported = new Map<string, string>();
  const onLoad = new Set<string>();
  const variables: string[] = [];
  for (const statement of source.program.body as Node[]) {
    if (statement.type === 'ImportDeclaration' || statement.type === 'ExportAllDeclaration') continue;
    const isExport = statement.type.startsWith('Export');
    for (const { local, exported: name } of isExport && !statement.source ? specifiersOf(statement) : []) {
      exported.set(nameOf(name), nameOf(local));
    }
    const declaration = (isExport ? statement.declaration : statement) as Node | null;
    if (!declaration) continue;
    const parts = declaration.type === 'VariableDeclaration' ? (declaration.declarations as Node[]) : [declaration];
    for (const part of parts) {
      const names = statement.type === 'ExportDefaultDeclaration' ? ['default'] : declaredBy(part);
      for (const name of names) {
        // Overloads and merged declarations are one.
        declared.set(name, new Set([...(declared.get(name) ?? []), ...usedIn(part)]));
        if (isExport) exported.set(name, name);
        if (part.type === 'VariableDeclarator') variables.push(name);
      }
      if (names.length === 0) for (const used of usedIn(part)) onLoad.add(used);
    }
  }
  return { declared, variables, onLoad, exported, ...linksOf(source, find) };
}

function linksOf(source: Source, find: (imported: Import) => Source | undefined) {
  const imported = new Map<string, Link>();
  const passedOn = new Map<string, Link>();
  const passedOnWhole: string[] = [];
  const loads: string[] = [];
  const whole: string[] = [];
  for (const each of source.imports) {
    const file = find(each)?.file;
    if (file === undefined) continue;
    if (!each.typeOnly) loads.push(file);
    for (const { theirs, ours } of each.names) {
      if (ours !== undefined) (each.passedOn ? passedOn : imported).set(ours, { file, name: theirs });
      else (each.passedOn ? passedOnWhole : whole).push(file);
    }
  }
  return { imported, passedOn, passedOnWhole, loads, whole };
}

const specifiersOf = (statement: Node) => (statement.specifiers ?? []) as Node[];

/** Names that a statement, or a declarator of one, gives to the file. */
function declaredBy(node: Node): string[] {
  if (node.type === 'VariableDeclarator') return boundBy(node.id as Node);
  const declares = /^(?:Function|Class|TSDeclareFunction|TSInterface|TSTypeAlias|TSEnum|TSModule)/.test(node.type);
  return declares && node.id ? [nameOf(node.id)] : [];
}

/** Names that a pattern binds: `a`, `{ a, b: c }`, `[a, ...b]`. */
function boundBy(pattern: Node): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [nameOf(pattern)];
    case 'ObjectPattern':
      return (pattern.properties as Node[]).flatMap((each) => boundBy((each.value ?? each.argument) as Node));
    case 'ArrayPattern':
      return (pattern.elements as (Node | null)[]).flatMap((each) => (each === null ? [] : boundBy(each)));
    case 'AssignmentPattern':
      return boundBy(pattern.left as Node);
    case 'RestElement':
      return boundBy(pattern.argument as Node);
    default:
      return [];
  }
}

/** Parts of a node that name something of their owner's, not something that a scope holds. */
const MEMBER_PARTS: Readonly<Record<string, string>> = {
  MemberExpression: 'property',
  MethodDefinition: 'key',
  Property: 'key',
  PropertyDefinition: 'key',
  TSEnumMember: 'id',
  TSMethodSignature: 'key',
  TSPropertySignature: 'key',
  TSQualifiedName: 'right',
};

/** Names that a piece of code uses, its own among them. */
function usedIn(node: Node): Set<string> {
  const used = new Set<string>();
  const members = new Set<unknown>();
  walk(node, (each) => {
    const part = MEMBER_PARTS[each.type];
    if (part !== undefined && !each.computed && !each.shorthand) members.add(each[part]);
    if (each.type === 'Identifier' && !members.has(each)) used.add(nameOf(each));
  });
  return used;
}
