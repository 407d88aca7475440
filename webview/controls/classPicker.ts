/** Chooses the class that new pixels get, and adds classes. */
import { whyNotCommand } from './availability';
import { makeRoving } from './buttons';
import { classOf, type PageActions, type PageSnapshot } from './chrome';
import { element, rebuild, setAttribute, setText, swatch } from './dom';
import { icon } from './icons';

/** Offered for new classes in this order: apart in hue and in lightness, after Okabe and Ito (2008). */
const COLOURS = ['#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7', '#999999'];

export class ClassPicker {
  readonly element: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly buttonSwatch = element('span', { class: 'swatch-place' });
  private readonly buttonText = element('span', { class: 'picker-name' });
  /** To be put outside any toolbar, whose keys it must not get. */
  readonly popup: HTMLElement;
  private readonly list = element('div', { class: 'class-list', role: 'group', 'aria-label': 'Classes' });
  private readonly name = element('input', {
    type: 'text',
    class: 'text-field',
    placeholder: 'New class',
    'aria-label': 'Name of the new class',
  });
  private readonly colour = element('input', { type: 'color', 'aria-label': 'Colour of the new class' });
  private readonly add = element('vscode-button', { appearance: 'secondary' }, 'Add');
  private readonly problem = element('p', { class: 'problem', role: 'alert', hidden: true });
  private refusal: string | null = null;

  constructor(private readonly actions: PageActions) {
    this.button = element(
      'button',
      {
        type: 'button',
        class: 'picker',
        'aria-haspopup': 'dialog',
        'aria-expanded': 'false',
        title: 'Class that new pixels get',
      },
      this.buttonSwatch,
      this.buttonText,
      icon('chevron'),
    );
    const form = element('form', { class: 'new-class', 'aria-label': 'New class' }, this.colour, this.name, this.add);
    this.popup = element(
      'div',
      { popover: 'auto', class: 'popup', role: 'dialog', 'aria-label': 'Classes' },
      this.list,
      form,
      this.problem,
    );
    makeRoving(this.list, 'vertical');
    this.element = this.button;

    this.button.addEventListener('click', () => this.popup.togglePopover());
    this.popup.addEventListener('toggle', (event) => {
      const isOpen = (event as ToggleEvent).newState === 'open';
      setAttribute(this.button, 'aria-expanded', String(isOpen));
      if (isOpen) this.opened();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.submit();
    });
    this.add.addEventListener('click', () => void this.submit());
  }

  update({ facts, situation }: PageSnapshot): void {
    const active = classOf(facts, facts.classId);
    rebuild(this.buttonSwatch, active?.colour ?? '', () => [swatch(active?.colour ?? null)]);
    setText(this.buttonText, active?.name ?? 'Add class');
    setAttribute(this.button, 'aria-label', active ? `Class: ${active.name}` : 'Add class');
    this.refusal = whyNotCommand('addClass', situation);
    const key = JSON.stringify([facts.classes, facts.classId]);
    rebuild(this.list, key, () =>
      facts.classes.map(({ id, name, colour }) => {
        const isActive = id === facts.classId;
        const row = element(
          'button',
          { type: 'button', class: 'class-row', 'aria-pressed': String(isActive), tabindex: isActive ? 0 : -1 },
          swatch(colour),
          element('span', { class: 'class-name' }, name),
          ...(isActive ? [icon('finish')] : []),
        );
        row.addEventListener('click', () => {
          this.popup.hidePopover();
          this.actions.selectClass(id);
        });
        return row;
      }),
    );
    if (!this.popup.matches(':popover-open')) {
      const used = new Set(facts.classes.map(({ colour }) => colour.toLowerCase()));
      this.colour.value = COLOURS.find((colour) => !used.has(colour)) ?? COLOURS[facts.classes.length % COLOURS.length];
    }
  }

  private opened(): void {
    const { left, bottom } = this.button.getBoundingClientRect();
    this.popup.style.left = `${Math.min(left, window.innerWidth - this.popup.offsetWidth - 8)}px`;
    this.popup.style.top = `${bottom + 4}px`;
    this.say(null);
    const first = this.list.querySelector<HTMLElement>('[aria-pressed="true"]') ?? this.name;
    first.focus();
  }

  private async submit(): Promise<void> {
    const name = this.name.value.trim();
    if (this.refusal !== null) return this.say(this.refusal);
    if (name === '') return this.say('Give the class a name.');
    try {
      await this.actions.addClass(name, this.colour.value);
    } catch (error) {
      return this.say(error instanceof Error ? error.message : String(error));
    }
    this.name.value = '';
    this.popup.hidePopover();
    this.button.focus();
  }

  private say(problem: string | null): void {
    this.problem.hidden = problem === null;
    this.problem.textContent = problem;
  }
}
