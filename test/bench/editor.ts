/**
 * The extension in a real VS Code: npm run bench:editor -- [--clicks 20] [--side 8000]
 *
 * Activation, first picture, click to mask (cold and warm, in the page), and how long the extension host is held up
 * while a folder is segmented. Times are printed, never asserted.
 */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { readCommandLine } from '../commandLine';
import { EditorPage } from '../vscode/editorPage';
import { prepareHost, repository, type VsCodeHost } from '../vscode/install';
import { copySamples } from '../vscode/samples';
import { CodeServer } from '../vscode/server';
import { runSuite } from '../vscode/suite';
import { Workbench } from '../vscode/workbench';
import { benches } from './benches';
import { printerOf } from './printer';

const { values } = readCommandLine(benches.editor);
const { table, say } = printerOf(values);

const SUITE = path.join(repository, 'dist', 'test', 'integration', 'index.js');

async function main(): Promise<void> {
  execFileSync(process.execPath, [path.join(repository, 'test', 'vscode', 'build.mjs')], { stdio: 'inherit' });
  const host = await prepareHost((line) => console.error(line));
  if ('reason' in host) throw new Error(host.reason);
  const lines: string[] = [];
  // VS Code's environment is this process's.
  process.env.AP_MEDSAM_TEST_GREP = 'activates|holds up';
  await runSuite(host, { tests: SUITE, onLine: (line) => lines.push(line) });
  for (const line of lines.filter((one) => /activation:|extension host/.test(one))) say(line.trim());
  const [header, ...rows] = await editorRows(host);
  table('Clicks in the editor', header, rows);
  const [cpu] = os.cpus();
  say(`${cpu?.model ?? 'unknown processor'}, ${os.cpus().length} cores; VS Code 1.100, Chromium without a GPU`);
}

async function editorRows(host: VsCodeHost): Promise<string[][]> {
  const server = await CodeServer.start(host);
  try {
    await copySamples(repository, server.workspace, [1]);
    const side = Number(values.side);
    const large = path.join(server.workspace, 'images', 'large.png');
    const noise = { type: 'gaussian' as const, mean: 110, sigma: 40 };
    const picture = await sharp({
      create: { width: side / 16, height: side / 16, channels: 3, background: '#000', noise },
    })
      .resize(side, side)
      .greyscale()
      .png({ compressionLevel: 3 })
      .toBuffer();
    await sharp(picture, { limitInputPixels: false }).toFile(large);
    const workbench = await Workbench.open(host, server, { size: { width: 1600, height: 950 } });
    try {
      const rows = [['image', 'picture shown', 'cold click', 'warm click: median', 'p95', 'in the host: median']];
      rows.push(await measure(server, workbench, 'nuclei_01.png'));
      rows.push(await measure(server, workbench, 'large.png'));
      say(`activation, as VS Code tells it: ${await activation(workbench)}`);
      return rows;
    } finally {
      await workbench.close();
    }
  } finally {
    await server.stop();
  }
}

/** Loading the bundle and calling activate(), from VS Code's own list of running extensions. */
async function activation(workbench: Workbench): Promise<string> {
  await workbench.run('Developer: Show Running Extensions');
  const row = workbench.page.locator('.runtime-extensions-editor .extension', { hasText: 'AP-MedSAM' });
  return /Activation: (\d+ ?ms)/.exec(await row.first().innerText())?.[1] ?? 'not told';
}

async function measure(server: CodeServer, workbench: Workbench, name: string): Promise<string[]> {
  const editor = new EditorPage(workbench);
  const started = performance.now();
  await editor.open(`images/${name}`);
  await editor.canvas.locator('canvas').first().waitFor();
  const shown = performance.now() - started;
  const times = async () =>
    [...(await server.logFiles('AP-MedSAM')).matchAll(/click to mask: ([\d.]+) ms/g)].map(([, ms]) => Number(ms));
  const before = (await times()).length;
  await editor.tool('q', 'Positive point');
  const count = Number(values.clicks) + 1;
  const size = name === 'large.png' ? Number(values.side) : 360;
  for (let i = 0; i < count; i++) {
    // Spread over the image, away from points that are there: a click on one would take hold of it.
    const at = { x: ((0.13 + 0.618 * i) % 1) * size, y: ((0.29 + 0.381 * i) % 1) * size };
    await editor.click(at);
    const deadline = performance.now() + 60_000;
    while ((await times()).length < before + i + 1 && performance.now() < deadline)
      await workbench.page.waitForTimeout(50);
  }
  const [cold, ...warm] = (await times()).slice(before);
  warm.sort((a, b) => a - b);
  const at = (share: number) => `${Math.round(warm[Math.floor(share * (warm.length - 1))])} ms`;
  const log = await server.logFiles('AP-MedSAM');
  const inHost = [...log.matchAll(/prompt answered in ([\d.]+) ms/g)].map(([, ms]) => Number(ms)).slice(-warm.length);
  inHost.sort((a, b) => a - b);
  const middle = inHost.length > 0 ? `${Math.round(inHost[inHost.length >> 1])} ms` : '-';
  return [`${size} x ${size}`, `${Math.round(shown)} ms`, `${Math.round(cold)} ms`, at(0.5), at(0.95), middle];
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
