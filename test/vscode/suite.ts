/** Runs a suite inside the extension host of the test host, as VS Code does with `--extensionTestsPath`. */
import type { VsCodeHost } from './install';
import { CodeServer, type ServerOptions } from './server';
import { launchBrowser, type WindowOptions, windowUrl } from './workbench';

/** Begins each line that the suite prints (test/integration/say.ts). */
const MARK = '│ ';

export interface SuiteOptions extends ServerOptions, WindowOptions {
  /** Absolute path of the module whose `run` is called. */
  readonly tests: string;
  /** Takes each line that the suite prints, as it comes. */
  readonly onLine: (line: string) => void;
  /** The window is closed and the run is over after this long. */
  readonly timeoutMs?: number;
}

/** Exit code that VS Code would end with: 0 where `run` resolved. */
export async function runSuite(host: VsCodeHost, options: SuiteOptions): Promise<number> {
  const { onLine, timeoutMs = 20 * 60_000 } = options;
  const server = await CodeServer.start(host, options);
  try {
    const browser = await launchBrowser(host);
    try {
      const page = await browser.newPage({ viewport: options.size ?? { width: 1280, height: 800 } });
      const ended = new Promise<number>((resolve, reject) => {
        page.exposeFunction('codeAutomationExit', resolve).catch(reject);
        setTimeout(() => reject(new Error(`the suite was not over after ${timeoutMs / 1000} s`)), timeoutMs).unref();
        // Nobody is left to tell how it ended when the host of the suite dies.
        server.onLog((text) => {
          if (/Extension Host Process exited with code: [^0]/.test(text))
            reject(new Error(`the extension host died:\n${text}`));
        });
      });
      ended.catch(() => {});
      await page.exposeFunction('codeAutomationLog', (_type: string, parts: unknown[]) => {
        for (const line of parts.map(String).join(' ').split('\n')) {
          if (line.startsWith(MARK)) onLine(line.slice(MARK.length));
        }
      });
      await page.goto(windowUrl(server, options));
      return await ended;
    } finally {
      await browser.close();
    }
  } finally {
    await server.stop();
  }
}
