/** Which of the open editors is the active one, and whether its canvas has the keyboard. */

interface ActiveEditorEvents {
  /** The active editor is another one, or none. */
  onActive(): void;
  /** Plain letters are the canvas's from now on, or no longer. */
  onFocus(focused: boolean): void;
}

/** @typeParam Editor compared by identity */
export class ActiveEditor<Editor> {
  private active: Editor | undefined;
  /** Editors whose canvas has the keyboard, as their pages tell. */
  private readonly focused = new Set<Editor>();
  private isFocused = false;

  constructor(private readonly events: ActiveEditorEvents) {}

  get current(): Editor | undefined {
    return this.active;
  }

  activate(editor: Editor, isActive: boolean): void {
    if (isActive) this.active = editor;
    else if (this.active === editor) this.active = undefined;
    this.updateFocus();
    this.events.onActive();
  }

  /** A canvas may have the keyboard a moment before VS Code calls its editor the active one, or after. */
  setFocus(editor: Editor, focused: boolean): void {
    if (focused) this.focused.add(editor);
    else this.focused.delete(editor);
    this.updateFocus();
  }

  close(editor: Editor): void {
    this.focused.delete(editor);
    this.activate(editor, false);
  }

  private updateFocus(): void {
    const focused = this.active !== undefined && this.focused.has(this.active);
    if (focused === this.isFocused) return;
    this.isFocused = focused;
    this.events.onFocus(focused);
  }
}
