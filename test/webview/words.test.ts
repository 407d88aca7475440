/** What the page says: tooltips, hints, numbers. */
import { describe, expect, it } from 'vitest';
import type { PageCommand } from '../../src/protocol/contributions';
import type { DocumentFacts } from '../../src/protocol/editorApi';
import { brightnessOf, greyHistogram } from '../../webview/canvas/autoBrightness';
import { hintFor, type Situation, whyNotCommand, whyNotTool } from '../../webview/controls/availability';
import {
  countCandidates,
  describeCandidate,
  formatPrediction,
  formatShare,
  formatTime,
  formatTrust,
  formatZoom,
} from '../../webview/controls/words';
import { everyCapability } from '../fakes';
import { candidateAt, someFacts } from './documents';

const situation = (facts: Partial<DocumentFacts> = {}, more: Partial<Situation> = {}): Situation => ({
  facts: { ...someFacts, reference: 'a.png', ...facts },
  classPixels: 10,
  hasPrompts: false,
  hasDraft: false,
  ...more,
});

describe('a tool', () => {
  it('works unless the image is read-only, there is no class, or the segmenter cannot', () => {
    const whyNot = (tool: Parameters<typeof whyNotTool>[0], facts: Partial<DocumentFacts>) =>
      whyNotTool(tool, { ...someFacts, ...facts });
    expect(whyNot('brush', {})).toBeNull();
    expect(whyNot('pan', { readOnly: 'it lies in an archive' })).toBeNull();
    expect(whyNot('brush', { readOnly: 'it lies in an archive' })).toBe('Read-only: it lies in an archive');
    expect(whyNot('fill', { classes: [] })).toBe('Add a class first.');
    expect(whyNot('box', { capabilities: null })).toBeNull();
    expect(whyNot('box', { capabilities: { ...everyCapability, box: false } })).toBe('This segmenter takes no boxes.');
    const positivesOnly = { capabilities: { ...everyCapability, negatives: false } };
    expect(whyNot('negative', positivesOnly)).toBe('This segmenter takes no negative points.');
    expect(whyNot('positive', positivesOnly)).toBeNull();
  });
});

describe('a command', () => {
  it.each<[Parameters<typeof whyNotCommand>[0], Situation, RegExp | null]>([
    ['segmentImage', situation(), null],
    ['segmentImage', situation({ reference: null }), /^No reference for Bone yet/],
    ['segmentImage', situation({ readOnly: 'x' }), /^Read-only: x$/],
    ['acceptMask', situation({ status: 'auto' }), null],
    ['acceptMask', situation({ status: 'accepted' }), /accepted already/],
    ['acceptMask', situation({ status: 'accepted', dirty: true }), null],
    ['useAsReference', situation({}, { classPixels: 0 }), /Bone has no pixels/],
    ['useAsReference', situation({ isReference: true }), /is a reference of Bone already/],
    ['useAsReference', situation({ isReference: true, dirty: true }), null],
    ['clearClass', situation({}, { classPixels: 0 }), /no pixels/],
    ['finish', situation(), /no prompts/],
    ['finish', situation({}, { hasPrompts: true }), null],
    ['discard', situation({}, { hasDraft: true }), null],
    ['nextImage', situation({ readOnly: 'x' }), null],
    ['undo', situation(), null],
    ['undo', situation({ readOnly: 'x' }), /^Read-only/],
    ['save', situation(), /saved/],
    ['addClass', situation(), null],
    ['addClass', situation({ readOnly: 'x' }), /^Read-only/],
  ])('%s works or says why not', (command, given, expected) => {
    const reason = whyNotCommand(command as PageCommand, given);
    if (expected === null) expect(reason).toBeNull();
    else expect(reason).toMatch(expected);
  });
});

describe('the hint', () => {
  const empty = { classPixels: 0 };

  it('says what to do while there is nothing', () => {
    expect(hintFor(situation({ reference: null }, empty))).toBe(
      'No reference for Bone yet: paint the object, then Use as Reference.',
    );
    expect(hintFor(situation({}, empty))).toBe('Segment Image labels this image from a.png, or paint Bone by hand.');
    expect(hintFor(situation({ classes: [] }, empty))).toMatch(/^No class yet/);
  });

  it('is gone once there is something, or nothing can be done', () => {
    expect(hintFor(situation())).toBeNull();
    expect(hintFor(situation({}, { classPixels: 0, hasPrompts: true }))).toBeNull();
    expect(hintFor(situation({ readOnly: 'x' }, empty))).toBeNull();
    expect(hintFor(situation({ status: 'absent' }, empty))).toBeNull();
  });
});

describe('numbers', () => {
  it('are short', () => {
    expect([0, 0.0004, 0.00123, 0.5, 1].map(formatShare)).toEqual(['0 %', '< 0.1 %', '0.1 %', '50.0 %', '100.0 %']);
    expect([0.034, 0.334, 1, 64].map(formatZoom)).toEqual(['3.4 %', '33 %', '100 %', '6400 %']);
    expect([12.4, 999, 1234].map(formatTime)).toEqual(['12 ms', '999 ms', '1.2 s']);
    expect([null, 0.934].map(formatPrediction)).toEqual(['not asked', '0.93']);
    expect([null, 0, 0.826].map(formatTrust)).toEqual(['not judged', '0.00', '0.83']);
  });
});

describe('candidates', () => {
  it('are counted by label and by reason', () => {
    const { positive, negative, dropped } = countCandidates([
      candidateAt(0, 0),
      candidateAt(0, 0, { label: 0 }),
      candidateAt(0, 0, { label: 0, reason: 'thinned' }),
      candidateAt(0, 0, { reason: 'outlier' }),
      candidateAt(0, 0, { label: 0, reason: 'thinned' }),
    ]);
    expect({ positive, negative }).toEqual({ positive: 1, negative: 1 });
    expect(dropped).toEqual([
      { reason: 'thinned', count: 2 },
      { reason: 'outlier', count: 1 },
    ]);
  });

  it('are explained', () => {
    const { title, reason, facts } = describeCandidate(
      candidateAt(0, 0, { label: 0, reason: 'thinned', source: 'hard', backwardDistance: Number.POSITIVE_INFINITY }),
    );
    expect(title).toBe('Negative point');
    expect(reason).toBe('Dropped: another point nearby stands for it.');
    expect(facts).toEqual([
      ['Source', 'least like the object of all places'],
      ['Forward distance', '0.400'],
      ['Backward distance', 'none'],
    ]);
  });
});

describe('automatic brightness', () => {
  it('clips at most one pixel in a hundred at either end', () => {
    const histogram = new Float64Array(256);
    histogram[0] = 10;
    histogram[20] = 980;
    histogram[200] = 1000;
    histogram[255] = 10;
    expect(brightnessOf(histogram)).toEqual({ low: 20, high: 200 });
    histogram[0] = 50;
    expect(brightnessOf(histogram).low).toBe(0);
  });

  it('leaves a picture of one grey as it is', () => {
    const histogram = new Float64Array(256);
    histogram[90] = 5;
    expect(brightnessOf(histogram)).toEqual({ low: 0, high: 255 });
    expect(brightnessOf(new Float64Array(256))).toEqual({ low: 0, high: 255 });
  });

  it('counts greys of opaque pixels', () => {
    const histogram = greyHistogram(Uint8ClampedArray.of(10, 10, 10, 255, 255, 255, 255, 255, 10, 10, 10, 0));
    expect(histogram[10]).toBe(1);
    expect(histogram[255]).toBe(1);
    expect(histogram.reduce((a, b) => a + b)).toBe(2);
  });
});
