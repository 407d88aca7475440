/** Starts a browser to look at the page with. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * @param executable path of a Chromium or Chrome; by default the one that AP_MEDSAM_TEST_BROWSER names, or the
 * system's.
 */
export function launchChromium(executable = findChromium()): Promise<Browser> {
  return chromium.launch({
    executablePath: executable,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

function findChromium(): string {
  const found = process.env.AP_MEDSAM_TEST_BROWSER ?? PLACES.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`no Chromium in ${PLACES.join(', ')}: name one in AP_MEDSAM_TEST_BROWSER`);
  return found;
}
