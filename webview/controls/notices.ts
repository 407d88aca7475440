/** What a person must know before going on: bars above the canvas, and a hint on it while it is empty. */
import type { PageCommand } from '../../src/protocol/contributions';
import { hintFor } from './availability';
import type { PageActions, PageSnapshot } from './chrome';
import { element, rebuild, setShown, setText } from './dom';
import { type IconName, icon } from './icons';

interface Notice {
  readonly icon: IconName;
  readonly kind: 'info' | 'warning';
  readonly text: string;
  readonly link?: { readonly label: string; readonly command: PageCommand };
}

export class Notices {
  readonly bars = element('div', { class: 'notices', role: 'status' });
  readonly hint = element('div', { class: 'hint', hidden: true });

  constructor(private readonly actions: Pick<PageActions, 'run'>) {}

  update(page: PageSnapshot): void {
    const notices = noticesOf(page);
    rebuild(this.bars, JSON.stringify(notices), () =>
      notices.map(({ icon: name, kind, text, link }) =>
        element(
          'div',
          { class: `notice notice-${kind}` },
          icon(name),
          element('span', {}, text),
          ...(link ? [this.link(link)] : []),
        ),
      ),
    );
    const hint = hintFor(page.situation);
    setShown(this.hint, hint !== null);
    setText(this.hint, hint ?? '');
  }

  private link({ label, command }: NonNullable<Notice['link']>): HTMLElement {
    const made = element('button', { type: 'button', class: 'link' }, label);
    made.addEventListener('click', () => this.actions.run(command));
    return made;
  }
}

function noticesOf({ facts, automatic }: PageSnapshot): Notice[] {
  const notices: Notice[] = [];
  if (facts.readOnly !== null) {
    const link = { label: 'Manage Workspace Trust', command: 'manageTrust' } as const;
    const text = `Read-only: ${facts.readOnly}`;
    notices.push({ icon: 'lock', kind: 'info', text, ...(facts.needsTrust && { link }) });
  }
  if (facts.failure !== null) {
    const text = `The last run failed here: ${facts.failure} Segment Image tries again, or paint the object by hand.`;
    notices.push({ icon: 'warning', kind: 'warning', text });
  }
  if (facts.changedOnDisk) {
    notices.push({
      icon: 'warning',
      kind: 'warning',
      text: 'The mask on disk has changed since it was opened. Saving asks before it is replaced; File: Revert File takes it over.',
    });
  }
  if (facts.status === 'absent' || automatic?.outcome === 'absent') {
    const isByPerson = facts.status === 'accepted' || facts.status === 'edited';
    if (!isByPerson) {
      notices.push({
        icon: 'info',
        kind: 'info',
        text: 'Nothing here looks like the object, so no mask was drawn. Accept if that is right, or paint it by hand.',
      });
    }
  }
  return notices;
}
