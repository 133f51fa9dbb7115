#!/usr/bin/env node
// A double of the `colab` command line, after its documentation: state in a file, an account of its own, and its real traps.
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const [verb, ...rest] = process.argv.slice(3);
const stateFile = join(folder, 'state.json');
const state = existsSync(stateFile)
  ? JSON.parse(readFileSync(stateFile, 'utf8'))
  : { sessions: {}, orphans: [], trap: null, limit: 3 };
const option = (name) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
const save = () => writeFileSync(stateFile, JSON.stringify(state));
const fail = (text, code = 1) => {
  process.stderr.write(`${text}\n`);
  process.exit(code);
};
appendFileSync(join(folder, 'calls.log'), `${JSON.stringify(process.argv.slice(3))}\n`);
const name = option('-s');
switch (verb) {
  case 'new': {
    if (state.trap === '401') fail('HTTPError: 401 Client Error: Unauthorized');
    if (state.trap === '400')
      fail('HTTPError: 400 Client Error: Bad Request for url /tun/m/assign?accelerator');
    if (state.trap === '503') fail('HTTPError: 503 Server Error: Service Unavailable');
    if (Object.keys(state.sessions).length >= state.limit)
      fail('TooManyAssignmentsError: 412 Precondition Failed');
    const asked = option('--gpu');
    const hardware = ['T4', 'L4', 'G4', 'A100', 'H100'].includes(asked) ? asked : 'A100';
    state.sessions[name] = state.trap === 'other-card' ? 'A100' : hardware;
    save();
    process.stderr.write(`[colab] Creating session '${name}'...\n[colab] Session READY.\n`);
    break;
  }
  case 'sessions':
    if (state.trap === 'sessions-fail') fail('ConnectionError');
    for (const [index, session] of Object.keys(state.sessions).entries())
      process.stdout.write(
        `[${index}] Endpoint: gpu-${index} | Variant: GPU | Hardware: ${state.sessions[session]}\n`,
      );
    for (const orphan of state.orphans)
      process.stdout.write(`[?] Endpoint: ${orphan} | Variant: GPU | Hardware: T4\n`);
    process.stdout.write('\n[colab] Local session names:\n');
    for (const [index, session] of Object.keys(state.sessions).entries())
      process.stdout.write(`  ${session} -> gpu-${index}\n`);
    break;
  case 'status':
    process.stdout.write(
      name in state.sessions
        ? `[colab] Session: ${name} | Status: RUNNING | Hardware: ${state.sessions[name]}\n`
        : `[colab] Session '${name}' not found.\n`,
    );
    break;
  case 'exec': {
    if (!(name in state.sessions)) fail(`404 Client Error: Not Found: session ${name}`);
    if (state.trap === 'exec-fails') fail('RuntimeError: the set-up failed');
    const ran = spawnSync('python3', [option('-f')], { encoding: 'utf8' });
    process.stdout.write(ran.stdout);
    process.stderr.write(ran.stderr);
    process.exit(ran.status ?? 1);
    break;
  }
  case 'stop':
    // It answers 0 for a session that is not there.
    if (state.trap === 'pruned') {
      delete state.sessions[name];
      save();
      fail('HTTPError: 404 Client Error: Not Found');
    }
    delete state.sessions[name];
    save();
    break;
  default:
    fail(`No such command '${verb}'.`, 2);
}
