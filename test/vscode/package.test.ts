/** The .vsix of this platform, in a VS Code that has never seen the repository. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeInVsCode, vscodeHost } from './host';
import { repository } from './install';
import { copySamples, sampleFile, sampleName } from './samples';
import { CodeServer } from './server';
import { runSuite } from './suite';
import { Workbench } from './workbench';

const run = promisify(execFile);
const script = path.join(repository, 'scripts', 'package.mjs');
const { version } = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8')) as { version: string };
const target = `${process.platform}-${process.arch}`;

/**
 * Tests of test/integration that the installed extension must pass too; one pattern, as `AP_MEDSAM_TEST_GREP` takes it.
 */
const ALSO_INSTALLED = '^the extension|labels what has no mask';

describe('the package script', () => {
  it('refuses an unknown target, and to let `vsce package` run by hand', async () => {
    const refusal = (args: string[]) =>
      run(process.execPath, [script, ...args]).then(
        () => undefined,
        (error: { stderr: string }) => error.stderr,
      );
    expect(await refusal(['--target', 'solaris-x64'])).toBe(
      "package: no target is called 'solaris-x64', only linux-x64, linux-arm64, win32-x64, win32-arm64, darwin-arm64\n",
    );
    const { scripts } = JSON.parse(await readFile(path.join(repository, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['vscode:prepublish']).toBe('node scripts/package.mjs --refuse');
    expect(await refusal(['--refuse'])).toMatch(/^package: .*`npm run package`\n$/);
  });
});

describeInVsCode('the package, installed', () => {
  let folder = '';
  let vsix = '';
  let server: CodeServer;
  let installed = '';

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'ap-medsam-vsix-'));
    // The script itself checks what is inside, and the size.
    const { stdout } = await run(process.execPath, [script, '--out', folder]);
    console.log(stdout.split('\n')[0]);
    vsix = path.join(folder, `ap-medsam-${target}-${version}.vsix`);
    server = await CodeServer.start(vscodeHost(), { extensions: [vsix] });
    const [name] = (await readdir(server.extensions)).filter((entry) => entry.startsWith('ap-medsam.ap-medsam-'));
    installed = path.join(server.extensions, name);
  }, 300_000);

  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('is listed', async () => {
    expect(await server.installed(vscodeHost())).toContain(`ap-medsam.ap-medsam@${version}`);
  });

  it('opens in a window without an error', async () => {
    await copySamples(repository, server.workspace, [1, 2]);
    const workbench = await Workbench.open(vscodeHost(), server, { development: null });
    try {
      await workbench.run('View: Show Extensions');
      await workbench.page.locator('.extensions-viewlet .monaco-list-row', { hasText: 'AP-MedSAM' }).waitFor();
      await workbench.screenshot('package - installed');
      expect(await workbench.page.title()).not.toContain('Extension Development Host');
      expect(workbench.problems).toEqual([]);
    } finally {
      await workbench.close();
    }
  });

  it('shows the pictures of its README on its page', async () => {
    const workbench = await Workbench.open(vscodeHost(), server, { development: null });
    try {
      await workbench.run('View: Show Extensions');
      await workbench.page.locator('.extensions-viewlet .monaco-list-row', { hasText: 'AP-MedSAM' }).click();
      const page = workbench.page.locator('iframe.webview.ready').contentFrame().frameLocator('iframe#active-frame');
      await page.locator('h1', { hasText: 'AP-MedSAM' }).waitFor();
      const widths = () =>
        page.locator('img').evaluateAll((all) => all.map((one) => (one as HTMLImageElement).naturalWidth));
      await expect.poll(widths).toEqual([expect.any(Number), expect.any(Number)]);
      await expect.poll(async () => Math.min(...(await widths()))).toBeGreaterThan(500);
      await workbench.screenshot('package - its page');
    } finally {
      await workbench.close();
    }
  });

  it('is activated from where it was installed, and passes the specs that hold for it', async () => {
    // The host of a suite must develop something: an extension that does nothing.
    const bystander = path.join(folder, 'bystander');
    await mkdir(bystander);
    const manifest = { name: 'bystander', publisher: 'test', version: '0.0.0', engines: { vscode: '*' } };
    await writeFile(path.join(bystander, 'package.json'), JSON.stringify(manifest));
    const lines: string[] = [];
    const code = await runSuite(vscodeHost(), {
      extensions: [vsix],
      development: bystander,
      tests: path.join(repository, 'dist', 'test', 'integration', 'index.js'),
      env: { AP_MEDSAM_TEST_GREP: ALSO_INSTALLED },
      onLine: (line) => {
        lines.push(line);
        if (/activation:/.test(line)) process.stdout.write(`installed package, ${line.trim()}\n`);
      },
    });
    expect(code, lines.join('\n')).toBe(0);
    expect(lines[0]).toMatch(/^testing .*\/extensions\/ap-medsam\.ap-medsam-/);
    expect(lines.join('\n')).toMatch(/^ *[1-9]\d* passing/m);
  });

  it('labels an image with its own command line, models and native files', async () => {
    const images = path.join(folder, 'images');
    await copySamples(installed, folder, [2]);
    const args = [
      ...['segment', images, '--json', '--engines', '1', '--threads', '1'],
      ...['--reference', sampleFile(installed, 'images', 1), '--mask', sampleFile(installed, 'masks', 1)],
    ];
    const env = { ...process.env, AP_MEDSAM_HOME: path.join(folder, 'home') };
    const { stdout } = await run(process.execPath, [path.join(installed, 'dist', 'cli.js'), ...args], {
      cwd: folder,
      env,
    });
    const [line] = stdout.trim().split('\n');
    expect(JSON.parse(line)).toMatchObject({ outcome: 'done' });
    expect(await readdir(path.join(folder, 'masks'))).toContain(sampleName(2));
  });
});
