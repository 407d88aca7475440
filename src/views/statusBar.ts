/** The status bar item: the device that is truly in use, and what a run is doing. */
import * as vscode from 'vscode';
import { Owner } from '../dispose';
import { commandId } from '../protocol/contributions';
import type { EngineInfo } from '../protocol/engineApi';

export class StatusBar extends Owner {
  private readonly item = this.register(
    vscode.window.createStatusBarItem('apMedSam.device', vscode.StatusBarAlignment.Right, 50),
  );
  private device = '';
  private run: string | undefined;

  constructor() {
    super();
    this.item.name = 'AP-MedSAM';
    this.item.command = commandId('selectDevice');
  }

  /** Shows what the engine says of itself, from its first answer on. */
  showEngine({ device, deviceNotes = [], threads, encoder, segmenter, onnxruntime, pid }: EngineInfo): void {
    this.device = `${device.toUpperCase()}${device === 'cpu' ? ` x${threads}` : ''}`;
    const about = [
      `**AP-MedSAM** runs on ${this.device}`,
      `Encoder \`${encoder.id}\`, segmenter \`${segmenter.id}\``,
      `onnxruntime ${onnxruntime}, engine process ${pid}`,
      ...deviceNotes,
      'Click to select a device; the command *Show Log* tells more.',
    ];
    this.item.tooltip = new vscode.MarkdownString(about.join('\n\n'));
    this.draw();
  }

  /** Shows the progress of a run; undefined when it is over. */
  showRun(text: string | undefined): void {
    this.run = text;
    this.draw();
  }

  private draw(): void {
    const parts = [this.device || 'AP-MedSAM', ...(this.run === undefined ? [] : [`$(sync~spin) ${this.run}`])];
    this.item.text = `$(circuit-board) ${parts.join(' ')}`;
    this.item.accessibilityInformation = {
      label: `AP-MedSAM device ${this.device || 'not started'}${this.run === undefined ? '' : `, segmenting ${this.run}`}`,
    };
    this.item.show();
  }
}
