import { PROJECT_FILE, projectInput } from '../runs/project-file.ts';
import { tell } from './output.ts';

/** What this folder's plein-air.yaml gives to a run, said to who starts one: a forgotten file must not decide unseen. */
export function projectSettings(): Record<string, unknown> | null {
  const project = projectInput();
  if (project !== null && Object.keys(project).length > 0)
    tell(`${PROJECT_FILE} of this folder sets ${Object.keys(project).join(', ')}`);
  return project;
}
