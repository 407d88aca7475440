/** Buttons and the toolbars that hold them. */
import { element, setAttribute } from './dom';
import { type IconName, icon } from './icons';

export interface ButtonOptions {
  readonly icon: IconName;
  readonly label: string;
  /** Name of the key that does the same. */
  readonly key?: string;
  /** Shows the label beside the icon while there is room. */
  readonly withText?: boolean;
  readonly appearance?: 'icon' | 'primary' | 'secondary';
  /** Says why the button cannot work, when it is pressed nevertheless. */
  onRefused(reason: string): void;
  onPress(event: MouseEvent): void;
}

interface ButtonState {
  /** Why it cannot work now, or null. */
  readonly reason?: string | null;
  /** For buttons that stay pressed. */
  readonly pressed?: boolean;
}

/**
 * A button that can be reached, and says why, also when it cannot work: it is marked as disabled for a screen reader
 * and for the eye, but keeps its place in the order of keys.
 */
export class ActionButton {
  readonly element: HTMLElement;
  private reason: string | null = null;

  constructor(private readonly options: ButtonOptions) {
    const { label, withText = false, appearance = 'icon' } = options;
    this.element = element(
      'vscode-button',
      {
        appearance,
        class: withText ? 'action-button with-text' : 'action-button',
        'aria-label': label,
        title: this.title(),
      },
      icon(options.icon),
    );
    if (withText) this.element.append(element('span', { class: 'button-text', 'aria-hidden': 'true' }, label));
    this.element.addEventListener('click', (event) => {
      if (this.reason !== null) options.onRefused(this.reason);
      else options.onPress(event);
    });
  }

  update({ reason = null, pressed }: ButtonState): void {
    this.reason = reason;
    this.tell({ ariaDisabled: reason !== null ? 'true' : null });
    setAttribute(this.element, 'title', reason === null ? this.title() : `${this.title()}\n${reason}`);
    if (pressed !== undefined) this.tell({ ariaPressed: String(pressed) });
  }

  /** The component hands properties on to the real button inside it; attributes that change later it overlooks. */
  private tell(aria: Readonly<Partial<Record<'ariaDisabled' | 'ariaPressed', string | null>>>): void {
    Object.assign(this.element, aria);
  }

  private title(): string {
    const { label, key } = this.options;
    return key ? `${label} (${key})` : label;
  }
}

/**
 * A toolbar takes one stop of the Tab key; arrows, Home and End move inside it (WAI-ARIA authoring practices). Controls
 * that use arrows themselves, such as sliders, keep them.
 */
export function toolbar(
  label: string,
  orientation: 'horizontal' | 'vertical',
  ...children: readonly Node[]
): HTMLElement {
  const bar = element('div', {
    role: 'toolbar',
    'aria-label': label,
    'aria-orientation': orientation,
    class: `toolbar toolbar-${orientation}`,
  });
  bar.append(...children);
  makeRoving(bar, orientation);
  return bar;
}

/** One stop of the Tab key for all the buttons inside. */
export function makeRoving(bar: HTMLElement, orientation: 'horizontal' | 'vertical'): void {
  const stops = () =>
    [...bar.querySelectorAll<HTMLElement>('vscode-button, button')].filter((stop) => stop.offsetParent !== null);
  const settle = (current: HTMLElement | undefined) => {
    for (const stop of bar.querySelectorAll<HTMLElement>('vscode-button, button')) {
      setAttribute(stop, 'tabindex', stop === current ? 0 : -1);
    }
  };
  bar.addEventListener('focusin', (event) => {
    const stop = stops().find((candidate) => candidate === event.target);
    if (stop) settle(stop);
  });
  bar.addEventListener('keydown', (event) => {
    const all = stops();
    const at = all.findIndex((stop) => stop.matches(':focus'));
    if (at < 0) return;
    const [back, forth] = orientation === 'horizontal' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    const next = { [back]: at - 1, [forth]: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    all.at(next % all.length)?.focus();
  });
  settle(bar.querySelector<HTMLElement>('vscode-button, button') ?? undefined);
}

export const separator = (): HTMLElement => element('span', { class: 'separator', 'aria-hidden': 'true' });

/** A press of the mouse leaves the keyboard where it is, so that keys go on acting on the canvas. */
export function keepFocus(container: HTMLElement): void {
  container.addEventListener('mousedown', (event) => {
    const target = event.target;
    if (target instanceof Element && !target.closest('input, summary')) event.preventDefault();
  });
}
