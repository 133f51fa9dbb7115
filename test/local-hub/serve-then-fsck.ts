/** Serves a folder, prints the address; on SIGTERM verifies the folder and prints what it found and what lies in tmp. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fsck } from '../../src/local-hub/fsck.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';

const [root = ''] = process.argv.slice(2);
const hub = await startLocalHub({ root });
console.log(hub.url);
await new Promise((done) => process.once('SIGTERM', done));
await hub.close();
console.log(JSON.stringify({ ...(await fsck(root)), unfinished: await readdir(join(root, 'tmp')) }));
