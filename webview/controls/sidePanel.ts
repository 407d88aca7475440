/** The panel beside the canvas: layers, the result of Segment Image, the reference, and the classes. */
import { IGNORE } from '../../src/core/pixels/labelMap';
import type { PageCommand } from '../../src/protocol/contributions';
import { whyNotCommand } from './availability';
import { ActionButton, keepFocus, makeRoving } from './buttons';
import { classOf, type PageActions, type PageSnapshot } from './chrome';
import { element, rebuild, setShown, setText, swatch } from './dom';
import { LayerControls } from './layerControls';
import {
  countCandidates,
  formatCount,
  formatPrediction,
  formatShare,
  formatTime,
  formatTrust,
  REASON_NAMES,
  STATUS_WORDS,
  trustRows,
} from './words';

export class SidePanel {
  readonly element: HTMLElement;
  private readonly layers: LayerControls;
  private readonly result = element('div', { class: 'section-body' });
  private readonly reference = element('p', { class: 'quiet' });
  private readonly referenceButtons: [PageCommand, ActionButton][];
  private readonly classes = element('div', { class: 'class-list', role: 'group', 'aria-label': 'Classes' });
  private readonly sections = new Map<string, HTMLDetailsElement>();

  constructor(private readonly actions: PageActions) {
    this.layers = new LayerControls(actions);
    this.referenceButtons = [
      this.command('useAsReference', 'reference', 'Use as Reference'),
      this.command('loadMask', 'open', 'Load Mask…'),
    ];
    const buttons = element(
      'div',
      { class: 'button-row' },
      ...this.referenceButtons.map(([, button]) => button.element),
    );
    makeRoving(this.classes, 'vertical');
    this.element = element(
      'aside',
      { class: 'panel', 'aria-label': 'Layers, result and classes' },
      this.section('Layers', this.layers.element),
      this.section('Result', this.result),
      this.section('Reference', element('div', { class: 'section-body' }, this.reference, buttons)),
      this.section('Classes', this.classes),
    );
    keepFocus(this.element);
  }

  update(page: PageSnapshot): void {
    setShown(this.element, page.isPanelOpen);
    if (!page.isPanelOpen) return;
    for (const [name, section] of this.sections) {
      const isOpen = !page.view.folded.includes(name);
      if (section.open !== isOpen) section.open = isOpen;
    }
    this.layers.update(page);
    this.updateResult(page);
    this.updateReference(page);
    this.updateClasses(page);
  }

  private updateResult({ facts, automatic }: PageSnapshot): void {
    const status = facts.status === null ? 'Not labelled yet' : STATUS_WORDS[facts.status];
    const rows: [string, string][] = [['Status', status]];
    if (automatic) {
      const { positive, negative } = countCandidates(automatic.candidates);
      rows.push(
        ['Trust', formatTrust(automatic.trust)],
        ['IoU prediction', formatPrediction(automatic.iouPrediction)],
        ['Outcome', automatic.outcome === 'mask' ? 'Mask drawn' : 'Object absent'],
        ['Points', `${positive} positive, ${negative} negative`],
      );
      if (automatic.times.total !== undefined) rows.push(['Time', formatTime(automatic.times.total)]);
      if (automatic.device !== null) rows.push(['Device', automatic.device]);
    }
    const dropped = automatic ? countCandidates(automatic.candidates).dropped : [];
    const stages = Object.entries(automatic?.times ?? {}).filter(([stage]) => stage !== 'total');
    const notes = automatic?.notes ?? [];
    const trust = trustRows(automatic?.trustParts ?? {});
    rebuild(this.result, JSON.stringify([rows, dropped, stages, notes, trust]), () => [
      factList(rows),
      ...(automatic ? [] : [element('p', { class: 'quiet' }, 'No automatic result here.')]),
      ...notes.map((note) => element('p', { class: 'note' }, note)),
      ...more('Trust comes from', trust),
      ...more(
        `${formatCount(
          dropped.reduce((sum, { count }) => sum + count, 0),
          'point',
        )} not used`,
        dropped.map(({ reason, count }) => [REASON_NAMES[reason], String(count)]),
      ),
      ...more(
        'Stages',
        stages.map(([stage, time]) => [stage, formatTime(time)]),
      ),
    ]);
  }

  private updateReference({ facts, situation }: PageSnapshot): void {
    const name = classOf(facts, facts.classId)?.name ?? 'the class';
    const beside = facts.voters > 0 ? ` and ${facts.voters === 1 ? '1 other' : `${facts.voters} others`}` : '';
    const words = [
      ...(facts.isReference ? [`This image is a reference of ${name}.`] : []),
      facts.reference === null
        ? `No reference for ${name} yet.`
        : facts.reference === facts.name
          ? `Segment Image uses it${beside}.`
          : `Segment Image uses ${facts.reference}${beside}.`,
    ];
    setText(this.reference, words.join(' '));
    for (const [command, button] of this.referenceButtons) {
      button.update({ reason: whyNotCommand(command, situation) });
    }
  }

  private updateClasses({ facts, shareOf }: PageSnapshot): void {
    const ignored = shareOf(IGNORE);
    const rows = facts.classes.map(({ id, name, colour }) => ({ id, name, colour, share: formatShare(shareOf(id)) }));
    const key = JSON.stringify([rows, facts.classId, ignored]);
    rebuild(this.classes, key, () => [
      ...rows.map(({ id, name, colour, share }) => {
        const isActive = id === facts.classId;
        const row = element(
          'button',
          {
            type: 'button',
            class: 'class-row',
            'aria-pressed': String(isActive),
            tabindex: isActive ? 0 : -1,
            title: isActive ? 'New pixels get this class' : 'Make this the class that new pixels get',
          },
          swatch(colour),
          element('span', { class: 'class-name' }, name),
          element('span', { class: 'share' }, share),
        );
        row.addEventListener('click', () => this.actions.selectClass(id));
        return row;
      }),
      ...(ignored > 0
        ? [
            element(
              'div',
              { class: 'class-row', title: 'Pixels that neither train nor count' },
              swatch(null),
              element('span', { class: 'class-name' }, 'Ignored'),
              element('span', { class: 'share' }, formatShare(ignored)),
            ),
          ]
        : []),
    ]);
  }

  private section(name: string, body: HTMLElement): HTMLDetailsElement {
    const section = element('details', { class: 'section', open: true }, element('summary', {}, name), body);
    section.addEventListener('toggle', () => this.actions.foldSection(name, !section.open));
    this.sections.set(name, section);
    return section;
  }

  private command(command: PageCommand, icon: 'reference' | 'open', label: string): [PageCommand, ActionButton] {
    const { actions } = this;
    const button = new ActionButton({
      icon,
      label,
      withText: true,
      appearance: 'secondary',
      onRefused: actions.refuse,
      onPress: () => actions.run(command),
    });
    return [command, button];
  }
}

const factList = (rows: readonly (readonly [string, string])[]): HTMLElement =>
  element(
    'dl',
    { class: 'facts' },
    ...rows.flatMap(([name, value]) => [element('dt', {}, name), element('dd', { title: value }, value)]),
  );

/** Details that few want to see, folded; nothing where there are none. */
function more(name: string, rows: readonly (readonly [string, string])[]): HTMLElement[] {
  if (rows.length === 0) return [];
  return [element('details', { class: 'more' }, element('summary', {}, name), factList(rows))];
}
