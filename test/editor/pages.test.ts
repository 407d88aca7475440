/** Pages that show an open image: told the same, but for what one of them has painted itself. */
import { describe, expect, it } from 'vitest';
import { changeBetween } from '../../src/core/drawing/labelChange';
import { type PageContent, Pages } from '../../src/editor/image/pages';
import type { PromptSession } from '../../src/protocol/editorApi';
import { labels } from '../dataset/fixtures';
import { listeningPage } from './fakeEditor';

const BLANK = new Array(12).fill(0);
const painted = changeBetween(labels(BLANK), labels([1, ...BLANK.slice(1)]));

function twoPages(content: Partial<PageContent> = {}) {
  const pages = new Pages({
    displayFor: (page) => ({ overview: page.addressOf('/overview.png') }) as never,
    labels: labels(BLANK),
    automatic: null,
    session: null,
    facts: {} as PageContent['facts'],
    ...content,
  });
  const [mine, other] = [listeningPage(), listeningPage()];
  pages.connect(mine);
  return { pages, mine, other, leave: pages.connect(other) };
}

describe('pages', () => {
  it('are all told of a change, the one that painted it only that there was one', () => {
    const { pages, mine, other } = twoPages();
    pages.paintedBy(mine, () => pages.publish(painted));
    expect(mine.heard.update).toMatchObject([{ change: null }]);
    expect(other.heard.update).toMatchObject([{ change: painted }]);
  });

  it('hear of the next change after one of theirs was refused', () => {
    const { pages, mine } = twoPages();
    const refuse = () => {
      throw new RangeError('it leaves the image');
    };
    expect(() => pages.paintedBy(mine, refuse)).toThrow(RangeError);
    pages.publish(painted);
    expect(mine.heard.update).toMatchObject([{ change: painted }]);
  });

  it('that have left, or whose image is closed, hear nothing', () => {
    const { pages, mine, other, leave } = twoPages();
    leave();
    pages.say('Segmenting...', true);
    pages.close();
    pages.say('');
    expect(mine.heard.say).toEqual([{ text: 'Segmenting...', busy: true }]);
    expect(other.heard.say).toEqual([]);
  });

  it('get addresses that they can load, and of a session what they show of it', () => {
    const session = { classId: 1, points: [], box: null, origin: 'person', iouPrediction: null, rounds: [] };
    const { pages, mine } = twoPages({ session: session as unknown as PromptSession });
    const state = pages.stateFor(mine);
    expect(state.image.overview).toBe('webview:/overview.png');
    expect(state.session).not.toHaveProperty('rounds');
    expect(state.session).toMatchObject({ classId: 1, origin: 'person' });
  });
});
