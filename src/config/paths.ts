import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder: the same from `src/` and from `dist/`. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Compiled workflows that a worker loads. With a payload codec failures' messages are encrypted too; the interceptors of
 * OpenTelemetry are in the bundle only where traces are sent.
 */
export function workflowBundle({ encrypted = false, traced = false } = {}): string {
  const name = `workflow-bundle${encrypted ? '-encrypted' : ''}${traced ? '-traced' : ''}.js`;
  return join(PROJECT, 'dist', name);
}

/** Folder of the Python package `plein_air`. */
export const PYTHON_PACKAGE = join(PROJECT, 'gpu-worker', 'src');

/** The tiny FLUX base that is shipped with the project. */
export const TINY_BASE = join(PROJECT, 'gpu-worker', 'tiny-base');
