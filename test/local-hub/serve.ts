/** Serves a folder until killed, and prints the address: `node scripts/ts.mjs test/local-hub/serve.ts ROOT [python]`. */
import { startLocalHub } from '../../src/local-hub/server.ts';

const [root = ''] = process.argv.slice(2);
const hub = await startLocalHub({ root });
console.log(hub.url);
