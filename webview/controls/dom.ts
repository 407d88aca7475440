/** Building the page without markup in strings: text is text, whatever it contains. */
import type { CheckboxElement } from './toolkit';

/** Elements of the component library, beside those that every browser has. */
interface ComponentElements {
  'vscode-button': HTMLElement;
  'vscode-checkbox': CheckboxElement;
  'vscode-progress-ring': HTMLElement;
}

type Elements = HTMLElementTagNameMap & ComponentElements;

/** `true` is an attribute without value; `false` and null leave it out. */
type Attributes = Readonly<Record<string, string | number | boolean | null>>;

export function element<Tag extends keyof Elements>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): Elements[Tag] {
  const made = document.createElement(tag) as Elements[Tag];
  for (const [name, value] of Object.entries(attributes)) setAttribute(made, name, value);
  made.append(...children);
  return made;
}

/** Leaves the element alone where nothing changes, so that nothing is laid out or read aloud anew. */
export function setAttribute(target: Element, name: string, value: string | number | boolean | null): void {
  const text = value === true ? '' : value === false || value === null ? null : String(value);
  if (target.getAttribute(name) === text) return;
  if (text === null) target.removeAttribute(name);
  else target.setAttribute(name, text);
}

export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function setShown(target: HTMLElement, shown: boolean): void {
  if (target.hidden === shown) target.hidden = !shown;
}

/** Replaces the children where `key` has changed since the last time; cheap to call with every redraw. */
export function rebuild(target: HTMLElement, key: string, build: () => readonly (Node | string)[]): void {
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  target.replaceChildren(...build());
}

/** A square of a class's colour. The name stands beside it: colour alone tells nothing. */
export function swatch(colour: string | null): HTMLElement {
  const made = element('span', { class: 'swatch', 'aria-hidden': 'true' });
  if (colour !== null) made.style.setProperty('--swatch', colour);
  else made.classList.add('swatch-ignored');
  return made;
}
