/**
 * The page to look at: npm run preview:page -- [--screenshots folder]
 *
 * Serves it with a fake host and prints the address, or takes screenshots of it in the themes that VS Code has.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { readCommandLine } from '../commandLine';
import { launchChromium } from './chromium';
import { type SceneOptions, servePage } from './pageServer';
import { THEMES, type ThemeName } from './themes';

const { values } = readCommandLine({
  command: 'npm run preview:page --',
  about: "The editor's page with a fake host: prints its address, or takes screenshots in the themes of VS Code.",
  options: { screenshots: { type: 'string', value: 'folder', about: 'takes screenshots instead' } },
} as const);

interface Shot {
  readonly name: string;
  readonly theme?: ThemeName;
  readonly scene?: Partial<SceneOptions>;
  readonly width?: number;
  readonly height?: number;
  readonly scale?: number;
  readonly drive?: (page: Page) => Promise<void>;
}

const result: Partial<SceneOptions> = {
  enlarge: 4,
  automatic: true,
  facts: { status: 'auto', reference: 'vertebrae_01.png' },
};

const surface = '.viewer';

const shots: readonly Shot[] = [
  ...(Object.keys(THEMES) as ThemeName[]).map((theme): Shot => ({ name: `result-${theme}`, theme, scene: result })),
  { name: 'empty', scene: { labelled: false } },
  { name: 'empty-light', theme: 'light', scene: { labelled: false, facts: { reference: 'vertebrae_01.png' } } },
  {
    name: 'hover',
    scene: result,
    drive: async (page) => {
      await page.getByRole('checkbox', { name: 'Rejected ones too' }).click();
      const { x, y } = await promptAt(page, 'failed backward');
      await page.mouse.move(x, y);
    },
  },
  {
    name: 'session',
    scene: result,
    drive: async (page) => {
      await page.getByRole('button', { name: 'Positive point' }).click();
      await page.mouse.click(420, 300);
      await page.mouse.click(500, 420, { button: 'right' });
      await page.waitForTimeout(300);
    },
  },
  {
    name: 'brush',
    scene: { enlarge: 4 },
    drive: async (page) => {
      await page.getByRole('button', { name: 'Brush', exact: true }).click();
      await page.mouse.move(300, 300);
      await page.mouse.down();
      await page.mouse.move(420, 380, { steps: 8 });
      await page.mouse.up();
    },
  },
  {
    name: 'classes',
    scene: result,
    drive: async (page) => {
      await page.getByRole('button', { name: 'Class: Vertebra' }).click();
    },
  },
  {
    name: 'keyboard',
    scene: result,
    drive: async (page) => {
      await page.getByRole('button', { name: 'Polygon' }).focus();
      await page.keyboard.press('Enter');
      await page.locator(surface).focus();
      for (let k = 0; k < 4; k++) await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Enter');
      for (let k = 0; k < 4; k++) await page.keyboard.press('Shift+ArrowRight');
      await page.keyboard.press('Enter');
      for (let k = 0; k < 3; k++) await page.keyboard.press('Shift+ArrowDown');
    },
  },
  {
    name: 'read-only',
    scene: {
      ...result,
      depth: 16,
      facts: { readOnly: 'the folder cannot be written', changedOnDisk: true, status: 'absent' },
    },
  },
  {
    name: 'busy',
    scene: { labelled: false, facts: { reference: 'vertebrae_01.png' } },
    drive: (page) => page.evaluate("fakeHost.say('Segmenting vertebrae_03.png…', true)"),
  },
  ...(Object.keys(THEMES) as ThemeName[]).map(
    (theme): Shot => ({ name: `narrow-${theme}`, theme, scene: result, width: 400, height: 600 }),
  ),
  {
    name: 'narrow-panel',
    scene: result,
    width: 400,
    height: 600,
    drive: (page) => page.getByRole('button', { name: 'Side panel' }).click(),
  },
  { name: 'zoomed', scene: result, width: 640, height: 400, scale: 2 },
  {
    name: 'zoomed-panel',
    scene: result,
    width: 640,
    height: 400,
    scale: 2,
    drive: (page) => page.getByRole('button', { name: 'Side panel' }).click(),
  },
  {
    name: 'narrow-brush',
    scene: result,
    width: 480,
    height: 420,
    drive: async (page) => {
      await page.getByRole('button', { name: 'Positive point' }).click();
      await page.mouse.click(260, 250);
      await page.waitForTimeout(300);
      await page.getByRole('button', { name: 'Brush', exact: true }).click();
    },
  },
  { name: 'dense', scene: result, scale: 2 },
];

async function promptAt(page: Page, reason: string): Promise<{ x: number; y: number }> {
  const box = await page.locator(surface).boundingBox();
  const point = await page.evaluate<{ x: number; y: number }>(
    `fakeHost.automatic.candidates.find(({ reason }) => reason === '${reason}').point`,
  );
  const size = await page.evaluate<{ width: number; height: number }>('scene.image.size');
  if (!box) throw new Error('the canvas is not there');
  const scale = Math.min((box.width - 24) / size.width, (box.height - 24) / size.height);
  return {
    x: box.x + box.width / 2 + (point.x - size.width / 2) * scale,
    y: box.y + box.height / 2 + (point.y - size.height / 2) * scale,
  };
}

async function main(): Promise<void> {
  const server = await servePage();
  if (values.screenshots === undefined) {
    for (const theme of Object.keys(THEMES) as ThemeName[])
      console.log(`${theme}: ${server.address({ theme, ...result })}`);
    console.log('Ctrl+C ends.');
    return;
  }
  const folder = values.screenshots;
  mkdirSync(folder, { recursive: true });
  const browser = await launchChromium();
  for (const { name, theme = 'dark', scene = {}, width = 1180, height = 760, scale = 1, drive } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, deviceScaleFactor: scale });
    page.on('pageerror', (error) => console.error(name, error));
    page.on('console', (message) => {
      if (message.type() === 'error') console.error(name, message.text());
    });
    await page.goto(server.address({ theme, ...scene }));
    await page.locator(surface).waitFor();
    await page.waitForTimeout(400);
    await drive?.(page);
    await page.waitForTimeout(250);
    await page.screenshot({ path: path.join(folder, `${name}.png`) });
    await page.close();
  }
  await browser.close();
  server.close();
}

void main();
