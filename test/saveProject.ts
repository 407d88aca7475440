/** A project file as a test wants it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Project, projectFile, projectText } from '../src/dataset/project/project';

export async function saveProject(root: string, project: Project): Promise<void> {
  await mkdir(dirname(projectFile(root)), { recursive: true });
  await writeFile(projectFile(root), projectText(project));
}
