import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder: the same from `src/` and from `dist/`. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url));

/** Compiled workflows that a worker loads. */
export const WORKFLOW_BUNDLE = join(PROJECT, 'dist', 'workflow-bundle.js');
/** The same for workers with a payload codec: failures' messages go through it too. */
export const ENCRYPTED_WORKFLOW_BUNDLE = join(PROJECT, 'dist', 'workflow-bundle-encrypted.js');

/** Folder of the Python package `plein_air`. */
export const PYTHON_PACKAGE = join(PROJECT, 'gpu-worker', 'src');

/** The tiny FLUX base that is shipped with the project. */
export const TINY_BASE = join(PROJECT, 'gpu-worker', 'tiny-base');
