/** A window of VS Code in a browser, worked as a person works it: palette, Explorer, menus, pickers, editors. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Browser,
  type BrowserContext,
  chromium,
  type FrameLocator,
  type Locator,
  type Page,
} from 'playwright-core';
import { repository, type VsCodeHost } from './install';
import type { CodeServer } from './server';

export interface WindowOptions {
  /** Opened as the workspace; the server's own unless given. */
  readonly folder?: string;
  /** Extension under development; the repository unless given, null where what is installed is to run. */
  readonly development?: string | null;
  /** Of the page, in CSS pixels. */
  readonly size?: { readonly width: number; readonly height: number };
  /** Device pixels per CSS pixel. */
  readonly scale?: number;
}

/** Theme -> its label in the picker, and the class it puts on the workbench. */
const THEMES = {
  dark: ['Dark Modern', 'vs-dark'],
  light: ['Light Modern', 'vs'],
  'high contrast dark': ['Dark High Contrast', 'hc-black'],
  'high contrast light': ['Light High Contrast', 'hc-light'],
} as const;

export type Theme = keyof typeof THEMES;

/** What the host says about itself, none of it ours. */
const NOISE = [
  /favicon/,
  // code-server's own service worker and a signing library, parts that start-up looks for and does without.
  /serviceWorker\.js/,
  /bad HTTP response code \(404\) was received when fetching the script/,
  /\/vsda\//,
  /Long running operations during shutdown are unsupported in the web/,
  // The window's own log, written while the window goes.
  /Unable to write file 'vscode-log:/,
  // Files and a database of VS Code's own, still being read and written when another folder opens in the window.
  /^%c {2}ERR color: #f33 (\w+: )?Unable to (read|write) file '[^']*' \(Canceled: Canceled\)/,
  /^%c {2}ERR color: #f33 Failed to execute 'abort' on 'IDBTransaction'/,
  // A backup that a newer one has replaced while it was being made: VS Code cancels it and says so.
  /^%c {2}ERR color: #f33 Canceled: Canceled/,
];

const TIMEOUT_MS = 30_000;

/**
 * Browser without a sandbox (it shows only our own pages, often as root), without a GPU and without looking outside.
 */
export function launchBrowser(host: VsCodeHost): Promise<Browser> {
  return chromium.launch({
    executablePath: host.browser,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
}

/** Address of a window. `tests` is the module whose `run` the extension host is to call. */
export function windowUrl(server: CodeServer, options: WindowOptions & { readonly tests?: string } = {}): string {
  const { folder = server.workspace, development = repository, tests } = options;
  const remote = (file: string) => `vscode-remote://127.0.0.1:${server.port}${file}`;
  const payload: [string, string][] = [['skipWelcome', 'true']];
  if (development !== null) payload.push(['extensionDevelopmentPath', remote(development)]);
  if (tests !== undefined) payload.push(['extensionTestsPath', remote(tests)]);
  const query = new URLSearchParams({ folder, payload: JSON.stringify(payload) });
  return `http://127.0.0.1:${server.port}/?${query}`;
}

export class Workbench {
  /**
   * Errors in the consoles of the page and its webviews (violations of a CSP among them), and exceptions nobody caught.
   */
  readonly problems: string[] = [];

  /** Every text that a notification has shown, in order; each step of a progress is one. */
  readonly toasts: string[] = [];

  private constructor(
    private readonly browser: Browser,
    private readonly context: BrowserContext,
    readonly page: Page,
    /** Absolute path of the folder that is open. */
    readonly folder: string,
  ) {}

  /** Resolves when extensions are loaded: those for startup run, commands and editors are known. */
  static async open(host: VsCodeHost, server: CodeServer, options: WindowOptions = {}): Promise<Workbench> {
    const browser = await launchBrowser(host);
    try {
      const context = await browser.newContext({
        viewport: options.size ?? { width: 1280, height: 800 },
        deviceScaleFactor: options.scale ?? 1,
        colorScheme: 'dark',
      });
      const page = await context.newPage();
      const workbench = new Workbench(browser, context, page, options.folder ?? server.workspace);
      await workbench.listen();
      await page.goto(windowUrl(server, options));
      await workbench.ready();
      return workbench;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  private async listen(): Promise<void> {
    const { page } = this;
    page.setDefaultTimeout(TIMEOUT_MS);
    const report = (text: string) => {
      if (!NOISE.some((noise) => noise.test(text))) this.problems.push(text);
    };
    page.on('console', (message) => {
      if (message.type() === 'error') report(`${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => report(error.stack ?? error.message));
    await page.exposeFunction('apMedSamTestToast', (text: string) => this.toasts.push(text));
    await page.addInitScript(recordToasts);
  }

  private async ready(): Promise<void> {
    const { page } = this;
    await page.waitForFunction(() => performance.getEntriesByName('code/didLoadExtensions').length > 0);
    await page.locator('.monaco-workbench .part.statusbar').waitFor();
  }

  /**
   * Reloads the window: the page and the extension host start anew, unsaved work is restored from its backup. The
   * window asks back while a backup is still to be written; `atOnce` goes on all the same, as a crash would.
   */
  async reload(options: { readonly atOnce?: boolean } = {}): Promise<void> {
    const { page } = this;
    for (const end = Date.now() + TIMEOUT_MS; ; ) {
      const outcome = Promise.race([
        page.waitForEvent('dialog').then((dialog) => dialog),
        page.waitForEvent('load').then(() => undefined),
      ]);
      await page.evaluate(() => void setTimeout(() => location.reload()));
      const question = await outcome;
      if (question === undefined) break;
      const loaded = page.waitForEvent('load');
      if (options.atOnce) {
        await question.accept();
        await loaded;
        break;
      }
      loaded.catch(() => {});
      await question.dismiss();
      if (Date.now() > end) throw new Error('unsaved work is not backed up');
      await sleep(100);
    }
    await this.ready();
  }

  async close(): Promise<void> {
    await this.context.close();
    await this.browser.close();
  }

  // --- palette and pickers ---

  /** Runs a command by its full title, such as `View: Reopen Editor With...`. */
  async run(title: string): Promise<void> {
    // The palette closes where something else takes the focus, such as an editor that is still opening.
    for (let tries = 0; ; tries++) {
      await this.openPalette();
      await this.input.fill(`>${title}`);
      const row = this.pickRow(title);
      await row.waitFor({ timeout: 10_000 }).catch(async () => {
        throw new Error(`the palette offers no '${title}', only ${JSON.stringify(await this.pickable())}`);
      });
      try {
        return await row.click({ timeout: tries < 3 ? 5_000 : TIMEOUT_MS });
      } catch (error) {
        if (tries >= 3) throw error;
      }
    }
  }

  /** Titles that the palette offers for this text. */
  async offered(text: string): Promise<string[]> {
    await this.openPalette();
    await this.input.fill(`>${text}`);
    // The list follows the text; it always has one row, that nothing matches if need be.
    await this.page.waitForFunction(
      (typed) => document.querySelector<HTMLInputElement>('.quick-input-widget input[type=text]')?.value === typed,
      `>${text}`,
    );
    const titles = await settled(() => this.pickable());
    await this.page.keyboard.press('Escape');
    await this.input.waitFor({ state: 'hidden' });
    return titles.filter((title) => title !== 'No matching commands');
  }

  private async openPalette(): Promise<void> {
    // A press is lost while a webview is only just taking the focus.
    for (let tries = 0; ; tries++) {
      await this.page.keyboard.press('F1');
      try {
        await this.input.waitFor({ timeout: tries < 3 ? 3_000 : TIMEOUT_MS });
        return;
      } catch (error) {
        if (tries >= 3) throw error;
      }
    }
  }

  /** Text field of the palette, a picker or an input box. */
  get input(): Locator {
    return this.page.locator('.quick-input-widget:visible input[type=text]');
  }

  /** Chooses a row of the open picker by its label. */
  async pick(label: string): Promise<void> {
    await this.pickRow(label).click();
  }

  /** Rows of the open picker with this label. */
  pickRow(label: string): Locator {
    return this.page.locator('.quick-input-list .monaco-list-row', {
      has: this.page.locator('.quick-input-list-row .label-name', { hasText: exactly(label) }),
    });
  }

  /** Labels of the rows of the open picker, as far as they are in view. */
  pickable(): Promise<string[]> {
    return this.page.locator('.quick-input-list .monaco-list-row .label-name').allInnerTexts();
  }

  // --- Explorer ---

  /**
   * Row of a file or folder of the workspace, made visible; its path relative to the workspace with forward slashes.
   */
  async explorerRow(relative: string): Promise<Locator> {
    const list = this.page.locator('.explorer-folders-view .monaco-list').first();
    if (!(await list.isVisible())) await this.run('View: Show Explorer');
    await list.waitFor();
    const parts = relative.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const folder = await this.scrolledTo(list, parts.slice(0, depth).join('/'));
      if ((await folder.getAttribute('aria-expanded')) === 'false') {
        await folder.click();
        await this.page.waitForFunction(
          (row) => row?.getAttribute('aria-expanded') === 'true',
          await folder.elementHandle(),
        );
      }
    }
    return this.scrolledTo(list, relative);
  }

  /** The list holds only the rows in view. */
  private async scrolledTo(list: Locator, relative: string): Promise<Locator> {
    const file = path.posix.join(this.folder, relative);
    // A decoration is told after a dot.
    const label = `.monaco-icon-label[aria-label="${file}"], .monaco-icon-label[aria-label^="${file} •"]`;
    const row = list.locator('.monaco-list-row', { has: this.page.locator(label) });
    // Rows of a folder just opened come a moment later.
    if (await settled(() => row.isVisible())) return row;
    await list.focus();
    for (let key = 'Home', focused: string | null = null; ; key = 'PageDown') {
      await this.page.keyboard.press(key);
      const now = await settled(() => list.getAttribute('aria-activedescendant'));
      if (await settled(() => row.isVisible())) return row;
      if (key === 'PageDown' && now === focused) break;
      focused = now;
    }
    throw new Error(`${relative} is not in the Explorer:\n${await list.innerText()}`);
  }

  /**
   * Right-clicks one or more files or folders and chooses the item at the end of `labels`, the others being submenus.
   */
  async explorerMenu(relative: string | readonly string[], ...labels: readonly string[]): Promise<void> {
    const menu = await this.openExplorerMenu(relative);
    for (const label of labels) {
      const item = menu.locator('.action-item', {
        has: this.page.locator('.action-label', { hasText: exactly(label) }),
      });
      // A menu that has just come up ignores clicks for a moment, lest the right-click choose; keys count at once.
      await item.hover();
      await item.and(this.page.locator('.focused')).waitFor();
      await this.page.keyboard.press('Enter');
    }
  }

  /** Labels of the items that a right-click on them offers. */
  async explorerMenuItems(relative: string | readonly string[]): Promise<string[]> {
    const menu = await this.openExplorerMenu(relative);
    const labels = await menu.locator('.action-item .action-label:not(.separator)').allInnerTexts();
    await this.page.keyboard.press('Escape');
    await menu.waitFor({ state: 'hidden' });
    return labels.map((label) => label.trim());
  }

  private async openExplorerMenu(relative: string | readonly string[]): Promise<Locator> {
    const files = typeof relative === 'string' ? [relative] : relative;
    let last = await this.explorerRow(files[0]);
    // A right-click on a row that is selected with others is for all of them.
    await this.page.locator('.explorer-folders-view .monaco-list').first().focus();
    await this.page.keyboard.press('Escape');
    if (files.length > 1) {
      for (const file of files) {
        last = await this.explorerRow(file);
        await last.click({ modifiers: ['Control'] });
        await last.and(this.page.locator('[aria-selected="true"]')).waitFor();
      }
    }
    await last.click({ button: 'right' });
    const menu = this.page.locator('.context-view .monaco-menu');
    await menu.first().waitFor();
    return menu;
  }

  // --- editors ---

  /** Opens a file of the workspace in the editor with this label, such as `Image Preview`. */
  async openWith(relative: string, editor: string): Promise<void> {
    await this.explorerMenu(relative, 'Open With...');
    await this.pick(editor);
    await this.tab(path.posix.basename(relative)).first().waitFor();
  }

  /** Tabs of this name. An unsaved one has the class `dirty`. */
  tab(name: string): Locator {
    return this.page.locator('.tabs-container .tab', {
      has: this.page.locator('.label-name', { hasText: exactly(name) }),
    });
  }

  /** Resolves when the tab of this name has its mark of unsaved work, or has it no more. */
  async untilDirty(name: string, dirty = true): Promise<void> {
    await this.tab(name)
      .and(this.page.locator(dirty ? '.dirty' : ':not(.dirty)'))
      .first()
      .waitFor();
  }

  /**
   * Content of a webview in view: of the extension under test unless another is named, and the first to have been
   * opened where several are in view.
   */
  webview(nth = 0, extension = 'ap-medsam.ap-medsam'): FrameLocator {
    return this.page
      .locator(`iframe.webview.ready[src*="extensionId=${extension}"]:visible`)
      .nth(nth)
      .contentFrame()
      .frameLocator('iframe#active-frame');
  }

  /** The webviews in view of the extension under test, side by side. */
  webviews(extension = 'ap-medsam.ap-medsam'): Locator {
    return this.page.locator(`iframe.webview.ready[src*="extensionId=${extension}"]:visible`);
  }

  // --- notifications, dialogs, status bar ---

  /** First text of a notification, shown now or since `from` (an index of `toasts`), that matches. */
  async toast(pattern: RegExp, options: { readonly from?: number; readonly timeoutMs?: number } = {}): Promise<string> {
    const { from = 0, timeoutMs = TIMEOUT_MS } = options;
    for (const end = Date.now() + timeoutMs; ; ) {
      const found = this.toasts.slice(from).find((text) => pattern.test(text));
      if (found !== undefined) return found;
      if (Date.now() > end) {
        throw new Error(`no notification matches ${pattern}; shown: ${JSON.stringify(this.toasts.slice(from))}`);
      }
      await sleep(50);
    }
  }

  /** What the notification that is in view and matches is told as, and its buttons. */
  async toastLook(pattern: RegExp): Promise<{ kind: 'info' | 'warning' | 'error'; buttons: string[] }> {
    const toast = this.page.locator('.notifications-toasts .notification-list-item', { hasText: pattern }).last();
    const icon = (await toast.locator('.notification-list-item-icon').getAttribute('class')) ?? '';
    const [, kind] = /codicon-(info|warning|error)/.exec(icon) ?? [];
    const buttons = await toast.locator('.notification-list-item-buttons-container .monaco-button').allInnerTexts();
    return { kind: kind as 'info' | 'warning' | 'error', buttons: buttons.map((text) => text.trim()).filter(Boolean) };
  }

  /** Number on the icon of a container in the activity bar; 0 where there is none. */
  async badge(container: string): Promise<number> {
    const tab = this.page.locator('.activitybar .action-item', {
      has: this.page.locator(`.action-label[aria-label^="${container}"]`),
    });
    const text = await tab.locator('.badge-content').first().textContent();
    return Number(text || 0);
  }

  /** Presses a button of the notification that is in view and matches. */
  async toastButton(pattern: RegExp, button: string): Promise<void> {
    await this.page
      .locator('.notifications-toasts .notification-list-item', { hasText: pattern })
      .getByRole('button', { name: button, exact: true })
      .click();
  }

  /** Presses a button of the modal dialog, once one is shown. Its text. */
  async dialogButton(button: string): Promise<string> {
    const dialog = this.page.locator('.monaco-dialog-box');
    const text = await dialog.locator('.dialog-message-container').innerText();
    await dialog.getByRole('button', { name: button, exact: true }).click();
    return text;
  }

  /** Texts of the status bar's items, left to right. */
  statusBar(): Promise<string[]> {
    return this.page.locator('.part.statusbar .statusbar-item:visible').allInnerTexts();
  }

  // --- looks ---

  async setTheme(theme: Theme): Promise<void> {
    const [label, themeClass] = THEMES[theme];
    await this.run('Preferences: Color Theme');
    // The list holds only the rows in view.
    await this.input.fill(label);
    await this.pick(label);
    await this.page.locator(`.monaco-workbench.${themeClass}`).waitFor();
  }

  /** Keeps a picture of the window as `artifacts/<name>.png`. */
  async screenshot(name: string): Promise<void> {
    const folder = path.join(repository, 'artifacts');
    await mkdir(folder, { recursive: true });
    await this.page.screenshot({
      path: path.join(folder, `${name.replace(/\W+/g, '-')}.png`),
      animations: 'disabled',
    });
  }
}

/** Runs in the page: hands over each text of a notification, looking no further than the notifications' own element. */
function recordToasts(): void {
  const hand = (window as unknown as { apMedSamTestToast?: (text: string) => void }).apMedSamTestToast;
  if (window !== window.top || hand === undefined) return;
  const told = new WeakMap<Element, string>();
  const look = (toasts: Element) => {
    for (const element of toasts.querySelectorAll('.notification-list-item-message')) {
      const text = element.textContent ?? '';
      if (text === '' || told.get(element) === text) continue;
      told.set(element, text);
      hand(text);
    }
  };
  const whenThere = (root: Node, subtree: boolean, selector: string, then: (found: Element) => void) => {
    const find = () => (root instanceof Element ? root : document).querySelector(selector);
    const found = find();
    if (found !== null) return then(found);
    const observer = new MutationObserver(() => {
      const late = find();
      if (late === null) return;
      observer.disconnect();
      then(late);
    });
    observer.observe(root, { childList: true, subtree });
  };
  whenThere(document, true, '.monaco-workbench', (workbench) =>
    whenThere(workbench, false, ':scope > .notifications-toasts', (toasts) => {
      look(toasts);
      const options = { childList: true, subtree: true, characterData: true };
      new MutationObserver(() => look(toasts)).observe(toasts, options);
    }),
  );
}

/** The whole text, with white space around it. */
const exactly = (text: string): RegExp => new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\s*$`);

/** Value once it stays the same for a while. */
async function settled<T>(read: () => Promise<T>): Promise<T> {
  let last = await read();
  for (let same = 0; same < 5; ) {
    await sleep(20);
    const now = await read();
    same = JSON.stringify(now) === JSON.stringify(last) ? same + 1 : 0;
    last = now;
  }
  return last;
}
