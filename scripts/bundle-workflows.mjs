/** Bundles the compiled workflows once, so that no worker does it at its start: for plain and encrypted payloads, with tracing and without. */
import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
const encrypted = { failureConverterPath: at('../dist/temporal/failure-converter.js') };
const traced = { workflowInterceptorModules: [at('../dist/workflows/support/tracing.js')] };
for (const [name, options] of [
  ['workflow-bundle', {}],
  ['workflow-bundle-encrypted', encrypted],
  ['workflow-bundle-traced', traced],
  ['workflow-bundle-encrypted-traced', { ...encrypted, ...traced }],
]) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: at('../dist/workflows/index.js'),
    logger: quiet,
    ...options,
  });
  writeFileSync(at(`../dist/${name}.js.tmp`), code);
  renameSync(at(`../dist/${name}.js.tmp`), at(`../dist/${name}.js`));
}
