import { expect, test } from 'vitest';
import { imageFormatOf } from '../../src/formats/imageFormat';

const bytes = (text: string) => Buffer.from(text, 'latin1');

test.each([
  ['\x89PNG\r\n\x1a\n', 'png'],
  ['\xff\xd8\xff\xe1', 'jpeg'],
  ['RIFF\x10\0\0\0WEBPVP8 ', 'webp'],
  ['II*\0', 'tiff'],
  ['MM\0*', 'tiff'],
  ['II+\0\b\0\0\0', 'tiff'],
  ['MM\0+\0\b\0\0', 'tiff'],
  ['GIF89a', 'gif'],
  ['BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0', 'bmp'],
  ['BM is also how some notes start', null],
  ['RIFF\x10\0\0\0WAVEfmt ', null],
  ['\x89PNG', null],
  ['', null],
])('%j is %s', (text, format) => {
  expect(imageFormatOf(bytes(text))).toBe(format);
});
