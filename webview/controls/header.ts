/** The bar above the canvas: what is done with the whole image. */

import type { PageCommand } from '../../src/protocol/contributions';
import { whyNotCommand } from './availability';
import { ActionButton, type ButtonOptions, keepFocus, separator, toolbar } from './buttons';
import type { PageActions, PageSnapshot } from './chrome';
import { ClassPicker } from './classPicker';
import { element } from './dom';

const isMac = navigator.platform.startsWith('Mac');
const UNDO_KEY = isMac ? '⌘Z' : 'Ctrl+Z';
const REDO_KEY = isMac ? '⇧⌘Z' : 'Ctrl+Y';

export class Header {
  readonly element: HTMLElement;
  private readonly commands: [PageCommand, ActionButton][] = [];
  private readonly picker: ClassPicker;
  private readonly panel: ActionButton;

  constructor(private readonly actions: PageActions) {
    this.picker = new ClassPicker(actions);
    this.panel = new ActionButton({
      icon: 'panel',
      label: 'Side panel',
      onRefused: actions.refuse,
      onPress: () => actions.togglePanel(),
    });
    const left = toolbar(
      'Image',
      'horizontal',
      this.command('previousImage', { icon: 'previous', label: 'Previous image', key: 'A' }),
      this.command('nextImage', { icon: 'next', label: 'Next image', key: 'D' }),
      separator(),
      this.command('segmentImage', { icon: 'segment', label: 'Segment Image', withText: true }),
      this.command('acceptMask', { icon: 'accept', label: 'Accept', key: 'N', withText: true }),
      this.command('useAsReference', { icon: 'reference', label: 'Use as Reference', withText: true }),
      separator(),
      this.picker.element,
    );
    const right = toolbar(
      'Edits',
      'horizontal',
      this.command('undo', { icon: 'undo', label: 'Undo', key: UNDO_KEY }),
      this.command('redo', { icon: 'redo', label: 'Redo', key: REDO_KEY }),
      separator(),
      this.panel.element,
    );
    this.element = element(
      'header',
      { class: 'header' },
      left,
      element('span', { class: 'spring' }),
      right,
      this.picker.popup,
    );
    keepFocus(this.element);
  }

  update(page: PageSnapshot): void {
    for (const [command, button] of this.commands) {
      button.update({ reason: whyNotCommand(command, page.situation) });
    }
    this.picker.update(page);
    this.panel.update({ pressed: page.isPanelOpen });
  }

  private command(command: PageCommand, options: Omit<ButtonOptions, 'onPress' | 'onRefused'>): HTMLElement {
    const button = new ActionButton({
      ...options,
      onRefused: this.actions.refuse,
      onPress: () => this.actions.run(command),
    });
    this.commands.push([command, button]);
    return button.element;
  }
}
