/** Bundles the compiled workflows once, so that no worker does it at its start. */
import { renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
const { code } = await bundleWorkflowCode({ workflowsPath: at('../dist/workflows/index.js'), logger: quiet });
writeFileSync(at('../dist/workflow-bundle.js.tmp'), code);
renameSync(at('../dist/workflow-bundle.js.tmp'), at('../dist/workflow-bundle.js'));
