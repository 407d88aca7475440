/** The line between header and canvas: settings of the active tool, and the prompts that are worked on. */

import { BRUSH_LIMITS } from '../document/viewState';
import { whyNotCommand } from './availability';
import { ActionButton, keepFocus } from './buttons';
import type { PageActions, PageSnapshot } from './chrome';
import { element, setAttribute, setShown, setText } from './dom';
import type { CheckboxElement } from './toolkit';
import { formatCount, formatPrediction, TOOL_WORDS } from './words';

/** The slider goes up in powers, so that small brushes have as much of it as large ones. */
const SLIDER_STEPS = 100;
const SLIDER_MOST = 400;

const diameterOf = (position: number): number => Math.round(SLIDER_MOST ** (position / SLIDER_STEPS));
const positionOf = (diameter: number): number =>
  Math.round((Math.log(diameter) / Math.log(SLIDER_MOST)) * SLIDER_STEPS);

export class OptionsBar {
  readonly element: HTMLElement;
  private readonly name = element('span', { class: 'tool-name' });
  private readonly hint = element('span', { class: 'tool-hint' });
  private readonly size: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly number: HTMLInputElement;
  private readonly overOthers: CheckboxElement;
  private readonly erasesAll: CheckboxElement;
  private readonly prompts = element('span', { class: 'prompt-summary' });
  private readonly finish: ActionButton;
  private readonly discard: ActionButton;

  constructor(actions: PageActions) {
    this.slider = element('input', { type: 'range', min: 0, max: SLIDER_STEPS, 'aria-label': 'Brush size' });
    this.slider.addEventListener('input', () => actions.setBrush({ diameter: diameterOf(this.slider.valueAsNumber) }));
    this.number = element('input', {
      type: 'number',
      class: 'number',
      min: BRUSH_LIMITS.least,
      max: BRUSH_LIMITS.most,
      'aria-label': 'Brush size in pixels',
      title: 'Brush size in pixels ([ and ])',
    });
    this.number.addEventListener('change', () => {
      const diameter = Math.round(this.number.valueAsNumber);
      if (diameter >= BRUSH_LIMITS.least && diameter <= BRUSH_LIMITS.most) actions.setBrush({ diameter });
      else this.number.value = this.number.defaultValue;
    });
    this.overOthers = element(
      'vscode-checkbox',
      { title: 'Paint over other classes and ignored pixels too' },
      'Over other classes',
    );
    this.overOthers.addEventListener('change', () => actions.setBrush({ overOthers: this.overOthers.checked }));
    this.erasesAll = element('vscode-checkbox', { title: 'Erase every class, not only the active one' }, 'All classes');
    this.erasesAll.addEventListener('change', () => actions.setBrush({ erasesAll: this.erasesAll.checked }));
    this.size = element(
      'span',
      { class: 'option-group' },
      element('span', { class: 'option-label', 'aria-hidden': 'true' }, 'Size'),
      this.slider,
      this.number,
      element('span', { class: 'unit', 'aria-hidden': 'true' }, 'px'),
    );
    const common = { withText: true, onRefused: actions.refuse };
    const finish = () => actions.finish();
    const discard = () => actions.discard();
    this.finish = new ActionButton({ ...common, icon: 'finish', label: 'Finish', key: 'F', onPress: finish });
    this.discard = new ActionButton({ ...common, icon: 'discard', label: 'Discard', key: 'Esc', onPress: discard });
    this.element = element(
      'div',
      { class: 'options', role: 'group', 'aria-label': 'Tool options' },
      this.name,
      this.size,
      this.overOthers,
      this.erasesAll,
      // As wide as there is room: a bar that wrapped with every prompt would move the picture.
      element('span', { class: 'tool-words' }, this.hint, this.prompts),
      this.finish.element,
      this.discard.element,
    );
    keepFocus(this.element);
  }

  update({ view, session, isAsking, situation }: PageSnapshot): void {
    const { tool, brush } = view;
    setText(this.name, TOOL_WORDS[tool].name);
    setText(this.hint, TOOL_WORDS[tool].hint);
    setAttribute(this.hint, 'title', TOOL_WORDS[tool].hint);
    const paints = tool === 'brush' || tool === 'polygon';
    const erases = tool === 'eraser';
    setShown(this.size, tool === 'brush' || erases);
    setShown(this.overOthers, paints);
    setShown(this.erasesAll, erases);
    const position = String(positionOf(Math.min(brush.diameter, SLIDER_MOST)));
    if (diameterOf(Number(this.slider.value)) !== brush.diameter) this.slider.value = position;
    setAttribute(this.slider, 'aria-valuetext', formatCount(brush.diameter, 'pixel'));
    if (this.number.defaultValue !== String(brush.diameter)) {
      this.number.defaultValue = String(brush.diameter);
      this.number.value = this.number.defaultValue;
    }
    if (this.overOthers.checked !== brush.overOthers) this.overOthers.checked = brush.overOthers;
    if (this.erasesAll.checked !== brush.erasesAll) this.erasesAll.checked = brush.erasesAll;

    const parts = session
      ? [
          ...(session.points.length > 0 ? [formatCount(session.points.length, 'point')] : []),
          ...(session.box ? ['box'] : []),
          isAsking ? 'asking…' : `IoU prediction ${formatPrediction(session.iouPrediction)}`,
        ]
      : [];
    setText(this.prompts, parts.join(' · '));
    this.finish.update({ reason: whyNotCommand('finish', situation) });
    this.discard.update({ reason: whyNotCommand('discard', situation) });
    const isIdle = !situation.hasPrompts && !situation.hasDraft;
    this.element.classList.toggle('idle', isIdle);
  }
}
