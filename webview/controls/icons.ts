/** The page's own icons: 16 x 16, drawn with lines of the text's colour. */

const SHAPES = {
  pan: [
    'M5.2 8.4V4.3a1 1 0 0 1 2 0v3M7.2 7V3a1 1 0 0 1 2 0v4M9.2 7.2V3.8a1 1 0 0 1 2 0v4.4',
    'M11.2 6.2a1 1 0 0 1 2 0v3.6a4.2 4.2 0 0 1-4.2 4.2c-1.7 0-2.7-.7-3.5-2L3.2 9.1a1 1 0 0 1 1.6-1.2l.9 1',
  ],
  positive: ['M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6z', 'M8 5.2v5.6M5.2 8h5.6'],
  negative: ['M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6z', 'M5.2 8h5.6'],
  box: ['M2.5 5V2.5H5M7 2.5h2M11 2.5h2.5V5M13.5 7v2M13.5 11v2.5H11M9 13.5H7M5 13.5H2.5V11M2.5 9V7'],
  brush: [
    'M13.3 2.7a1.2 1.2 0 0 0-1.8 0L6.6 8.1l1.5 1.5 5.2-5.1a1.2 1.2 0 0 0 0-1.8z',
    'M5.9 8.9c-1.5 0-2.3 1-2.3 2.2 0 .9-.5 1.7-1.3 2 2.7.7 5.3 0 5.3-2.2 0-1.1-.7-2-1.7-2z',
  ],
  eraser: [
    'M6.3 13.2 2.6 9.5a1 1 0 0 1 0-1.4l5.5-5.5a1 1 0 0 1 1.4 0l3.9 3.9a1 1 0 0 1 0 1.4l-5.3 5.3z',
    'M5.3 5.5l5.3 5.3M6 13.2h7.5',
  ],
  polygon: [
    'M8 2.6 13.3 6.5 11.3 13H4.7L2.7 6.5z',
    'M8 1.8v1.6M13 5.7l.7 1.5M11.7 12.3l-.9 1.4M4.3 12.3l.9 1.4M3 5.7l-.7 1.5',
  ],
  fill: [
    'M7.2 2.8 2.6 7.4a1 1 0 0 0 0 1.4l3.6 3.6a1 1 0 0 0 1.4 0l4.6-4.6z',
    'M5.7 1.6l6.5 6.2M2.5 8.1h9.4',
    'M13.3 10.2c.7 1 1.1 1.7 1.1 2.2a1.1 1.1 0 0 1-2.2 0c0-.5.4-1.2 1.1-2.2z',
  ],
  clear: ['M3 4.5h10M6.5 4.5v-1.7h3v1.7M4.3 4.5l.6 9h6.2l.6-9M6.7 7v4M9.3 7v4'],
  undo: ['M3 6.5h6.5a3.5 3.5 0 0 1 0 7H7', 'M5.8 3.5 2.8 6.5l3 3'],
  redo: ['M13 6.5H6.5a3.5 3.5 0 0 0 0 7H9', 'M10.2 3.5l3 3-3 3'],
  finish: ['M3 8.5l3.4 3.4L13.2 4.6'],
  discard: ['M4 4l8 8M12 4l-8 8'],
  zoomIn: ['M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9zM10.3 10.3l3.4 3.4', 'M7 5.2v3.6M5.2 7h3.6'],
  zoomOut: ['M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9zM10.3 10.3l3.4 3.4', 'M5.2 7h3.6'],
  fit: ['M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10', 'M5.5 5.5h5v5h-5z'],
  actual: ['M3.3 5.3 4.9 4v8M11.1 5.3 12.7 4v8', 'M8.6 6.4v.1M8.6 9.8v.1'],
  segment: [
    'M2.8 13.2 9.6 6.4',
    'M8.2 7.8l1.4-1.4',
    'M11 2v2.6M9.7 3.3h2.6M13.3 7.3v2M12.3 8.3h2M6.3 3v1.8M5.4 3.9h1.8',
  ],
  accept: ['M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6z', 'M5.3 8.2l2 2 3.5-4'],
  reference: ['M4 2.5h8v11L8 10.7 4 13.5z'],
  previous: ['M10 3.5 5.5 8l4.5 4.5'],
  next: ['M6 3.5 10.5 8 6 12.5'],
  panel: ['M2.5 3h11v10h-11zM10 3v10'],
  open: ['M2.5 12.5v-9h4l1.5 1.7h5.5v7.3z'],
  add: ['M8 3v10M3 8h10'],
  chevron: ['M4 6.3 8 10.2l4-3.9'],
  warning: ['M8 2.5 14.2 13.3H1.8zM8 6.5v3.3M8 11.5v.1'],
  info: ['M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6z', 'M8 7.3v3.7M8 5v.1'],
  error: ['M8 2.2a5.8 5.8 0 1 1 0 11.6a5.8 5.8 0 1 1 0-11.6z', 'M6 6l4 4M10 6l-4 4'],
  lock: ['M4 7.5h8v6H4zM5.7 7.5V5.2a2.3 2.3 0 0 1 4.6 0v2.3'],
} as const satisfies Record<string, readonly string[]>;

export type IconName = keyof typeof SHAPES;

const SVG = 'http://www.w3.org/2000/svg';

/** Says nothing to a screen reader: the control that shows it has a label. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('width', '16');
  svg.setAttribute('height', '16');
  svg.setAttribute('aria-hidden', 'true');
  for (const shape of SHAPES[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', shape);
    svg.append(path);
  }
  return svg;
}
