/** All that stands around the canvas, put together: drawn from one snapshot of the page, with one set of actions. */
import type { DocumentFacts } from '../../src/protocol/editorApi';
import type { PixelUnder } from '../document/pageModel';
import type { PageActions, PageSnapshot } from './chrome';
import { element } from './dom';
import { Header } from './header';
import { HoverCard } from './hoverCard';
import { Notices } from './notices';
import { OptionsBar } from './optionsBar';
import { SidePanel } from './sidePanel';
import { StatusLine } from './statusLine';
import { ToolRail } from './toolRail';

export class PageControls {
  /** To be filled by the viewer. */
  readonly canvas = element('div', { class: 'canvas' });
  /** The canvas, and what lies on it. */
  readonly stage: HTMLElement;
  readonly card = new HoverCard();
  private readonly status: StatusLine;
  private readonly parts: readonly { update(page: PageSnapshot): void }[];

  /** Fills `root`. */
  constructor(root: HTMLElement, actions: PageActions) {
    const header = new Header(actions);
    const rail = new ToolRail(actions);
    const options = new OptionsBar(actions);
    const panel = new SidePanel(actions);
    const notices = new Notices(actions);
    this.status = new StatusLine(actions);
    this.parts = [header, rail, options, notices, panel, this.status];
    this.stage = element('div', { class: 'stage' }, this.canvas, notices.hint, this.card.element);
    root.replaceChildren(
      header.element,
      options.element,
      notices.bars,
      element('main', { class: 'middle' }, rail.element, this.stage, panel.element),
      this.status.element,
    );
  }

  update(page: PageSnapshot): void {
    for (const part of this.parts) part.update(page);
  }

  /** Says what is under the pointer; null: it is not over the image. */
  point(under: PixelUnder | null, facts: DocumentFacts): void {
    this.status.point(under, facts);
  }
}
