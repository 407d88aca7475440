/** What has to stand in two places stands there alike: settings, packages, platforms, versions, options in pages. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { capabilities, contributes, dependencies, devDependencies, engines, scripts } from '../package.json';
import { CACHE_BYTES } from '../src/cli/cacheCommands';
import type { Command } from '../src/cli/command';
import { engineOptions } from '../src/cli/options';
import { segment } from '../src/cli/segmentCommand';
import { benches } from './bench/benches';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const load = async <T>(file: string): Promise<T> => (await import(path.join(root, file))) as T;
const found = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, first]) => first);

describe('settings', () => {
  const settings: Readonly<Record<string, { readonly default: unknown; readonly enum?: readonly string[] }>> =
    contributes.configuration.properties;
  const names = Object.keys(settings).map((name) => name.replace('apMedSam.', ''));

  it('are read, each of them and no others', () => {
    const inCode = found(read('src/config.ts'), /(?:setting|\bget)(?:<[^>]+>)?\('(\w+)'\)/g);
    const ofVsCode = inCode.filter((name) => /^(?:proxy|noProxy)/.test(name));
    expect(inCode.filter((name) => !ofVsCode.includes(name)).sort()).toEqual(names.sort());
  });

  it('have the defaults and the choices of the command line', () => {
    expect(settings['apMedSam.overwrite'].default).toBe(segment.options.overwrite.default);
    for (const choice of settings['apMedSam.overwrite'].enum ?? [])
      expect(segment.options.overwrite.help).toContain(choice);
    expect(settings['apMedSam.imageTimeout'].default).toBe(Number(engineOptions['image-timeout'].default));
    expect((settings['apMedSam.cacheSize'].default as number) * 2 ** 20).toBe(CACHE_BYTES);
  });

  it('that an untrusted workspace may not set are settings', () => {
    const restricted = capabilities.untrustedWorkspaces.restrictedConfigurations;
    expect(Object.keys(settings)).toEqual(expect.arrayContaining(restricted));
  });
});

describe('a package', () => {
  it('brings what its bundles leave outside, and nothing else of node_modules', async () => {
    const { RUNTIME } = await load<{ RUNTIME: Readonly<Record<string, readonly string[]>> }>('scripts/targets.mjs');
    const { external } = await load<{ external: readonly string[] }>('esbuild.mjs');
    expect(['vscode', ...Object.keys(RUNTIME)].sort()).toEqual([...external].sort());
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(Object.keys(RUNTIME)));
    const named = found(read('.vscodeignore'), /^!node_modules\/((?:@[^/]+\/)?[^/]+)/gm);
    const ofPlatforms = named.filter((name) => name.startsWith('@img/sharp-'));
    const needed = [...Object.keys(RUNTIME), ...Object.values(RUNTIME).flat()];
    expect([...new Set(named)].filter((name) => !ofPlatforms.includes(name)).sort()).toEqual(needed.sort());
  });

  it('of each platform is tried in the workflow, and weighed in the page of speed', async () => {
    const { TARGETS } = await load<{ TARGETS: Readonly<Record<string, unknown>> }>('scripts/targets.mjs');
    expect(found(read('.github/workflows/package.yml'), /- target: (\S+)/g).sort()).toEqual(
      Object.keys(TARGETS).sort(),
    );
    for (const target of Object.keys(TARGETS)) expect(read('docs/speed.md')).toContain(target);
  });
});

describe('the oldest version', () => {
  const [, oldestNode] = /^>=((\d+)\.\d+)\.\d+$/.exec(engines.node)!;
  const major = oldestNode.split('.')[0];
  const [, oldestCode] = /^\^(\d+\.\d+)\.0$/.exec(engines.vscode)!;

  it('of Node is what bundles are made for, types are of, CI begins with and pages say', () => {
    expect(new Set(found(read('esbuild.mjs'), /target: 'node(\d+)'/g))).toEqual(new Set([major]));
    expect(devDependencies['@types/node']).toMatch(new RegExp(`^\\^${major}\\.`));
    for (const versions of found(read('.github/workflows/ci.yml'), /node: \[([^\]]+)\]/g)) {
      expect(versions.split(',')[0]).toBe(major);
    }
    for (const page of ['README.md', 'CONTRIBUTING.md']) expect(read(page)).toContain(`Node.js ${oldestNode} or newer`);
  });

  it('of VS Code is what types are of and tests run in', () => {
    expect(devDependencies['@types/vscode']).toBe(`~${oldestCode}.0`);
    expect(read('test/vscode/install.ts')).toContain(`Carries VS Code ${oldestCode}`);
    expect(read('test/vscode/README.md')).toContain(`VS Code ${oldestCode}`);
  });
});

describe('pages', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`),
  ]
    .filter((page) => page.endsWith('.md'))
    .map((page) => [page, read(page)]);

  it.each(pages)('%s names scripts that are there', (_, text) => {
    const named = found(text, /\bnpm run\s+([\w:-]+)/g);
    for (const name of named) expect(Object.keys(scripts)).toContain(name.replace(/:$/, ''));
  });

  it('name options that commands have', async () => {
    const files = readdirSync(path.join(root, 'src', 'cli')).filter((name) => /Commands?\.ts$/.test(name));
    const modules = await Promise.all(files.map((name) => load<Record<string, unknown>>(`src/cli/${name}`)));
    const commands = modules.flatMap(Object.values).filter(isCommand);
    expect(commands.map(({ name }) => name)).toEqual(expect.arrayContaining(['segment', 'models list']));
    const invocation =
      /\bap-medsam (segment|suggest|evaluate|export|models \w+|devices(?: \w+-\w+)?|cache \w+)((?:\\\n|[^`\n])*)/g;
    let options = 0;
    for (const [page, text] of pages) {
      for (const [line, words, rest] of text.matchAll(invocation)) {
        const command = commands.find(({ name }) => name === words.trim());
        expect(command, `${page}: ${line}`).toBeDefined();
        for (const option of found(rest, /(?<![\w-])--([\w-]+)/g)) {
          expect([...Object.keys(command!.options), 'help'], `${page}: ${line}`).toContain(option);
          options++;
        }
      }
    }
    expect(options).toBeGreaterThan(5);
    // Alone in the page of the command line, an option is one of some command or bench.
    const known = [...commands, ...Object.values(benches)].flatMap(({ options }) => Object.keys(options));
    for (const option of found(read('docs/command-line.md'), /(?<![\w-])--([\w-]+)/g)) {
      expect([...known, 'help']).toContain(option);
    }
  });
});

function isCommand(value: unknown): value is Command {
  return typeof value === 'object' && value !== null && 'run' in value && 'options' in value && 'usage' in value;
}
