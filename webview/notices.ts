/** What a person must know before going on: bars above the canvas, and a hint on it while it is empty. */
import { hintFor } from './availability';
import type { PageSnapshot } from './chrome';
import { element, rebuild, setShown, setText } from './dom';
import { type IconName, icon } from './icons';

interface Notice {
  readonly icon: IconName;
  readonly kind: 'info' | 'warning';
  readonly text: string;
}

export class Notices {
  readonly bars = element('div', { class: 'notices', role: 'status' });
  readonly hint = element('div', { class: 'hint', hidden: true });

  update(page: PageSnapshot): void {
    const notices = noticesOf(page);
    rebuild(this.bars, JSON.stringify(notices), () =>
      notices.map(({ icon: name, kind, text }) =>
        element('div', { class: `notice notice-${kind}` }, icon(name), element('span', {}, text)),
      ),
    );
    const hint = hintFor(page.situation);
    setShown(this.hint, hint !== null);
    setText(this.hint, hint ?? '');
  }
}

function noticesOf({ facts, automatic }: PageSnapshot): Notice[] {
  const notices: Notice[] = [];
  if (facts.readOnly !== null) notices.push({ icon: 'lock', kind: 'info', text: `Read-only: ${facts.readOnly}` });
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
