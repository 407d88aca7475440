/** The page in a real browser, with a fake host: pointer and keys in, calls of the host out, pixels on screen. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Stroke } from '../../src/core/drawing/brush';
import { classInk } from '../../src/core/drawing/ink';
import { changeBetween, type LabelChange } from '../../src/core/drawing/labelChange';
import { fillPolygon } from '../../src/core/drawing/polygon';
import type { Box, Point } from '../../src/core/geometry';
import { blankLabels, type LabelMap, toLabelRuns } from '../../src/core/pixels/labelMap';
import type { CanvasAction } from '../../src/protocol/contributions';
import type { DocumentFacts, PromptsEdit } from '../../src/protocol/editorApi';
import type { ViewPlace, ViewState } from '../../webview/document/viewState';
import { prepareBrowser } from '../vscode/install';
import { launchChromium } from './chromium';
import type { HostCall, Layout } from './page/scene';
import { type PageServer, type SceneOptions, servePage } from './pageServer';

const SIZE = { width: 448, height: 478 };
const SCREEN = { width: 820, height: 620 };

const executable = await prepareBrowser((step) => console.error(step)).catch((error: Error) => {
  const line = `SKIPPED: every test of the label editor's page in a browser, because ${error.message}`;
  // Nobody reads the log of a run that passed.
  if (process.env.CI) throw new Error(line);
  console.error(`\n${'!'.repeat(line.length)}\n${line}\n${'!'.repeat(line.length)}\n`);
  return undefined;
});

describe.skipIf(executable === undefined)('the page', () => {
  let browser: Browser;
  let server: PageServer;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    [browser, server] = await Promise.all([launchChromium(executable), servePage()]);
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  afterEach(async () => {
    await page.close();
    expect(problems.splice(0)).toEqual([]);
  });

  async function open(
    scene: Partial<SceneOptions> = {},
    deviceScaleFactor = 1,
    viewport: { readonly width: number; readonly height: number } = SCREEN,
  ): Promise<void> {
    page = await browser.newPage({ viewport, deviceScaleFactor });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(server.address({ labelled: false, ...scene }));
    await page.locator('.viewer').waitFor();
    await settled();
  }

  const settled = () => page.evaluate('fakeHost.settled()');

  const callsOf = async <P>(method: string): Promise<P[]> => {
    const calls = await page.evaluate<HostCall[]>('fakeHost.calls');
    return calls.filter((call) => call.method === method).map((call) => call.params as P);
  };

  const act = (action: CanvasAction) => page.evaluate(`fakeHost.act('${action}')`);
  const tool = (name: string) =>
    page.getByRole('toolbar', { name: 'Tools' }).getByRole('button', { name, exact: true });
  const surface = () => page.locator('.viewer');

  interface Runs {
    readonly values: readonly number[];
    readonly lengths: readonly number[];
  }
  const hostRuns = () => page.evaluate<Runs>('fakeHost.pixels');
  const hostArea = async (value: number) => {
    const { values, lengths } = await hostRuns();
    return lengths.reduce((sum, length, run) => sum + (values[run] === value ? length : 0), 0);
  };
  const hostPixel = ({ x, y }: Point) =>
    page.evaluate<number>(`fakeHost.labels.data[${Math.floor(y) * SIZE.width + Math.floor(x)}]`);

  /** What the page would find if it were loaded anew: it keeps that when it is hidden. */
  async function keptState(): Promise<ViewState & { readonly place: ViewPlace }> {
    await page.evaluate("dispatchEvent(new Event('pagehide'))");
    return JSON.parse(await page.evaluate<string>("sessionStorage.getItem('webview-state')"));
  }

  /** ScreenPx of the page -> targetPx, from the numbers that the status line shows and the geometry alone. */
  async function frame(): Promise<{ toPage(target: Point): Point; toTarget(at: Point): Point; scale: number }> {
    const box = await surface().boundingBox();
    if (!box) throw new Error('no canvas');
    const { scale, centre } = (await keptState()).place;
    const origin = { x: centre.x - box.width / 2 / scale, y: centre.y - box.height / 2 / scale };
    return {
      scale,
      toPage: ({ x, y }) => ({ x: box.x + (x - origin.x) * scale, y: box.y + (y - origin.y) * scale }),
      toTarget: ({ x, y }) => ({ x: origin.x + (x - box.x) / scale, y: origin.y + (y - box.y) / scale }),
    };
  }

  /** Shows the image at a whole number of devicePx per targetPx, so that its place is known without looking. */
  async function at100(): Promise<void> {
    await act('zoomActual');
    await settled();
  }

  describe('painting', () => {
    it('gives the host the exact change of a stroke, once', async () => {
      await open();
      await at100();
      await tool('Brush').click();
      const { toPage, toTarget } = await frame();
      const path = [
        { x: 100, y: 120 },
        { x: 160, y: 130 },
        { x: 161, y: 200 },
      ].map(toPage);
      await page.mouse.move(path[0].x, path[0].y);
      await page.mouse.down();
      for (const { x, y } of path.slice(1)) await page.mouse.move(x, y);
      await page.mouse.up();
      await settled();
      const labels = blankLabels(SIZE);
      const stroke = new Stroke(labels, classInk(1, false), 12);
      for (const point of path) stroke.moveTo(toTarget(point));
      const paints = await callsOf<{ label: string; change: LabelChange }>('paint');
      expect(paints).toEqual([{ label: 'Brush', change: plain(changeBetween(blankLabels(SIZE), labels)) }]);
      expect(await hostRuns()).toMatchObject(plainRuns(labels));
    });

    it('sends nothing for a stroke given up with Esc, and shows none', async () => {
      await open();
      await at100();
      await tool('Brush').click();
      const { toPage } = await frame();
      const from = toPage({ x: 150, y: 240 });
      const to = toPage({ x: 300, y: 240 });
      const between = toPage({ x: 225, y: 240 });
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move(to.x, to.y);
      expect(await colourAt(between)).toEqual('tinted');
      await page.keyboard.press('Escape');
      await page.mouse.up();
      await settled();
      expect(await callsOf('paint')).toEqual([]);
      expect(await colourAt(between)).toEqual('plain');
    });

    it('erases with the right button', async () => {
      await open();
      await at100();
      await tool('Brush').click();
      const { toPage } = await frame();
      const { x, y } = toPage({ x: 200, y: 200 });
      await page.mouse.click(x, y);
      await page.mouse.click(x, y, { button: 'right' });
      await settled();
      expect((await callsOf<{ label: string }>('paint')).map(({ label }) => label)).toEqual(['Brush', 'Erase']);
      expect(await hostArea(1)).toBe(0);
    });

    it('fills a polygon when it is closed by a double click, and drops it with Esc', async () => {
      await open();
      await at100();
      await tool('Polygon').click();
      const { toPage, toTarget } = await frame();
      const corners = [
        { x: 60, y: 60 },
        { x: 300, y: 80 },
        { x: 180, y: 300 },
      ].map(toPage);
      await page.mouse.click(corners[0].x, corners[0].y);
      await page.mouse.click(corners[1].x, corners[1].y);
      await page.keyboard.press('Escape');
      for (const { x, y } of corners.slice(0, 2)) await page.mouse.click(x, y);
      await page.mouse.dblclick(corners[2].x, corners[2].y);
      await settled();
      const labels = blankLabels(SIZE);
      const change = fillPolygon(labels, corners.map(toTarget), classInk(1, false));
      expect(await callsOf('paint')).toEqual([{ label: 'Polygon', change: plain(change) }]);
    });

    it('keeps up with edits of others, undo and a reset', async () => {
      await open();
      await tool('Brush').click();
      await surface().click({ position: { x: 300, y: 300 } });
      await settled();
      const box: Box = { left: 10, top: 10, right: 60, bottom: 40 };
      await page.evaluate(`fakeHost.fillElsewhere(${JSON.stringify(box)})`);
      await settled();
      expect(await page.locator('.panel .share').first().textContent()).not.toBe('0 %');
      await page.getByRole('button', { name: 'Undo' }).click();
      await settled();
      expect(await hostArea(1)).toBe(50 * 30);
      const share = ((50 * 30 * 100) / (SIZE.width * SIZE.height)).toFixed(1);
      expect(await page.locator('.panel .share').first().textContent()).toBe(`${share} %`);
      await page.evaluate('fakeHost.labels.data.fill(0)');
      await page.evaluate('fakeHost.reset()');
      await settled();
      expect(await page.locator('.panel .share').first().textContent()).toBe('0 %');
    });
  });

  describe('prompts', () => {
    it.each([
      [1, 1],
      [1, 4],
      [1.5, 1],
      [2, 3],
      [2, 0.5],
    ])('are asked about where the click was, at pixel ratio %d and zoom %d', async (ratio, zoom) => {
      await open({}, ratio);
      await tool('Positive point').click();
      await at100();
      const steps = Math.round(Math.log(zoom) / Math.log(1.5));
      for (let k = 0; k < Math.abs(steps); k++) await act(steps > 0 ? 'zoomIn' : 'zoomOut');
      await settled();
      const { toTarget, scale } = await frame();
      const box = await surface().boundingBox();
      if (!box) throw new Error('no canvas');
      const at = { x: Math.round(box.x + box.width / 2 + 17), y: Math.round(box.y + box.height / 2 - 31) };
      await page.mouse.click(at.x, at.y);
      await settled();
      const [{ label, prompts }] = await callsOf<{ label: string; prompts: PromptsEdit }>('prompt');
      expect(label).toBe('Add Positive Point');
      expect(prompts.points.length).toBe(1);
      const expected = toTarget(at);
      // A device pixel at most: the browser hands on whole ones where the ratio is broken.
      expect(Math.abs(prompts.points[0].point.x - expected.x) * scale).toBeLessThan(1);
      expect(Math.abs(prompts.points[0].point.y - expected.y) * scale).toBeLessThan(1);
      const { x, y } = prompts.points[0].point;
      const under = `${Math.floor(x)}, ${Math.floor(y)}`;
      expect(await page.locator('.position').textContent()).toBe(under);
      expect(await hostPixel({ x, y })).toBe(1);
    });

    it('become one question with all of them; the newest of those that wait is asked', async () => {
      await open();
      await tool('Positive point').click();
      await page.evaluate('fakeHost.hold()');
      for (const [x, button] of [
        [250, 'left'],
        [300, 'right'],
        [350, 'left'],
        [400, 'left'],
      ] as const) {
        await surface().click({ position: { x, y: 250 }, button });
      }
      await settled();
      expect(await page.locator('.prompt-summary').textContent()).toBe('4 points · asking…');
      await page.evaluate('fakeHost.release()');
      await expect.poll(() => callsOf('log')).toHaveLength(2);
      const asked = await callsOf<{ prompts: PromptsEdit }>('prompt');
      expect(asked.map(({ prompts }) => prompts.points.map(({ label }) => label))).toEqual([[1], [1, 0, 1, 1]]);
      for (const { message } of await callsOf<{ message: string }>('log')) {
        expect(message).toMatch(/^click to mask: \d+ ms$/);
      }
    });

    it('are moved, flipped and removed', async () => {
      await open();
      await at100();
      await tool('Positive point').click();
      const { toPage } = await frame();
      const last = async () => (await callsOf<{ label: string; prompts: PromptsEdit }>('prompt')).at(-1);
      const from = toPage({ x: 150, y: 150 });
      const to = toPage({ x: 220, y: 260 });
      await page.mouse.click(from.x, from.y);
      await settled();
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move(to.x, to.y, { steps: 3 });
      await page.mouse.up();
      await settled();
      const moved = await last();
      expect(moved?.label).toBe('Move Point');
      expect(moved?.prompts.points[0].point.x).toBeCloseTo(220, 6);
      expect(moved?.prompts.points[0].point.y).toBeCloseTo(260, 6);
      await page.mouse.dblclick(to.x, to.y);
      await settled();
      expect(await last()).toMatchObject({ label: 'Flip Point', prompts: { points: [{ label: 0 }] } });
      // Whatever the tool.
      await tool('Pan').click();
      await page.mouse.click(to.x, to.y, { button: 'right' });
      await settled();
      expect(await last()).toMatchObject({ label: 'Delete Point', prompts: { points: [], box: null } });
    });

    it('end with F, or with Esc that takes their pixels back', async () => {
      await open();
      await tool('Positive point').click();
      await surface().click({ position: { x: 300, y: 250 } });
      await settled();
      expect(await hostArea(1)).toBeGreaterThan(1000);
      await act('finish');
      await settled();
      expect(await callsOf('finishPrompts')).toHaveLength(1);
      const finished = await hostRuns();
      await surface().click({ position: { x: 420, y: 350 } });
      await settled();
      await page.keyboard.press('Escape');
      await settled();
      expect(await callsOf('discardPrompts')).toHaveLength(1);
      expect(await hostRuns()).toEqual(finished);
    });

    it('go on from the automatic ones when one of them is clicked', async () => {
      await open({ labelled: true, automatic: true, facts: { reference: 'a.png', voters: 2, status: 'auto' } });
      const panel = page.locator('.panel');
      expect(await panel.textContent()).toMatch(/Trust0\.88.*IoU prediction0\.93/);
      expect(await panel.textContent()).toContain('Segment Image uses a.png and 2 others.');
      await at100();
      await tool('Positive point').click();
      const kept = await page.evaluate<{ point: Point; label: 0 | 1 }[]>(
        `fakeHost.automatic.candidates.filter(({ reason }) => reason === 'kept').map(({ point, label }) => ({ point, label }))`,
      );
      const { toPage } = await frame();
      const { x, y } = toPage(kept[0].point);
      await page.mouse.move(x, y);
      const card = page.getByRole('tooltip');
      await card.getByText('Kept: the segmenter was asked with it.').waitFor();
      await page.mouse.click(x, y);
      await settled();
      expect(await callsOf('prompt')).toEqual([
        { label: 'Adopt Automatic Points', prompts: { points: kept, box: null } },
      ]);
      // What was just clicked is there to be looked at, until the pointer has been elsewhere and comes back to rest.
      await page.mouse.move(x + 1, y);
      await page.waitForTimeout(600);
      expect(await card.isVisible()).toBe(false);
      await page.mouse.move(x + 60, y);
      await page.mouse.move(x, y);
      await card.getByText('One of the points you go on from.').waitFor();
      const { x: left, y: top } = (await card.boundingBox())!;
      expect(Math.max(left - x, top - y)).toBeGreaterThan(8);
    });

    it('may be a box', async () => {
      await open();
      await at100();
      await tool('Box').click();
      const { toPage } = await frame();
      const from = toPage({ x: 300, y: 220 });
      const to = toPage({ x: 120, y: 100 });
      await page.mouse.move(from.x, from.y);
      await page.mouse.down();
      await page.mouse.move(to.x, to.y, { steps: 2 });
      await page.mouse.up();
      await settled();
      const [{ label, prompts }] = await callsOf<{ label: string; prompts: PromptsEdit }>('prompt');
      expect(label).toBe('Draw Box');
      const box = prompts.box as Box;
      for (const [side, value] of [
        [box.left, 120],
        [box.top, 100],
        [box.right, 300],
        [box.bottom, 220],
      ]) {
        expect(side).toBeCloseTo(value, 6);
      }
    });
  });

  describe('the keyboard alone', () => {
    it('reaches every control, and each has a name', async () => {
      await open({ labelled: true, automatic: true, facts: { reference: 'a.png' } });
      const names: string[] = [];
      await page.getByRole('button', { name: 'Previous image' }).focus();
      for (let k = 0; k < 60 && !(await isOutside()); k++) {
        names.push(await focusedName());
        await page.keyboard.press('Tab');
      }
      expect(names).not.toContain('');
      // One stop per toolbar, whose other buttons the arrows reach.
      expect(names).toEqual([
        'Previous image',
        'Undo',
        'Pan',
        'Canvas: vertebrae_03.png',
        ...[
          'Layers',
          'Mask',
          'Opacity of the mask',
          'Prompts',
          'Rejected ones too',
          'Heat map',
          'Opacity of the heat map',
        ],
        ...['Black point', 'White point', 'Auto', 'Reset'],
        ...['Result', 'Trust comes from', '50 points not used', 'Stages'],
        ...['Reference', 'Use as Reference', 'Load Mask…'],
        ...['Classes', 'Vertebra7.6 %'],
        'Zoom out',
      ]);
      await page.getByRole('button', { name: 'Previous image' }).focus();
      const header: string[] = [];
      for (let k = 0; k < 6; k++) {
        header.push(await focusedName());
        await page.keyboard.press('ArrowRight');
      }
      expect(header).toEqual([
        'Previous image',
        'Next image',
        'Segment Image',
        'Accept',
        'Use as Reference',
        'Class: Vertebra',
      ]);
      await tool('Pan').focus();
      const tools: string[] = [];
      for (let k = 0; k < 9; k++) {
        tools.push(await focusedName());
        await page.keyboard.press('ArrowDown');
      }
      expect(tools).toEqual([
        'Pan',
        'Positive point',
        'Negative point',
        'Box',
        'Brush',
        'Eraser',
        'Polygon',
        'Fill',
        'Clear class',
      ]);
    });

    it('chooses a tool, puts a point, flips and deletes it', async () => {
      await open();
      await tool('Positive point').focus();
      await page.keyboard.press('Enter');
      await surface().focus();
      const last = async () => (await callsOf<{ label: string; prompts: PromptsEdit }>('prompt')).at(-1);
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Shift+ArrowRight');
      await page.keyboard.press('Enter');
      await settled();
      const put = await last();
      expect(put?.prompts.points.length).toBe(1);
      expect((put?.prompts.points[0].point.x ?? 0) % 1).toBe(0.5);
      expect(put?.prompts.points[0].point.x).toBeGreaterThan(SIZE.width / 2);
      await page.keyboard.press('Enter');
      await settled();
      expect(await last()).toMatchObject({ label: 'Flip Point', prompts: { points: [{ label: 0 }] } });
      await page.keyboard.press('Delete');
      await settled();
      expect(await last()).toMatchObject({ label: 'Delete Point', prompts: { points: [] } });
    });

    it('keeps a stroke that is under way when the page is hidden', async () => {
      await open();
      await surface().focus();
      await act('brush');
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Shift+ArrowRight');
      expect(await callsOf('paint')).toEqual([]);
      await keptState();
      await settled();
      expect(await callsOf('paint')).toHaveLength(1);
    });

    it('paints with the brush put down and lifted', async () => {
      await open();
      await surface().focus();
      await act('brush');
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Enter');
      for (let k = 0; k < 5; k++) await page.keyboard.press('Shift+ArrowRight');
      expect(await callsOf('paint')).toEqual([]);
      await page.keyboard.press('Enter');
      await settled();
      expect((await callsOf<{ label: string }>('paint')).map(({ label }) => label)).toEqual(['Brush']);
    });

    it('draws a polygon with Enter and takes corners back with Backspace', async () => {
      await open();
      await act('polygon');
      await surface().focus();
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Enter');
      for (let k = 0; k < 5; k++) await page.keyboard.press('Shift+ArrowRight');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Backspace');
      await page.keyboard.press('Enter');
      for (let k = 0; k < 5; k++) await page.keyboard.press('Shift+ArrowDown');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Enter');
      await settled();
      const paints = await callsOf<{ label: string; change: LabelChange }>('paint');
      expect(paints.map(({ label }) => label)).toEqual(['Polygon']);
      expect(paints[0].change.starts.length).toBeGreaterThan(10);
    });

    it('tells the host when the canvas has the focus, and pans with the arrows', async () => {
      await open();
      await page.getByRole('button', { name: 'Accept' }).focus();
      await surface().focus();
      await settled();
      const told = await callsOf<{ focused: boolean }>('setCanvasFocus');
      expect(told.at(-1)).toEqual({ focused: true });
      expect(told.at(-2)).toEqual({ focused: false });
      await at100();
      const before = await frame();
      await surface().focus();
      await page.keyboard.press('ArrowRight');
      const after = await frame();
      expect(after.toTarget({ x: 0, y: 0 }).x - before.toTarget({ x: 0, y: 0 }).x).toBe(48);
    });
  });

  describe('what cannot work', () => {
    it('says why', async () => {
      const facts: Partial<DocumentFacts> = { readOnly: 'the folder cannot be written', reference: 'a.png' };
      await open({ labelled: true, facts });
      const segment = page.getByRole('button', { name: 'Segment Image' });
      expect(await segment.getAttribute('aria-disabled')).toBe('true');
      await page.locator('vscode-button[aria-label="Segment Image"]').click();
      await settled();
      expect(await page.locator('.message').textContent()).toBe('Read-only: the folder cannot be written');
      expect(await callsOf('run')).toEqual([]);
      await act('brush');
      await surface().click({ position: { x: 200, y: 200 } });
      await settled();
      expect(await callsOf('paint')).toEqual([]);
    });

    it('leads to the editor of trust in Restricted Mode, and says why a run failed', async () => {
      const facts = { readOnly: 'This workspace is not trusted.', needsTrust: true, failure: 'The file is cut short.' };
      await open({ facts });
      expect(await page.locator('.notices').textContent()).toContain(
        'The last run failed here: The file is cut short.',
      );
      await page.getByRole('button', { name: 'Manage Workspace Trust' }).click();
      await settled();
      expect(await callsOf('run')).toEqual([{ command: 'manageTrust' }]);
      await page.evaluate('fakeHost.setFacts({ readOnly: null, needsTrust: false, failure: null })');
      await settled();
      expect(await page.locator('.notices').textContent()).toBe('');
    });

    it('is a command of the host where it can', async () => {
      await open({ labelled: true, facts: { reference: 'a.png' } });
      await page.locator('vscode-button[aria-label="Segment Image"]').click();
      await page.getByRole('button', { name: 'Next image' }).click();
      await settled();
      expect(await callsOf('run')).toEqual([{ command: 'segmentImage' }, { command: 'nextImage' }]);
    });
  });

  describe.each([
    { what: 'of 400 x 600 px', ratio: 1, width: 400, height: 600 },
    { what: 'of 1280 x 800 px at a zoom of 200 %', ratio: 2, width: 640, height: 400 },
  ])('in a window $what', ({ ratio, width, height }) => {
    const busy: Partial<SceneOptions> = {
      labelled: true,
      automatic: true,
      facts: { reference: 'a.png', classes: [{ id: 1, name: 'A class with quite a long name', colour: '#e69f00' }] },
    };

    /** Nothing covers or cuts off a control, and enough of the picture is left to work on. */
    async function expectRoom(): Promise<void> {
      await settled();
      const { faults, picture } = await page.evaluate<Layout>('fakeHost.lookAtLayout()');
      expect(faults).toEqual([]);
      expect(picture.width).toBeGreaterThan(250);
      expect(picture.height).toBeGreaterThan(150);
      expect(picture.free).toBe(1);
    }

    it('has room for the picture beside panel, tools, prompts, errors and notices', async () => {
      await open(busy, ratio, { width, height });
      const panel = page.locator('.panel');
      expect(await panel.isVisible()).toBe(false);
      await expectRoom();
      await page.getByRole('button', { name: 'Side panel' }).click();
      await panel.waitFor();
      await expectRoom();
      await page.getByRole('button', { name: 'Side panel' }).click();
      await tool('Positive point').click();
      await surface().click();
      for (const name of ['Brush', 'Eraser', 'Polygon', 'Fill']) {
        await tool(name).click();
        await expectRoom();
      }
      await page.evaluate(`setTimeout(() => { throw new Error('something that takes quite a few words to say') })`);
      await page.getByRole('button', { name: 'Show Log' }).waitFor();
      problems.length = 0;
      const readOnly =
        'the folder /data/of/a/study/with/a/long/path cannot be written by the user who runs VS Code here';
      await page.evaluate(`fakeHost.setFacts(${JSON.stringify({ readOnly, changedOnDisk: true, status: 'absent' })})`);
      await expectRoom();
    });
  });

  it('puts its side panel away while the window is narrow, and back', async () => {
    await open();
    const panel = page.locator('.panel');
    expect(await panel.isVisible()).toBe(true);
    await page.setViewportSize({ width: 400, height: 600 });
    await panel.waitFor({ state: 'hidden' });
    await page.setViewportSize(SCREEN);
    await panel.waitFor();
  });

  it('adds a class and says what the host has against it', async () => {
    await open();
    await page.getByRole('button', { name: 'Class: Vertebra' }).click();
    await page.getByRole('textbox', { name: 'Name of the new class' }).fill('Spinal canal');
    await page.keyboard.press('Enter');
    await settled();
    expect(await page.getByRole('alert').textContent()).toBe('There is a class Spinal canal already.');
    await page.getByRole('textbox', { name: 'Name of the new class' }).fill('Disc');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await settled();
    expect(await callsOf('addClass')).toContainEqual({ name: 'Disc', colour: '#009e73' });
    expect(await page.getByRole('button', { name: 'Class: Disc' }).isVisible()).toBe(true);
  });

  it('finds black and white in the picture', async () => {
    await open();
    const brightness = async () => (await keptState()).style.brightness;
    expect(await brightness()).toEqual({ low: 0, high: 255 });
    await page.getByRole('slider', { name: 'Black point' }).fill('90');
    expect(await brightness()).toEqual({ low: 90, high: 255 });
    await page.getByRole('button', { name: 'Auto' }).click();
    await expect.poll(async () => (await brightness()).low).toBeLessThan(20);
    expect((await brightness()).high).toBeGreaterThan(200);
    await page.getByRole('button', { name: 'Reset' }).click();
    expect(await brightness()).toEqual({ low: 0, high: 255 });
  });

  it('comes back as it was after a reload', async () => {
    await open();
    await at100();
    await act('polygon');
    await act('brushLarger');
    await surface().click({ position: { x: 200, y: 200 } });
    await surface().click({ position: { x: 300, y: 200 } });
    await page.getByRole('button', { name: 'Side panel' }).click();
    const before = await keptState();
    await page.reload();
    await page.locator('.viewer').waitFor();
    await settled();
    expect(await keptState()).toEqual(before);
    expect(await tool('Polygon').getAttribute('aria-pressed')).toBe('true');
    expect(await page.locator('.panel').isVisible()).toBe(false);
    await surface().click({ position: { x: 250, y: 320 } });
    await act('finish');
    await settled();
    expect((await callsOf<{ label: string }>('paint')).map(({ label }) => label)).toEqual(['Polygon']);
  });

  /** Whether the mask's colour lies over the image, which is grey, at a point of the page. */
  async function colourAt({ x, y }: Point): Promise<'plain' | 'tinted'> {
    await settled();
    const shot = await page.screenshot({ clip: { x, y, width: 1, height: 1 } });
    const { default: sharp } = await import('sharp');
    const [red, , blue] = await sharp(shot).removeAlpha().raw().toBuffer();
    return red - blue > 20 ? 'tinted' : 'plain';
  }

  const isOutside = () => page.evaluate<boolean>('document.activeElement === document.body');

  const focusedName = () =>
    page.evaluate<string>(`(() => {
      const focused = document.activeElement;
      return focused.getAttribute('aria-label') ?? focused.textContent.trim();
    })()`);
});

const plainRuns = (labels: LabelMap) => {
  const { values, lengths } = toLabelRuns(labels);
  return { values: [...values], lengths: [...lengths] };
};

/** As a change looks on its way out of the browser. */
const plain = ({ starts, lengths, before, after }: LabelChange) => ({
  starts: [...starts],
  lengths: [...lengths],
  before: [...before],
  after: [...after],
});
