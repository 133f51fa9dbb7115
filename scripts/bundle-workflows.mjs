/** Bundles the compiled workflows once, so that no worker does it at its start: for plain and for encrypted payloads. */
import { renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
const tracing = createRequire(import.meta.url).resolve(
  '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors',
);
for (const [name, options] of [
  ['workflow-bundle', {}],
  ['workflow-bundle-encrypted', { failureConverterPath: at('../dist/temporal/failure-converter.js') }],
]) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: at('../dist/workflows/index.js'),
    workflowInterceptorModules: [tracing],
    logger: quiet,
    ...options,
  });
  writeFileSync(at(`../dist/${name}.js.tmp`), code);
  renameSync(at(`../dist/${name}.js.tmp`), at(`../dist/${name}.js`));
}
