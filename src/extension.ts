/** Entry of the VS Code extension. It registers nothing yet: this version labels from the command line only. */
export function activate(): void {
  // The label editor, views and commands will be registered here.
}
