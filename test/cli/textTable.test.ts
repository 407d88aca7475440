import { describe, expect, it } from 'vitest';
import { textTable } from '../../src/cli/textTable';

describe('textTable', () => {
  it('aligns text to the left and numbers to the right', () => {
    const table = textTable(
      ['reference', 'n', 'Dice'],
      [
        ['a.png', '12', '0.912'],
        ['a long name.png', '3', '1'],
      ],
    );
    expect(table.split('\n')).toEqual([
      '| reference       |   n |  Dice |',
      '| --------------- | --: | ----: |',
      '| a.png           |  12 | 0.912 |',
      '| a long name.png |   3 |     1 |',
    ]);
  });

  it('is as wide as its titles where they are wider, and never too narrow for Markdown', () => {
    expect(textTable(['a', 'boundary F'], [['', '1']]).split('\n')).toEqual([
      '| a   | boundary F |',
      '| --- | ---------: |',
      '|     |          1 |',
    ]);
  });

  it('without rows has its header alone', () => {
    expect(textTable(['name', 'n'], []).split('\n')).toEqual(['| name |   n |', '| ---- | --: |']);
  });

  it('keeps a bar inside a cell, and stays aligned', () => {
    expect(textTable(['file', 'n'], [['a|b.png', '1']]).split('\n')).toEqual([
      '| file     |   n |',
      '| -------- | --: |',
      '| a\\|b.png |   1 |',
    ]);
  });
});
