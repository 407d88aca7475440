/** The label editor's page as a drive works it: positions are pixels of the image, wherever the canvas shows them. */
import type { FrameLocator, Locator } from 'playwright-core';
import type { Point } from '../../src/core/geometry';
import type { Workbench } from './workbench';

export const EDITOR_NAME = 'AP-MedSAM Label Editor';

export class EditorPage {
  /** @param index of the editors side by side, from the left */
  constructor(
    private readonly workbench: Workbench,
    private readonly index = 0,
  ) {}

  get page(): FrameLocator {
    return this.workbench.webviews().nth(this.index).contentFrame().frameLocator('iframe#active-frame');
  }

  get canvas(): Locator {
    return this.page.getByRole('application');
  }

  /** A button of the page, by its label. */
  button(label: string): Locator {
    return this.page.locator(`vscode-button[aria-label="${label}"]:visible`).first();
  }

  /** Opens an image of the workspace and waits until its page is there. */
  async open(relative: string): Promise<void> {
    await this.workbench.openWith(relative, EDITOR_NAME);
    const name = relative.split('/').at(-1)!;
    await this.page.getByRole('application', { name }).waitFor();
  }

  /** Resolves when the page of a restored editor is there. */
  async shown(): Promise<void> {
    const { problems } = this.workbench;
    for (let attempt = 0; ; attempt++) {
      try {
        await this.canvas.waitFor({ timeout: 10_000 });
        break;
      } catch (error) {
        if (attempt >= 3) throw error;
        await this.workbench.run('Developer: Reload Webviews');
      }
    }
    // In a browser the worker that serves a webview's files starts anew with its window, and may be late for the first.
    const isLate = (problem: string) => problem.includes('ERR_NAME_NOT_RESOLVED');
    problems.splice(0, problems.length, ...problems.filter((problem) => !isLate(problem)));
  }

  /**
   * Gives the canvas the keyboard and presses a key. Keys are VS Code's to give: one that comes too early is pressed
   * again.
   */
  async key(key: string): Promise<void> {
    const isFocused = await this.canvas.evaluate((surface) => surface === document.activeElement);
    if (!isFocused) await this.canvas.focus();
    await this.workbench.page.keyboard.press(key);
  }

  /** Chooses a tool by its key. */
  async tool(key: string, name: string): Promise<void> {
    const button = this.page.locator(`[aria-label="${name}"][aria-pressed="true"]`);
    // VS Code learns a moment after the page that the canvas has the keyboard.
    for (let attempt = 0; attempt < 20; attempt++) {
      await this.key(key);
      const chosen = await button
        .first()
        .waitFor({ timeout: 500 })
        .then(() => true)
        .catch(() => false);
      if (chosen) return;
    }
    throw new Error(`the key ${key} did not choose the tool ${name}`);
  }

  /** Screen position of a point in pixels of the image, which stands fitted in the middle of the canvas. */
  private async screenOf({ x, y }: Point): Promise<Point> {
    const box = (await this.canvas.boundingBox())!;
    const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
    const reach = Math.min(box.width, box.height) * 0.4;
    // The status line tells which pixel is under the pointer: two far ends give the scale.
    const [left, right] = [
      await this.pixelAt(centre.x - reach, centre.y),
      await this.pixelAt(centre.x + reach, centre.y),
    ];
    const scale = (2 * reach) / (right.x - left.x);
    const middle = { x: (left.x + right.x) / 2, y: (left.y + right.y) / 2 };
    return { x: centre.x + (x - middle.x) * scale, y: centre.y + (y - middle.y) * scale };
  }

  private async pixelAt(screenX: number, screenY: number): Promise<Point> {
    await this.workbench.page.mouse.move(screenX, screenY);
    const text = await this.page
      .getByText(/^\d+, \d+/)
      .first()
      .innerText();
    const [x, y] = text.split(',').map((part) => Number.parseInt(part, 10));
    return { x, y };
  }

  async click(at: Point): Promise<void> {
    const { x, y } = await this.screenOf(at);
    await this.workbench.page.mouse.click(x, y);
  }

  async hover(at: Point): Promise<void> {
    const { x, y } = await this.screenOf(at);
    await this.workbench.page.mouse.move(x, y);
  }

  /** Name of the class that a pixel has, empty for none. */
  async classAt(at: Point): Promise<string> {
    await this.hover(at);
    return this.page.locator('.status .under').innerText();
  }

  async drag(from: Point, to: Point): Promise<void> {
    const { mouse } = this.workbench.page;
    const [start, end] = [await this.screenOf(from), await this.screenOf(to)];
    await mouse.move(start.x, start.y);
    await mouse.down();
    await mouse.move(end.x, end.y, { steps: 8 });
    await mouse.up();
  }

  /** Share of the image that the first class has, in per cent, as the panel tells. */
  async share(): Promise<number> {
    const text = await this.page.getByRole('group', { name: 'Classes' }).last().innerText();
    return Number(/([\d.]+)\s*%/.exec(text)?.[1] ?? Number.NaN);
  }
}
