/** The active editor, and whether its canvas has the keyboard. */
import { expect, it } from 'vitest';
import { ActiveEditor } from '../../src/editor/activeEditor';

function editors() {
  const focus: boolean[] = [];
  const active: (string | undefined)[] = [];
  const editor = new ActiveEditor<string>({
    onActive: () => active.push(editor.current),
    onFocus: (focused) => focus.push(focused),
  });
  return { editor, focus, active };
}

it('has plain letters for its canvas alone, whichever VS Code tells of first', () => {
  const { editor, focus } = editors();
  editor.setFocus('a', true);
  expect(focus).toEqual([]);
  editor.activate('a', true);
  editor.activate('b', true);
  editor.setFocus('b', true);
  editor.setFocus('a', false);
  editor.setFocus('b', false);
  expect(focus).toEqual([true, false, true, false]);
});

it('is none once it is closed, but not by the end of another one', () => {
  const { editor, focus, active } = editors();
  editor.activate('a', true);
  editor.activate('b', true);
  // VS Code tells of the one that is left after it has told of the new one.
  editor.activate('a', false);
  editor.setFocus('b', true);
  editor.close('a');
  expect(active).toEqual(['a', 'b', 'b', 'b']);
  editor.close('b');
  expect(active.at(-1)).toBeUndefined();
  expect(focus).toEqual([true, false]);
});
