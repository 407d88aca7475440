/** Display contrast as a filter of the finished image canvas: nothing is drawn again, and no pixel is read. */
import { type Brightness, brightnessTable } from './layerStyle';

const SVG = 'http://www.w3.org/2000/svg';
let filters = 0;

/** An SVG filter that looks up every channel in a table of 256 values, and its reference for CSS. */
export class ContrastFilter {
  private readonly svg = document.createElementNS(SVG, 'svg');
  private readonly channels: readonly Element[];
  private readonly reference: string;

  constructor(parent: HTMLElement) {
    const id = `display-contrast-${filters++}`;
    this.reference = `url(#${id})`;
    this.svg.setAttribute('width', '0');
    this.svg.setAttribute('height', '0');
    this.svg.setAttribute('aria-hidden', 'true');
    this.svg.style.position = 'absolute';
    const filter = document.createElementNS(SVG, 'filter');
    filter.id = id;
    // As in the file: the table is for the values that are stored, not for amounts of light.
    filter.setAttribute('color-interpolation-filters', 'sRGB');
    for (const [name, value] of Object.entries({ x: '0', y: '0', width: '1', height: '1' })) {
      filter.setAttribute(name, value);
    }
    const transfer = document.createElementNS(SVG, 'feComponentTransfer');
    this.channels = ['feFuncR', 'feFuncG', 'feFuncB'].map((name) => document.createElementNS(SVG, name));
    for (const channel of this.channels) channel.setAttribute('type', 'discrete');
    transfer.append(...this.channels);
    filter.append(transfer);
    this.svg.append(filter);
    parent.append(this.svg);
  }

  /** Shows a canvas through a window; through none at all where the window changes nothing. */
  apply(canvas: HTMLElement, brightness: Brightness): void {
    if (brightness.low === 0 && brightness.high === 255) {
      canvas.style.filter = '';
      return;
    }
    // A quarter more than the whole value: browsers differ in whether they round or cut.
    const values = brightnessTable(brightness).map((value) => (Math.min(255, value + 0.25) / 255).toFixed(6));
    for (const channel of this.channels) channel.setAttribute('tableValues', values.join(' '));
    canvas.style.filter = this.reference;
  }
}
