#!/usr/bin/env node
/**
 * A trainer that speaks the whole protocol and trains nothing, for tests of what is around it. Its weights after step n
 * are a hash chain over the steps: a step that is lost, repeated with other inputs or taken from the wrong checkpoint
 * changes the final adapter's sha256. Python's arguments are ignored; `--step-ms N` sets its pace, `--report FILE` has what
 * it claims to have measured.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { deflateSync } from 'node:zlib';

const argument = (name) => process.argv[process.argv.indexOf(name) + 1];
const STEP_MS = Number(argument('--step-ms') || 20);
const REPORT = argument('--report');
const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const asked = { stop: false, checkpoint: false, shutdown: false };

function write(path, bytes) {
  const file = openSync(path, 'w');
  writeSync(file, bytes);
  fsyncSync(file);
  closeSync(file);
  return { bytes: Buffer.byteLength(bytes), sha256: sha(bytes) };
}

/** A file that every reader of safetensors opens: small tensors, each of which holds the state. */
function safetensors(names, state) {
  const one = Buffer.from(state, 'hex');
  const tensors = names.map((name, n) => [
    name,
    { dtype: 'F32', shape: [1, one.length / 4], data_offsets: [n * one.length, (n + 1) * one.length] },
  ]);
  const header = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(tensors) });
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, Buffer.from(padded), ...names.map(() => one)]);
}
const ADAPTER = 'pytorch_lora_weights.safetensors';
const KEY = 'transformer.transformer_blocks.0.attn.to_q.lora_A.weight';
const KOHYA = ['lora_down.weight', 'lora_up.weight', 'alpha'].map(
  (side) => `lora_unet_double_blocks_0_img_attn_qkv.${side}`,
);

function checkpoint(id, { out, step, state, accumulation }) {
  const folder = join(out, `step-${String(step).padStart(8, '0')}`);
  const temporary = `${folder}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true });
  const contents = {
    [ADAPTER]: safetensors([KEY], state),
    'optimizer.safetensors': safetensors(['moments'], sha(state)),
    'state.json': Buffer.from(JSON.stringify({ step, state })),
  };
  const files = Object.entries(contents).map(([path, bytes]) => ({
    path,
    ...write(join(temporary, path), bytes),
  }));
  const microStep = step * accumulation;
  const manifest = Buffer.from(
    JSON.stringify({
      format: 1,
      step,
      microStep,
      fingerprint: { simulated: true },
      heldOutLoss: 1 / (1 + step),
      files,
    }),
  );
  write(join(temporary, 'manifest.json'), manifest);
  rmSync(folder, { recursive: true, force: true });
  renameSync(temporary, folder);
  const bytes = files.reduce((sum, file) => sum + file.bytes, manifest.length);
  const heldOutLoss = 1 / (1 + step);
  say({
    event: 'checkpoint',
    id,
    step,
    microStep,
    path: folder,
    manifestSha256: sha(manifest),
    bytes,
    heldOutLoss,
  });
  return { folder, adapterSha256: files[0].sha256 };
}

async function train(id, { out, resumeFrom, stopAtStep, training }) {
  const last = Math.min(stopAtStep ?? training.steps, training.steps);
  const { accumulation } = training;
  let { step, state } =
    resumeFrom === null
      ? { step: 0, state: sha(`seed ${training.seed}`) }
      : JSON.parse(readFileSync(join(resumeFrom, 'state.json'), 'utf8'));
  asked.stop = false;
  let saved = null;
  process.stderr.write(`training from step ${step} to ${last}\n`);
  while (step < last && !asked.stop) {
    await sleep(STEP_MS);
    step += 1;
    state = sha(`${state} step ${step}`);
    const values = {
      loss: 1 / (1 + step),
      imagesPerSecond: 1000 / STEP_MS,
      learningRate: training.learningRate,
      ...(step % training.heldOutEvery === 0 || step === last ? { heldOutLoss: 1 / (1 + step) } : {}),
    };
    say({ event: 'metric', id, step, values });
    say({
      event: 'progress',
      id,
      stage: 'train',
      done: step,
      total: last,
      etaSeconds: ((last - step) * STEP_MS) / 1000,
    });
    const due = step % training.checkpointEvery === 0 || step === last || asked.checkpoint;
    asked.checkpoint = false;
    if (due) saved = { step, ...checkpoint(id, { out, step, state, accumulation }) };
  }
  if (saved === null || saved.step !== step)
    saved = { step, ...checkpoint(id, { out, step, state, accumulation }) };
  return {
    outcome: step >= last ? 'done' : 'stopped',
    step,
    microStep: step * accumulation,
    checkpoint: saved.folder,
    adapterSha256: saved.adapterSha256,
    heldOutLoss: 1 / (1 + step),
    trainLoss: 1 / (1 + step),
    acceptedDifferences: [],
  };
}

/** A gray PNG of noise that its name decides: a release that paints blank pictures is refused. */
function png(name, size) {
  const crcTable = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    let crc = 0xffffffff;
    for (const byte of body) crc = crcTable[(crc ^ byte) & 255] ^ (crc >>> 8);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const check = Buffer.alloc(4);
    check.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
    return Buffer.concat([length, body, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(size, 0);
  head.writeUInt32BE(size, 4);
  head.set([8, 0, 0, 0, 0], 8);
  const rows = Buffer.alloc((size + 1) * size);
  for (let at = 0; at < rows.length; at += 32)
    rows.set(
      createHash('sha256')
        .update(`${name} ${at}`)
        .digest()
        .subarray(0, rows.length - at),
      at,
    );
  for (let y = 0; y < size; y++) rows[y * (size + 1)] = 0;
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([
    signature,
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function sample({ samples, out, size, inferenceSteps, guidance, precision, adapter }) {
  mkdirSync(out, { recursive: true });
  for (const { id } of samples) write(join(out, `${id}.png`), png(`${id} ${adapter === null}`, size));
  const rows = samples.map(({ id, prompt, seed }) => [id, prompt, seed]);
  const setSha256 = sha(
    JSON.stringify(['plein-air sample set 1', size, inferenceSteps, guidance, precision, rows]),
  );
  const manifest = Buffer.from(JSON.stringify({ setSha256, samples: rows.length, base: adapter === null }));
  write(join(out, 'manifest.json'), manifest);
  return { images: samples.length, reused: 0, manifestSha256: sha(manifest) };
}

/** The report that `report-in-test.ts` makes up, about these pictures and this adapter. */
function evaluate(p) {
  const { adapter, baseSamples, candidateSamples, encoder, samples, confidence, seed, rivals, out } = p;
  const read = (folder) => readFileSync(join(folder, 'manifest.json'));
  const { report: made, comparison } = JSON.parse(readFileSync(REPORT, 'utf8'));
  const report = {
    ...made,
    ...{ confidence, seed, encoder: { ...made.encoder, name: encoder } },
    adapterSha256: sha(readFileSync(adapter)),
    samples: {
      setSha256: JSON.parse(read(candidateSamples)).setSha256,
      count: samples.length,
      prompts: new Set(samples.map((s) => s.promptId)).size,
      candidateManifestSha256: sha(read(candidateSamples)),
      baseManifestSha256: sha(read(baseSamples)),
    },
    comparisons: rivals.map(({ name, tag, adapterSha256, samples: folder }) => ({
      ...{ name, tag, adapterSha256, manifestSha256: sha(read(folder)), ...comparison },
    })),
    perSample: samples.map(({ id, promptId, genre }) => ({ ...made.perSample[0], id, promptId, genre })),
  };
  mkdirSync(out, { recursive: true });
  const bytes = Buffer.from(JSON.stringify(report));
  write(join(out, 'report.json'), bytes);
  return { report: join(out, 'report.json'), sha256: sha(bytes) };
}

function exportAdapter({ checkpoint: folder, out, formats }) {
  mkdirSync(out, { recursive: true });
  const { state } = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
  const files = formats.map((format) => {
    const isOurs = format === 'diffusers';
    const path = join(out, isOurs ? ADAPTER : 'kohya.safetensors');
    return { format, path, ...write(path, safetensors(isOurs ? [KEY] : KOHYA, state)) };
  });
  return { files };
}

const VERBS = {
  probe: async () => ({
    device: 'cpu',
    name: 'simulated',
    vramBytes: null,
    ramBytes: 1,
    cpuCapability: 'none',
    threads: 1,
    versions: {},
  }),
  encode: async (_id, { out }) => {
    mkdirSync(out, { recursive: true });
    return { views: 0, captions: 0, reused: 0, bytes: 0 };
  },
  train,
  sample: async (_id, params) => sample(params),
  evaluate: async (_id, params) => evaluate(params),
  export: async (_id, params) => exportAdapter(params),
  // Searches nothing: every trial is the configuration as it is.
  suggest: async (_id, { trials, defaults, steps, mayStart }) =>
    mayStart
      ? { next: 'trial', number: trials.length, parameters: defaults, toStep: steps, reason: 'simulated' }
      : { next: 'wait', number: null, parameters: null, toStep: null, reason: 'simulated' },
  assess: async () => ({ importances: [], certainty: [], rankAgreement: [] }),
};

process.on('SIGTERM', () => {
  asked.stop = true;
  asked.shutdown = true;
});
say({ event: 'ready', protocol: 1, pid: process.pid });
let working = Promise.resolve();
for await (const line of createInterface({ input: process.stdin })) {
  const { id, verb, params } = JSON.parse(line);
  if (verb === 'shutdown') break;
  if (verb === 'stop' || verb === 'checkpoint') asked[verb] = true;
  else
    working = working.then(async () => {
      try {
        say({ event: 'result', id, result: await VERBS[verb](id, params) });
      } catch (error) {
        say({ event: 'error', id, kind: 'Internal', message: String(error.stack), details: {} });
      }
      if (asked.shutdown) process.exit();
    });
}
await working;
