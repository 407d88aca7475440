/** The test host itself: what every other drive relies on, shown on VS Code's own parts. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Drive } from './drive';
import { describeInVsCode } from './host';

describeInVsCode('a window of the test host', () => {
  const notes = Array.from({ length: 60 }, (_, i) => `note-${String(i).padStart(2, '0')}.txt`);
  const drive = new Drive({
    files: async (folder) => {
      for (const name of notes) await writeFile(path.join(folder, name), `${name}\n`);
    },
  });

  it('shows the workspace, with the extension under development loaded', async () => {
    const { workbench } = drive;
    const row = await workbench.explorerRow('images/nuclei_02.png');
    expect(await row.innerText()).toContain('nuclei_02.png');
    expect(await workbench.page.title()).toContain('Extension Development Host');
    expect(drive.server.log).toContain('Loading development extension');
    await workbench.screenshot('test host - workspace');
  });

  it('finds rows that are out of view, and menu items of one file or several', async () => {
    const { workbench } = drive;
    expect(await (await workbench.explorerRow(notes[59])).innerText()).toContain(notes[59]);
    expect(await workbench.explorerMenuItems('images')).toContain('New File...');
    expect(await workbench.explorerMenuItems(['images/nuclei_01.png', 'images/nuclei_03.png'])).toContain(
      'Compare Selected',
    );
    expect(await workbench.explorerMenuItems('images/nuclei_01.png')).not.toContain('Compare Selected');
  });

  it('opens a file in a chosen custom editor and sees into its webview', async () => {
    const { workbench } = drive;
    await workbench.openWith('images/nuclei_02.png', 'Image Preview');
    const image = workbench.webview(0, 'vscode.media-preview').locator('body.ready img');
    expect(await image.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBe(360);
    await workbench.screenshot('test host - custom editor');
  });

  it('runs commands, and records notifications', async () => {
    const { workbench } = drive;
    await workbench.explorerMenu(notes[0], 'Open to the Side');
    await workbench.tab(notes[0]).waitFor();
    await workbench.run('Merge Conflict: Accept All Current');
    expect(await workbench.toast(/conflict/)).toBe('No merge conflicts found in this file');
    await expect(workbench.run('No Such Command')).rejects.toThrow("the palette offers no 'No Such Command'");
    await workbench.page.keyboard.press('Escape');
  });

  it('keeps unsaved work over a reload of the window', async () => {
    const { workbench } = drive;
    await workbench.tab(notes[0]).click();
    await workbench.page.locator('.editor-instance .view-lines').click();
    await workbench.page.keyboard.press('Control+Home');
    await workbench.page.keyboard.type('changed ');
    await workbench.untilDirty(notes[0]);
    await workbench.reload();
    await workbench.untilDirty(notes[0]);
    expect(await readFile(path.join(drive.folder, notes[0]), 'utf8')).toBe(`${notes[0]}\n`);
    await workbench.tab(notes[0]).click();
    await workbench.run('File: Save');
    await workbench.untilDirty(notes[0], false);
    expect(await readFile(path.join(drive.folder, notes[0]), 'utf8')).toBe(`changed ${notes[0]}\n`);
  });

  it('changes its colours', async () => {
    const { workbench } = drive;
    for (const theme of ['light', 'high contrast dark', 'high contrast light', 'dark'] as const) {
      await workbench.setTheme(theme);
      await workbench.screenshot(`test host - ${theme}`);
    }
  });

  it('hears an error in a console, and a page that breaks its content security policy', async () => {
    const { workbench } = drive;
    expect(workbench.problems).toEqual([]);
    await workbench.page.evaluate(() => {
      const frame = document.createElement('iframe');
      frame.srcdoc = `<meta http-equiv="Content-Security-Policy" content="script-src 'none'"><script>0</script>`;
      document.body.append(frame);
    });
    await expect.poll(() => workbench.problems.join('\n')).toMatch(/Content Security Policy/);
    workbench.problems.length = 0;
  });
});

describeInVsCode('a window without trust', () => {
  const drive = new Drive({ restricted: true });

  it('is in restricted mode and asks nothing', async () => {
    await expect.poll(() => drive.workbench.statusBar()).toContainEqual(expect.stringContaining('Restricted Mode'));
    expect(await drive.workbench.page.locator('.monaco-dialog-box').count()).toBe(0);
  });
});
