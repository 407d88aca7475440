/**
 * Builds the .vsix of one platform: npm run package [-- --target <target> | --all] [--out <folder>].
 *
 * Each holds the minified bundles, the models and samples, and the native files of its own platform only, taken from
 * node_modules or, where npm has not installed them here, fetched at the versions of package-lock.json. What goes in is
 * named by .vscodeignore; what came out is checked: natives complete and built for the target, nothing of another
 * platform, size within its limit.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { inflateRawSync } from 'node:zlib';
import { build } from 'esbuild';
import { bundles, options } from '../esbuild.mjs';
import { MB, RUNTIME, TARGETS } from './targets.mjs';

const root = path.resolve(import.meta.dirname, '..');
const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages;
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Whether relative links of the README can become addresses, as vsce makes them. */
const hasAddress = manifest.repository !== undefined;

const isNative = (file) => /\.(node|dll|dylib)$|\.so(\.\d+)*$/.test(file);
const matches = (file, pattern) =>
  new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`).test(file);

async function main() {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      all: { type: 'boolean' },
      out: { type: 'string' },
      refuse: { type: 'boolean' },
    },
  });
  if (values.refuse) {
    throw new Error(
      'a package holds the native files of one platform only, which `vsce package` cannot pick: use `npm run package`',
    );
  }
  const here = `${process.platform}-${process.arch}`;
  const targets = values.all ? Object.keys(TARGETS) : (values.target ?? [here]);
  for (const target of targets) {
    if (!(target in TARGETS))
      throw new Error(`no target is called '${target}', only ${Object.keys(TARGETS).join(', ')}`);
  }
  const out = path.resolve(values.out ?? root);
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-package-'));
  try {
    const common = path.join(work, 'common');
    await stageCommon(common);
    for (const target of targets) {
      const stage = path.join(work, target);
      cpSync(common, stage, { recursive: true });
      stageNatives(stage, target, work);
      await pack(stage, target, path.join(out, `${manifest.name}-${target}-${manifest.version}.vsix`));
      rmSync(stage, { recursive: true });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Everything but native files. */
async function stageCommon(stage) {
  mkdirSync(stage);
  // The Python scripts stay behind: a person may have put gigabytes of PyTorch beside them.
  const scripts = ['export', 'train'].map((name) => path.join(root, 'models', name));
  const filter = (source) => !scripts.includes(source);
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', '.vscodeignore', 'models', 'webview/media']) {
    const source = path.join(root, name);
    if (existsSync(source)) cpSync(source, path.join(stage, name), { recursive: true, filter });
  }
  for (const page of hasAddress ? [] : ['README.md', 'CHANGELOG.md']) {
    const file = path.join(stage, page);
    writeFileSync(file, standingAlone(readFileSync(file, 'utf8')));
  }
  const bundled = new Set();
  for (const bundle of bundles) {
    const { metafile } = await build({
      ...options(bundle, true),
      outfile: path.join(stage, bundle.outfile),
      metafile: true,
    });
    for (const input of Object.keys(metafile.inputs)) {
      const name = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (name !== undefined) bundled.add(name);
    }
    for (const { path: imported, external } of Object.values(metafile.outputs).flatMap((output) => output.imports)) {
      const provided = imported === 'vscode' || imported in RUNTIME || isBuiltin(imported);
      if (external && !provided)
        throw new Error(`${bundle.outfile} needs '${imported}', which the package does not hold`);
    }
  }
  const dependencies = Object.fromEntries(
    Object.keys(RUNTIME).map((name) => [name, lock[`node_modules/${name}`].version]),
  );
  for (const [name, needs] of Object.entries(RUNTIME)) {
    for (const part of [name, ...needs]) copyPackage(part, stage);
    // What only their install scripts need is left out, and must not be missed.
    editJson(path.join(stage, 'node_modules', name, 'package.json'), (json) => {
      for (const wanted of Object.keys(json.dependencies))
        if (!needs.includes(wanted)) delete json.dependencies[wanted];
      delete json.scripts;
      delete json.devDependencies;
    });
  }
  const { private: _, scripts: __, devDependencies: ___, ...kept } = manifest;
  writeFileSync(path.join(stage, 'package.json'), `${JSON.stringify({ ...kept, dependencies }, null, 2)}\n`);
  writeFileSync(path.join(stage, 'ThirdPartyNotices.txt'), notices([...bundled].sort()));
}

/**
 * Markdown that needs nothing beside it. VS Code's page of an extension shows pictures from data and https addresses
 * only, so relative ones become data; relative links would lead nowhere and become their words.
 */
function standingAlone(markdown) {
  return markdown
    .replace(/(!\[[^\]]*\]\()(?!\w+:)([^)]+\.png)(?=\))/g, (_, before, picture) => {
      return `${before}data:image/png;base64,${readFileSync(path.join(root, picture), 'base64')}`;
    })
    .replace(/(?<!!)\[([^\]]*)\]\((?!\w+:|#)[^)]+\)/g, '$1');
}

/** Copies an installed package but the native files in it, which belong to some platform. */
function copyPackage(name, stage) {
  const from = path.join(root, 'node_modules', name);
  const installed = JSON.parse(readFileSync(path.join(from, 'package.json'), 'utf8')).version;
  const { version } = lock[`node_modules/${name}`];
  if (installed !== version)
    throw new Error(`${name} ${installed} is installed, package-lock.json has ${version}: run \`npm ci\``);
  cpSync(from, path.join(stage, 'node_modules', name), { recursive: true, filter: (file) => !isNative(file) });
}

/** The target's own files of onnxruntime-node and packages of sharp. */
function stageNatives(stage, target, work) {
  const [platform, arch] = target.split('-');
  const modules = path.join(stage, 'node_modules');
  const binaries = path.join('onnxruntime-node', 'bin');
  for (const api of readdirSync(path.join(root, 'node_modules', binaries))) {
    const part = path.join(binaries, api, platform, arch);
    cpSync(path.join(root, 'node_modules', part), path.join(modules, part), { recursive: true });
  }
  for (const name of [`@img/sharp-${target}`, `@img/sharp-libvips-${target}`]) {
    const locked = lock[`node_modules/${name}`];
    // On Windows libvips comes with the first.
    if (locked === undefined) continue;
    cpSync(packageFolder(name, locked, work), path.join(modules, name), { recursive: true });
  }
}

/** Folder of a platform's package at its locked version: the installed one, or one fetched into `work`. */
function packageFolder(name, { version, integrity }, work) {
  const installed = path.join(root, 'node_modules', name);
  if (
    existsSync(installed) &&
    JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')).version === version
  ) {
    return installed;
  }
  const folder = path.join(work, 'fetched', name);
  mkdirSync(folder, { recursive: true });
  const args = ['pack', `${name}@${version}`, '--json', '--loglevel=error'];
  const npm = execFileSync('npm', args, { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32' });
  const archive = path.join(folder, JSON.parse(npm)[0].filename);
  const [algorithm, digest] = integrity.split(/-(.*)/s);
  const found = createHash(algorithm).update(readFileSync(archive)).digest('base64');
  if (found !== digest) throw new Error(`${name}@${version} is not what package-lock.json says: ${algorithm}-${found}`);
  execFileSync('tar', ['-xzf', path.basename(archive)], { cwd: folder });
  return path.join(folder, 'package');
}

async function pack(stage, target, file) {
  const { limit, natives } = TARGETS[target];
  const { createVSIX } = await import('@vscode/vsce');
  rmSync(file, { force: true });
  await quietly(() =>
    // `npm list` of the staged packages tells vsce which of them to take.
    createVSIX({
      cwd: stage,
      target,
      packagePath: file,
      dependencies: true,
      useYarn: false,
      rewriteRelativeLinks: hasAddress,
      allowMissingRepository: true,
    }),
  );
  const bytes = readFileSync(file);
  const files = zipEntries(bytes).filter(({ name }) => name.startsWith('extension/'));
  const names = files.map(({ name }) => name.slice('extension/'.length));
  const found = names.filter(isNative).map((name) => name.replace(/^node_modules\//, ''));
  const complain = (what) => {
    throw new Error(`${path.basename(file)} ${what}`);
  };
  for (const pattern of natives) if (!found.some((name) => matches(name, pattern))) complain(`lacks ${pattern}`);
  for (const name of found)
    if (!natives.some((pattern) => matches(name, pattern))) complain(`holds ${name}, which ${target} does not load`);
  for (const { name, read } of files) {
    if (isNative(name) && builtFor(read()) !== target) complain(`holds ${name}, built for ${builtFor(read())}`);
  }
  const needed = [
    'package.json',
    'readme.md',
    'changelog.md',
    'LICENSE.txt',
    'ThirdPartyNotices.txt',
    'models/manifest.json',
  ];
  for (const name of [...needed, ...bundles.map((bundle) => bundle.outfile)])
    if (!names.includes(name)) complain(`lacks ${name}`);
  for (const { name, read } of files.filter((file) => /^extension\/(readme|changelog)\.md$/.test(file.name))) {
    if (/\]\((?!https:|data:|#)/.test(read().toString())) complain(`has links in ${name} that lead nowhere`);
  }
  for (const name of shippedModels()) if (!names.includes(name)) complain(`lacks ${name}`);
  const { size } = statSync(file);
  const list = `${path.relative(process.cwd(), file)}: ${(size / MB).toFixed(1)} MB in ${names.length} files`;
  if (size > limit) complain(`has ${(size / MB).toFixed(1)} MB, over its limit of ${limit / MB} MB`);
  console.log(list);
  for (const { name, packed } of [...files].sort((a, b) => b.packed - a.packed).slice(0, 6)) {
    console.log(`  ${(packed / MB).toFixed(1).padStart(5)} MB  ${name.slice('extension/'.length)}`);
  }
}

/** Files of the models that need no download, with their licences. */
function shippedModels() {
  const { models } = JSON.parse(readFileSync(path.join(root, 'models', 'manifest.json'), 'utf8'));
  return models.flatMap(({ files, licenceFile }) => {
    const names = files.filter(({ url }) => url === undefined).map(({ file }) => file);
    return [...names, ...(names.length > 0 && licenceFile !== undefined ? [licenceFile] : [])].map(
      (name) => `models/${name}`,
    );
  });
}

/** vsce tells at length what the checks above find out; its words matter only when it fails. */
async function quietly(run) {
  const said = [];
  const { log, warn, error } = console;
  Object.assign(
    console,
    Object.fromEntries(['log', 'warn', 'error'].map((name) => [name, (...parts) => said.push(parts.join(' '))])),
  );
  try {
    return await run();
  } catch (thrown) {
    error(said.join('\n'));
    throw thrown;
  } finally {
    Object.assign(console, { log, warn, error });
  }
}

/** Files of a zip archive: name, packed size, and the content on demand. */
function zipEntries(bytes) {
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  const entries = [];
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [method, packed] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 20)];
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString('utf8', at + 46, at + 46 + nameBytes);
    const read = () => {
      const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
      const content = bytes.subarray(start, start + packed);
      return method === 0 ? content : inflateRawSync(content);
    };
    entries.push({ name, packed, read });
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/** Target that an ELF, PE or Mach-O file was built for, by its header. */
function builtFor(bytes) {
  if (bytes.readUInt32BE(0) === 0x7f454c46) {
    return `linux-${{ 62: 'x64', 183: 'arm64' }[bytes.readUInt16LE(18)]}`;
  }
  if (bytes.readUInt16BE(0) === 0x4d5a) {
    return `win32-${{ 34404: 'x64', 43620: 'arm64' }[bytes.readUInt16LE(bytes.readUInt32LE(0x3c) + 4)]}`;
  }
  if (bytes.readUInt32LE(0) === 0xfeedfacf) {
    return `darwin-${{ 16777228: 'arm64', 16777223: 'x64' }[bytes.readUInt32LE(4)]}`;
  }
  return 'no platform known';
}

/** Licences of the packages that are part of the bundles, and of those that travel without theirs. */
function notices(bundled) {
  const travelling = Object.entries(RUNTIME).flat(2);
  const names = [...bundled, ...travelling.filter((name) => licenceFile(name) === undefined)];
  const parts = names.map((name) => {
    const { version, license, author, repository } = JSON.parse(
      readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8'),
    );
    const file = licenceFile(name);
    const facts = [
      `Licence: ${license}`,
      `Author: ${author?.name ?? author}`,
      `Source: ${repository?.url ?? repository}`,
    ];
    return `${name} ${version}\n\n${file === undefined ? facts.join('\n') : readFileSync(file, 'utf8').trim()}\n`;
  });
  const about =
    'Parts of dist/ come from these packages. Packages in node_modules/ bring their own licences, or are listed here.\n';
  return [about, ...parts].join(`\n${'-'.repeat(80)}\n\n`);
}

function licenceFile(name) {
  const folder = path.join(root, 'node_modules', name);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  return file === undefined ? undefined : path.join(folder, file);
}

function editJson(file, edit) {
  const json = JSON.parse(readFileSync(file, 'utf8'));
  edit(json);
  writeFileSync(file, `${JSON.stringify(json, null, 2)}\n`);
}

main().catch((error) => {
  console.error(`package: ${error.message ?? error}`);
  process.exitCode = 1;
});
