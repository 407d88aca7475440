/** The line below the canvas: what goes on, what is under the pointer, and the zoom. */
import { describeSize } from '../../src/core/geometry';
import { IGNORE } from '../../src/core/pixels/labelMap';
import type { DocumentFacts } from '../../src/protocol/editorApi';
import type { Zoom } from '../canvas/viewport';
import type { Message } from '../document/messageLine';
import type { PixelUnder } from '../document/pageModel';
import { ActionButton, keepFocus, toolbar } from './buttons';
import { classOf, type PageActions, type PageSnapshot } from './chrome';
import { element, rebuild, setShown, setText, swatch } from './dom';
import { type IconName, icon } from './icons';
import { formatZoom } from './words';

const ZOOMS: readonly { zoom: Zoom; icon: IconName; label: string; key: string }[] = [
  { zoom: 'out', icon: 'zoomOut', label: 'Zoom out', key: '-' },
  { zoom: 'in', icon: 'zoomIn', label: 'Zoom in', key: '=' },
  { zoom: 'fit', icon: 'fit', label: 'Fit the whole image', key: '0' },
  { zoom: 'actual', icon: 'actual', label: 'Zoom to 100 %', key: '1' },
];

export class StatusLine {
  readonly element: HTMLElement;
  private readonly message = element('span', { class: 'message', role: 'status' });
  private readonly log: HTMLElement;
  private readonly under = element('span', { class: 'under' });
  private readonly position = element('span', { class: 'position' });
  private readonly size = element('span', { class: 'size', title: 'Size of the image in pixels' });
  private readonly zoom = element('span', { class: 'zoom', title: 'Screen pixels per image pixel' });

  constructor(actions: PageActions) {
    const buttons = ZOOMS.map(
      ({ zoom, icon: name, label, key }) =>
        new ActionButton({ icon: name, label, key, onRefused: actions.refuse, onPress: () => actions.zoom(zoom) }),
    );
    this.log = element('button', { type: 'button', class: 'link', hidden: true }, 'Show Log');
    this.log.addEventListener('click', () => actions.run('showLog'));
    const [out, ...others] = buttons.map((button) => button.element);
    this.element = element(
      'footer',
      { class: 'status' },
      this.message,
      this.log,
      element('span', { class: 'spring' }),
      this.under,
      this.position,
      this.size,
      toolbar('Zoom', 'horizontal', out, this.zoom, ...others),
    );
    keepFocus(this.element);
  }

  update({ message, image, zoom }: PageSnapshot): void {
    this.showMessage(message);
    setText(this.size, describeSize(image.size));
    setText(this.zoom, formatZoom(zoom));
  }

  /** Null: the pointer is not over the image. */
  point(under: PixelUnder | null, facts: DocumentFacts): void {
    setText(this.position, under ? `${under.pixel.x}, ${under.pixel.y}` : '');
    const found = under ? classOf(facts, under.value) : undefined;
    const name =
      !under || under.value === 0 ? '' : under.value === IGNORE ? 'Ignored' : (found?.name ?? `Value ${under.value}`);
    rebuild(this.under, `${name} ${found?.colour}`, () => (name === '' ? [] : [swatch(found?.colour ?? null), name]));
  }

  private showMessage({ text, kind }: Message): void {
    rebuild(this.message, `${kind} ${text}`, () => [
      ...(kind === 'busy' ? [element('vscode-progress-ring', { class: 'ring', 'aria-hidden': 'true' })] : []),
      ...(kind === 'error' ? [icon('error')] : []),
      element('span', { class: 'message-text', title: text }, text),
    ]);
    this.message.classList.toggle('is-error', kind === 'error');
    setShown(this.log, kind === 'error');
  }
}
