/** Models and devices in a real window: what is offered, what is asked before a download, what a refusal says. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FileServer } from '../downloads/fileServer';
import { Drive } from './drive';
import { describeInVsCode } from './host';

describeInVsCode('models and devices', () => {
  let mirror: FileServer;
  const settings: Record<string, unknown> = { 'http.noProxy': ['127.0.0.1'] };
  beforeAll(async () => {
    mirror = await FileServer.start();
    settings['apMedSam.modelMirror'] = mirror.origin;
  });
  const drive = new Drive({ samples: [1], size: { width: 1400, height: 850 }, settings });
  afterAll(() => mirror.close());

  it('lists what is there and what can be had', async () => {
    const { workbench } = drive;
    await workbench.run('View: Show AP-MedSAM');
    await workbench.page.getByRole('button', { name: 'Models Section' }).click();
    const model = workbench.page.getByRole('treeitem', { name: /^encoder dinov2-small,/ });
    await model.waitFor();
    expect(await model.getAttribute('aria-label')).toMatch(/88\.5 MB, Apache-2\.0, not downloaded/);
    await model.hover();
    await workbench.screenshot('models - view');
  });

  it('asks with size, licence and origin before it downloads, and says in a sentence what went wrong', async () => {
    const { workbench } = drive;
    await workbench.run('AP-MedSAM: Download Model...');
    await workbench.input.waitFor();
    await workbench.screenshot('models - download');
    await workbench.pick('dinov2-small-int8');
    await workbench.page.locator('.monaco-dialog-box').waitFor();
    await workbench.screenshot('models - licence');
    const question = await workbench.dialogButton('Download');
    expect(question).toMatch(/dinov2-small-int8/);
    expect(question).toMatch(/Licence: Apache-2\.0/);
    const refusal = await workbench.toast(/HTTP 404/);
    expect(refusal).toContain(mirror.origin);
    await workbench.screenshot('models - refusal');
    // VS Code repeats what it shows as an error in its console.
    await expect.poll(() => workbench.problems.join('\n')).toContain('HTTP 404');
    workbench.problems.length = 0;
  });

  it('says of every device why it is used or not, and takes a choice', async () => {
    const { workbench } = drive;
    await workbench.run('AP-MedSAM: Select Device...');
    await workbench.input.waitFor();
    expect(await workbench.pickable()).toEqual(expect.arrayContaining(['Auto', 'CPU']));
    await workbench.screenshot('models - devices');
    await workbench.pick('CPU');
    const selected = async () => {
      await workbench.run('AP-MedSAM: Select Device...');
      const text = await workbench.pickRow('CPU').innerText();
      await workbench.page.keyboard.press('Escape');
      return text;
    };
    await expect.poll(selected).toContain('selected');
  });
});
