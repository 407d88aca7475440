/**
 * The viewer in a real browser: npm run bench:viewer -- [--side 8000] [--seconds 5] [--screenshots folder] [--gpu]
 * [--only frames|pixels|screenshots] [--no-fetch] [--chromium path]
 *
 * Frame times while an 8000 px image with its mask is moved, zoomed and painted on, with and without a dense screen;
 * then whether every devicePx is the right one, at several scales and pixel ratios. Times are printed, never asserted;
 * wrong pixels end it with exit code 1.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import sharp from 'sharp';
import type { Point, Size } from '../../src/core/geometry';
import type { DisplayImage } from '../../src/protocol/editorApi';
import { brightnessTable } from '../../webview/canvas/layerStyle';
import { TileGrid } from '../../webview/canvas/tileGrid';
import { readCommandLine } from '../commandLine';
import { seededRandom } from '../seeded';
import { repository } from './bench';
import { benches } from './benches';
import { codedPixel, type FrameTimes, type PageFrame, type PixelComparison, PLAIN, SCENARIOS } from './page/measures';
import { printerOf } from './printer';

const { values } = readCommandLine(benches.viewer);
const { table, say } = printerOf(values);

const SCREEN: Size = { width: 1280, height: 800 };
const PIXEL_RATIOS = [1, 1.5, 2];
const TILE_SIZE = 512;

/** As the editor's page: pictures from the page's own origin, scripts from one place, nothing else. */
const POLICY = `default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src ${
  values['no-fetch'] ? "'none'" : "'self'"
}`;

const STYLE = `html, body { height: 100%; margin: 0; }
body { --vscode-editor-background: #1f1f1f; --vscode-foreground: #cccccc; }`;

async function main(): Promise<void> {
  const work = mkdtempSync(path.join(os.tmpdir(), 'ap-medsam-viewer-'));
  const server = serve(work, await bundle());
  const browser = await launch();
  try {
    const isAsked = (part: string) => values.only === undefined || values.only === part;
    const side = isAsked('frames') || values.screenshots ? Number(values.side) : 1;
    const large = await makeTiles(work, 'large', { width: side, height: side }, cloudy(side));
    const coded = await makeTiles(work, 'coded', { width: 1531, height: 1103 }, codedPixel);
    const plain = await makeTiles(work, 'plain', { width: 3001, height: 2203 }, () => PLAIN);
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    if (isAsked('frames')) await frameTimes(browser, origin, large);
    const isExact = !isAsked('pixels') || (await pixels(browser, origin, coded, plain));
    if (values.screenshots) await screenshots(browser, origin, large, coded, values.screenshots);
    say(environment(browser));
    if (!isExact) process.exitCode = 1;
  } finally {
    await browser.close();
    server.close();
    rmSync(work, { recursive: true, force: true });
  }
}

/** The page's script. */
async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(repository, 'test', 'bench', 'page', 'viewerPage.ts')],
    bundle: true,
    write: false,
    platform: 'browser',
    target: 'es2022',
    format: 'esm',
  });
  return outputFiles[0].text;
}

function serve(folder: string, script: string): Server {
  const page = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Viewer</title>
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<link rel="stylesheet" href="/style.css"><body><script type="module" src="/page.js"></script></body></html>`;
  const texts: Readonly<Record<string, [type: string, text: string]>> = {
    '/': ['text/html', page],
    '/page.js': ['text/javascript', script],
    '/style.css': ['text/css', STYLE],
    '/favicon.ico': ['image/x-icon', ''],
  };
  return createServer(({ url = '/' }, response) => {
    const text = texts[url];
    const file = path.join(folder, path.normalize(decodeURIComponent(url)));
    if (text) response.setHeader('Content-Type', text[0]).end(text[1]);
    else if (existsSync(file)) response.setHeader('Content-Type', 'image/png').end(readFileSync(file));
    else response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
}

function launch(): Promise<Browser> {
  const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const executablePath = values.chromium ?? process.env.CHROMIUM ?? places.find((file) => existsSync(file));
  if (!executablePath) throw new Error(`no Chromium in ${places.join(', ')}: name one with --chromium`);
  const gpu = values.gpu ? ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'] : ['--disable-gpu'];
  return chromium.launch({
    executablePath,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...gpu,
    ],
  });
}

type Colour = (x: number, y: number) => readonly [red: number, green: number, blue: number];

/** Tiles of an image as the engine makes them: level `levels - 1` is the image, each below half of the one above. */
async function makeTiles(work: string, name: string, size: Size, colour: Colour): Promise<DisplayImage> {
  const grid = TileGrid.down(size, TILE_SIZE);
  const folder = path.join(work, name);
  mkdirSync(folder);
  const pixels = Buffer.alloc(3 * size.width * size.height);
  for (let y = 0, at = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++, at += 3) pixels.set(colour(x, y), at);
  }
  const whole = { raw: { ...size, channels: 3 as const }, limitInputPixels: false };
  const overview = path.join(folder, 'overview.png');
  await sharp(pixels, whole).resize({ width: 1024, height: 1024, fit: 'inside' }).toFile(overview);
  for (let level = 0, data: Buffer = pixels; level < grid.levels; level++) {
    const levelSize = grid.levelSize(level);
    if (level > 0) data = await half(data, grid.levelSize(level - 1), levelSize);
    const levelFolder = path.join(folder, String(grid.levels - 1 - level));
    mkdirSync(levelFolder);
    for (const key of grid.tilesIn({ left: 0, top: 0, right: size.width, bottom: size.height }, level)) {
      await sharp(data, { raw: { ...levelSize, channels: 3 }, limitInputPixels: false })
        .extract({ left: key.column * TILE_SIZE, top: key.row * TILE_SIZE, ...grid.tilePixels(key) })
        .png({ compressionLevel: 1 })
        .toFile(path.join(levelFolder, `${key.column}_${key.row}.png`));
    }
  }
  return {
    size,
    overview: `/${name}/overview.png`,
    tiles: { base: `/${name}`, tileSize: TILE_SIZE, levels: grid.levels },
    depth: 8,
    window: null,
  };
}

/** RGB pixels at half their size: pixel n covers 2n and 2n + 1, the last of an odd side twice. */
async function half(data: Buffer, from: Size, to: Size): Promise<Buffer> {
  const even = { width: 2 * to.width, height: 2 * to.height };
  const raw = (size: Size) => ({ raw: { ...size, channels: 3 as const }, limitInputPixels: false });
  const extended = await sharp(data, raw(from))
    .extend({ right: even.width - from.width, bottom: even.height - from.height, extendWith: 'copy' })
    .raw()
    .toBuffer();
  return sharp(extended, raw(even))
    .resize({ ...to, fit: 'fill' })
    .raw()
    .toBuffer();
}

/** Something like tissue: soft blots with noise, which makes tiles as slow to decode as real ones. */
function cloudy(side: number): Colour {
  const random = seededRandom(2);
  const cells = 256;
  const blots = Float32Array.from({ length: (cells + 1) ** 2 }, random);
  const noise = Float32Array.from({ length: 65_537 }, random);
  return (x, y) => {
    const u = (x / side) * cells;
    const v = (y / side) * cells;
    const column = Math.floor(u);
    const row = Math.floor(v);
    const corner = (dx: number, dy: number) => blots[(row + dy) * (cells + 1) + column + dx];
    const upper = corner(0, 0) + (corner(1, 0) - corner(0, 0)) * (u - column);
    const lower = corner(0, 1) + (corner(1, 1) - corner(0, 1)) * (u - column);
    const value = upper + (lower - upper) * (v - row);
    const grain = noise[(x * 31 + y * 6151) % 65_537];
    return [120 + 110 * value + 20 * grain, 60 + 120 * value + 20 * grain, 110 + 90 * value + 20 * grain];
  };
}

async function openPage(
  browser: Browser,
  origin: string,
  deviceScaleFactor: number,
  image: DisplayImage,
  objects: number | 'all',
): Promise<Page> {
  const page = await browser.newPage({ viewport: SCREEN, deviceScaleFactor });
  page.on('pageerror', (error) => console.error(error));
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(message.text());
  });
  await page.goto(origin);
  await page.evaluate(`viewerBench.show(${JSON.stringify(image)}, ${JSON.stringify(objects)})`);
  return page;
}

async function frameTimes(browser: Browser, origin: string, image: DisplayImage): Promise<void> {
  for (const ratio of [1, 2]) {
    const page = await openPage(browser, origin, ratio, image, 4000);
    const first = await page.evaluate<number>('viewerBench.settle()');
    const rows: string[][] = [];
    for (const scenario of SCENARIOS) {
      const { intervals, draws } = await page.evaluate<FrameTimes>(
        `viewerBench.run(${JSON.stringify(scenario)}, ${Number(values.seconds)})`,
      );
      rows.push([scenario, String(intervals.length), ...spread(draws), ...spread(intervals)]);
    }
    const missing = await page.evaluate<number>('viewerBench.missing');
    const heads = [
      'scenario',
      'frames',
      ...['draw', 'interval'].flatMap((of) => ['median', 'p95', 'max'].map((n) => `${of} ${n}`)),
    ];
    table(
      `${image.size.width} x ${image.size.height} px, ${SCREEN.width} x ${SCREEN.height} at pixel ratio ${ratio}, ms`,
      heads,
      rows,
    );
    say(`Everything in place ${first.toFixed(0)} ms after the image was shown; ${missing} tiles missing.`);
    await page.close();
  }
}

/** Median, 95th percentile and largest. */
function spread(times: readonly number[]): string[] {
  const sorted = [...times].sort((a, b) => a - b);
  return [0.5, 0.95, 1].map((share) => (sorted[Math.ceil(sorted.length * share) - 1] ?? 0).toFixed(1));
}

interface View {
  readonly name: string;
  readonly result: PixelComparison;
}

/** Whether every devicePx is as it should be, on the canvases and on the screen. */
async function pixels(browser: Browser, origin: string, coded: DisplayImage, plain: DisplayImage): Promise<boolean> {
  const views: View[] = [];
  for (const ratio of PIXEL_RATIOS) {
    const codedPage = await openPage(browser, origin, ratio, coded, 400);
    for (const scale of [1, 1.27, 2, 3.3, 7.77, 16, 41.3, 64]) {
      for (const centre of [
        { x: 512, y: 512 },
        { x: 1500, y: 1080 },
      ]) {
        await look(codedPage, scale, centre);
        const name = `coded ${scale}:1 at (${centre.x}, ${centre.y}), ratio ${ratio}`;
        views.push({ name, result: await codedPage.evaluate<PixelComparison>('viewerBench.comparePixels()') });
      }
    }
    for (const scale of [1, 3.3]) views.push(await onScreen(codedPage, scale, ratio));
    views.push(await movedPrompts(codedPage, ratio));
    await codedPage.close();
    const plainPage = await openPage(browser, origin, ratio, plain, 'all');
    for (const scale of [0.17, 0.29, 0.5, 0.613, 0.93, 1, 2.19, 11.1]) {
      await look(plainPage, scale, { x: 1030, y: 1010 });
      const name = `plain ${scale}:1, ratio ${ratio}`;
      views.push({ name, result: await plainPage.evaluate<PixelComparison>('viewerBench.compareSeams()') });
    }
    await plainPage.close();
  }
  const wrong = views.filter(({ result }) => result.image + result.mask > 0);
  const rows = wrong.map(({ name, result: { looked, image, mask, first } }) =>
    [name, looked, image, mask, first].map(String),
  );
  if (wrong.length > 0) {
    table('Pixels that are not what they should be', ['view', 'device pixels', 'image', 'mask', 'first'], rows);
  }
  const looked = views.reduce((sum, { result }) => sum + result.looked, 0);
  say(`${wrong.length} of ${views.length} views with wrong pixels, ${looked} device pixels looked at.`);
  return wrong.length === 0;
}

async function look(page: Page, scale: number, centre: Point): Promise<void> {
  await page.evaluate(`viewerBench.look(${scale}, ${JSON.stringify(centre)})`);
  await page.evaluate('viewerBench.settle()');
}

/** The image alone, through a window of brightness, as the browser really shows it. */
async function onScreen(page: Page, scale: number, ratio: number): Promise<View> {
  const brightness = { low: 40, high: 200 };
  const style = { brightness, maskVisible: false, promptsVisible: false };
  await page.evaluate(`viewerBench.setStyle(${JSON.stringify(style)})`);
  await look(page, scale, { x: 700, y: 500 });
  const { size, left, top, scale: deviceScale } = await page.evaluate<PageFrame>('viewerBench.frame()');
  const table = brightnessTable(brightness);
  const { data, info } = await screen(page);
  const result = { looked: 0, image: 0, mask: 0, first: '' };
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const under = (at: number, offset: number) => Math.floor((at + 0.5 - offset) / deviceScale);
      const [column, row] = [under(x, left), under(y, top)];
      // Where two pixels meet the browser may take either, as the canvases tell.
      const isTie = [0.1, -0.1].some((by) => under(x + by, left) !== column || under(y + by, top) !== row);
      if (isTie || column < 0 || row < 0 || column >= 1531 || row >= 1103) continue;
      const at = info.channels * (y * info.width + x);
      result.looked++;
      if (codedPixel(column, row).every((value, k) => data[at + k] === table[value])) continue;
      result.image++;
      result.first ||= `(${x}, ${y}) is ${[...data.subarray(at, at + 3)]}, not ${codedPixel(column, row).map((value) => table[value])}`;
    }
  }
  await page.evaluate('viewerBench.setStyle({})');
  return { name: `on screen, contrast, ${scale}:1, ratio ${ratio}`, result };
}

/** Prompts that were moved with the image look like prompts that were drawn there. */
async function movedPrompts(page: Page, ratio: number): Promise<View> {
  await look(page, 0.9, { x: 700, y: 500 });
  await page.evaluate('viewerBench.pan(57, -33)');
  await page.evaluate('viewerBench.settle()');
  const moved = await screen(page);
  await page.evaluate('viewerBench.setStyle({})');
  await page.evaluate('viewerBench.settle()');
  const drawn = await screen(page);
  const wrong = moved.data.reduce((sum, value, at) => sum + (Math.abs(value - drawn.data[at]) <= 2 ? 0 : 1), 0);
  return {
    name: `moved prompts, ratio ${ratio}`,
    result: { looked: moved.data.length, image: wrong, mask: 0, first: '' },
  };
}

async function screen(page: Page) {
  return sharp(await page.screenshot())
    .raw()
    .toBuffer({ resolveWithObject: true });
}

async function screenshots(
  browser: Browser,
  origin: string,
  large: DisplayImage,
  coded: DisplayImage,
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const ratio of PIXEL_RATIOS) {
    for (const [name, image, scales] of [
      ['large', large, ['fit', 0.31, 1, 6.5]],
      ['coded', coded, ['fit', 1.27, 24]],
    ] as const) {
      const page = await openPage(browser, origin, ratio, image, name === 'large' ? 4000 : 400);
      const shoot = async (what: string) => {
        await page.evaluate('viewerBench.settle()');
        await page.screenshot({ path: path.join(folder, `${name}-${what}-ratio${ratio}.png`) });
      };
      for (const scale of scales) {
        await page.evaluate(`viewerBench.look(${JSON.stringify(scale)})`);
        await shoot(String(scale));
      }
      await page.evaluate("viewerBench.look('fit')");
      for (const draft of ['cursor', 'polygon', 'box']) {
        await page.evaluate(`viewerBench.decorate('${draft}')`);
        await shoot(draft);
      }
      await page.evaluate('viewerBench.showHeatMap()');
      await shoot('heat');
      await page.evaluate('viewerBench.setStyle({ brightness: { low: 60, high: 160 } })');
      await shoot('contrast');
      await page.close();
    }
  }
}

/** Machine and versions, the line under the tables. */
function environment(browser: Browser): string {
  const cpu = os.cpus();
  const memory = Math.round(os.totalmem() / 2 ** 30);
  const drawing = values.gpu ? 'ANGLE on SwiftShader' : 'software, no GPU';
  return (
    `${cpu[0]?.model.trim() ?? 'unknown processor'}, ${cpu.length} cores, ${memory} GiB, ${os.platform()} ${os.arch()}; ` +
    `Chromium ${browser.version()} (${drawing}), Node ${process.versions.node}`
  );
}

void main();
