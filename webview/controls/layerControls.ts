/** What of the layers is seen, and how strongly. */

import type { LayerStyle } from '../canvas/layerStyle';
import { DEFAULT_STYLE } from '../canvas/layerStyle';
import type { PageActions, PageSnapshot } from './chrome';
import { element, setAttribute, setShown } from './dom';
import type { CheckboxElement } from './toolkit';

type Switch = 'maskVisible' | 'promptsVisible' | 'rejectedVisible' | 'heatMapVisible';
type Opacity = 'maskOpacity' | 'heatMapOpacity';

export class LayerControls {
  readonly element: HTMLElement;
  private readonly switches: [Switch, CheckboxElement][] = [];
  private readonly opacities: [Opacity, HTMLInputElement][] = [];
  private readonly rejected: CheckboxElement;
  private readonly low: HTMLInputElement;
  private readonly high: HTMLInputElement;
  private readonly windowRow: HTMLElement;
  private readonly windowLow: HTMLInputElement;
  private readonly windowHigh: HTMLInputElement;
  private readonly noHeatMap = element('span', { class: 'quiet' });

  constructor(private readonly actions: PageActions) {
    this.rejected = this.toggle('rejectedVisible', 'Rejected ones too');
    this.low = this.brightnessSlider('low', 'Black point');
    this.high = this.brightnessSlider('high', 'White point');
    this.windowLow = this.windowNumber('Intensity shown as black');
    this.windowHigh = this.windowNumber('Intensity shown as white');
    const auto = button('Auto', 'Black and white at the darkest and the brightest 1 % of the picture', () =>
      actions.autoBrightness(),
    );
    const reset = button('Reset', 'Brightness as in the file', () =>
      actions.setStyle({ brightness: DEFAULT_STYLE.brightness }),
    );
    const autoWindow = button('Auto', 'Window from the percentiles of the image', () => actions.setDisplayWindow(null));
    const windowName = element('span', { class: 'layer-label', 'aria-hidden': 'true' }, 'Display window');
    this.windowRow = element(
      'div',
      { class: 'layer-block' },
      element('div', { class: 'layer-row' }, windowName, element('span', { class: 'spring' }), autoWindow),
      element(
        'div',
        { class: 'layer-row' },
        this.windowLow,
        element('span', { 'aria-hidden': 'true' }, '–'),
        this.windowHigh,
      ),
    );
    this.element = element(
      'div',
      { class: 'section-body layers' },
      element(
        'div',
        { class: 'layer-row' },
        this.toggle('maskVisible', 'Mask', 'M'),
        this.opacity('maskOpacity', 'Opacity of the mask'),
      ),
      element('div', { class: 'layer-row' }, this.toggle('promptsVisible', 'Prompts', 'T')),
      element('div', { class: 'layer-row inset' }, this.rejected),
      element(
        'div',
        { class: 'layer-row' },
        this.toggle('heatMapVisible', 'Heat map', 'H'),
        this.opacity('heatMapOpacity', 'Opacity of the heat map'),
      ),
      this.noHeatMap,
      element(
        'div',
        { class: 'layer-block' },
        row('Black', this.low),
        row('White', this.high),
        element('div', { class: 'button-row end' }, auto, reset),
      ),
      this.windowRow,
    );
  }

  update({ view, image, automatic }: PageSnapshot): void {
    const { style } = view;
    for (const [name, box] of this.switches) if (box.checked !== style[name]) box.checked = style[name];
    setAttribute(this.rejected, 'disabled', !style.promptsVisible);
    for (const [name, slider] of this.opacities) setValue(slider, Math.round(style[name] * 100));
    for (const slider of [this.low, this.high]) {
      setValue(slider, slider === this.low ? style.brightness.low : style.brightness.high);
    }
    setShown(this.noHeatMap, style.heatMapVisible && !automatic?.heatMap);
    this.noHeatMap.textContent = automatic ? 'This result has no heat map.' : 'Segment Image makes the heat map.';
    setShown(this.windowRow, image.depth > 8);
    for (const field of [this.windowLow, this.windowHigh]) {
      const value = field === this.windowLow ? image.window?.low : image.window?.high;
      const text = value === undefined ? '' : String(Math.round(value * 100) / 100);
      if (field.defaultValue === text) continue;
      field.defaultValue = text;
      field.value = text;
    }
  }

  private toggle(name: Switch, label: string, key?: string): CheckboxElement {
    const box = element('vscode-checkbox', { title: key ? `${label} (${key})` : label }, label);
    box.addEventListener('change', () => this.actions.setStyle({ [name]: box.checked }));
    this.switches.push([name, box]);
    return box;
  }

  private opacity(name: Opacity, label: string): HTMLInputElement {
    const slider = element('input', { type: 'range', min: 0, max: 100, 'aria-label': label, title: label });
    slider.addEventListener('input', () => this.actions.setStyle({ [name]: slider.valueAsNumber / 100 }));
    this.opacities.push([name, slider]);
    return slider;
  }

  /** Neither point passes the other. */
  private brightnessSlider(end: 'low' | 'high', label: string): HTMLInputElement {
    const slider = element('input', { type: 'range', min: 0, max: 255, 'aria-label': label, title: label });
    slider.addEventListener('input', () => {
      const low = this.low.valueAsNumber;
      const high = this.high.valueAsNumber;
      const brightness: LayerStyle['brightness'] =
        end === 'low' ? { low, high: Math.max(high, low + 1) } : { low: Math.min(low, high - 1), high };
      this.actions.setStyle({ brightness: { low: Math.max(0, brightness.low), high: Math.min(255, brightness.high) } });
    });
    return slider;
  }

  private windowNumber(label: string): HTMLInputElement {
    const field = element('input', {
      type: 'number',
      class: 'number wide',
      step: 'any',
      'aria-label': label,
      title: label,
    });
    field.addEventListener('change', () => {
      const low = this.windowLow.valueAsNumber;
      const high = this.windowHigh.valueAsNumber;
      if (low < high) this.actions.setDisplayWindow({ low, high });
      else {
        field.value = field.defaultValue;
        this.actions.refuse('The intensity shown as black must be below the one shown as white.');
      }
    });
    return field;
  }
}

const row = (label: string, ...controls: readonly Node[]): HTMLElement =>
  element(
    'div',
    { class: 'layer-row' },
    element('span', { class: 'layer-label', 'aria-hidden': 'true' }, label),
    ...controls,
  );

function button(label: string, title: string, onPress: () => void): HTMLElement {
  const made = element('button', { type: 'button', class: 'link', title }, label);
  made.addEventListener('click', onPress);
  return made;
}

function setValue(slider: HTMLInputElement, value: number): void {
  if (slider.valueAsNumber !== value) slider.value = String(value);
  setAttribute(slider, 'aria-valuenow', value);
}
