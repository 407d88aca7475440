import { describe, expect, it } from 'vitest';
import { unreadableHtml } from '../../src/editor/page/unreadable';

const sources = { style: 'https://host/webview.css', cspSource: 'https://host' };
const about = (document: Partial<Parameters<typeof unreadableHtml>[0]>) =>
  unreadableHtml(
    {
      uri: { path: '/data/<b>&"x.png' },
      problem: '/data/<b>&"x.png is cut short: expected 12 rows, found 3.',
      place: null,
      ...document,
    },
    sources,
  );

describe('the page of an image that cannot be shown', () => {
  it('says why, whatever a file is called, and runs no script', () => {
    const html = about({});
    expect(html).toContain('&#60;b&#62;&#38;&#34;x.png cannot be shown');
    expect(html).toContain('is cut short: expected 12 rows, found 3.');
    expect(html).not.toContain('<b>');
    expect(html).not.toContain('<script');
    expect(html).toContain("default-src 'none'; style-src https://host;");
  });

  it('offers to try again, and the next image where there is a folder', () => {
    const commands = (html: string) => [...html.matchAll(/href="command:([\w.]+)"/g)];
    expect(commands(about({})).map(([, id]) => id)).toEqual(['apMedSam.tryAgain']);
    const both = commands(about({ place: {} }));
    expect(both.map(([, id]) => id)).toEqual(['apMedSam.tryAgain', 'apMedSam.nextImage']);
  });
});
