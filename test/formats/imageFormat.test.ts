import { expect, test } from 'vitest';
import { imageFormatOf, whatInstead } from '../../src/formats/imageFormat';

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
  ['\0\0\0\x1cftypavif', 'avif'],
  ['BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0', 'bmp'],
  ['BM is also how some notes start', null],
  ['RIFF\x10\0\0\0WAVEfmt ', null],
  ['\x89PNG', null],
  ['', null],
])('%j is %s', (text, format) => {
  expect(imageFormatOf(bytes(text))).toBe(format);
});

test.each([
  ['version https://git-lfs.github.com/spec/v1', 'is a Git LFS pointer, not the image itself (run "git lfs pull")'],
  ['\xef\xbb\xbf\n<!DOCTYPE html><title>404', 'is a web page (HTML), not the image itself (download it again)'],
  ['<html lang="en">', 'is a web page (HTML), not the image itself (download it again)'],
  ['\0'.repeat(512), 'begins with nothing but zeros, as a broken copy or download leaves a file'],
  [`${'\0'.repeat(128)}DICM`, 'is a DICOM file'],
  [`${'\x01'.repeat(344)}n+1\0`, 'is a NIfTI volume'],
  [
    '\x89PNG\n\x1a\n\0',
    'is a PNG whose line ends a program has converted as if it were text (copy it again as binary)',
  ],
  ['words', 'is not an image'],
  ['', 'is not an image'],
])('%j %s', (text, what) => {
  expect(imageFormatOf(bytes(text))).toBeNull();
  expect(whatInstead(bytes(text))).toBe(what);
});
