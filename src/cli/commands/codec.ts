import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { PipelineError } from '../../domain/errors.ts';
import { createCodecServer } from '../../temporal/codec-server.ts';
import { EncryptionCodec, parseCodecKeys } from '../../temporal/payload-codec.ts';
import { isLoopback } from '../../wire/loopback.ts';
import { action, type CommonOptions } from '../context.ts';
import { print } from '../output.ts';
import { untilInterrupted } from '../stack/interrupt.ts';

/** Adds the commands about encrypted payloads: key, serve. */
export function addCodecCommands(program: Command): void {
  const codec = program
    .command('codec')
    .description('encrypted payloads: keys, and a server for the Temporal UI');
  action<CommonOptions>(
    codec
      .command('key')
      .argument('[name]', 'name of the key', new Date().toISOString().slice(0, 10))
      .description('make a key for PLEIN_AIR_CODEC_KEYS'),
    async ({ env, json }, _options, name) => {
      const entry = `${String(name)}:${randomBytes(32).toString('base64')}`;
      const older = env.PLEIN_AIR_CODEC_KEYS;
      const keys = older === undefined ? entry : `${entry},${older}`;
      print(json, { keys }, () => `PLEIN_AIR_CODEC_KEYS=${keys}`);
    },
  );
  action<CommonOptions & { port: string; host: string; ui: string[] }>(
    codec
      .command('serve')
      .description('decrypt for the Temporal UI, on loopback, until Ctrl+C')
      .option('--host <address>', 'address to listen at', '127.0.0.1')
      .option('--port <port>', 'port; 0: any', '8234')
      .option('--ui <origin...>', 'origins of the UI that may ask', [
        'http://127.0.0.1:8233',
        'http://localhost:8233',
      ]),
    async ({ env, json }, { port, host, ui }) => {
      if (env.PLEIN_AIR_CODEC_KEYS === undefined)
        throw new PipelineError(
          'InvalidInput',
          'expected keys in PLEIN_AIR_CODEC_KEYS, got none: "plein-air codec key" makes one',
        );
      if (!isLoopback(host) && env.PLEIN_AIR_CODEC_TOKEN === undefined)
        throw new PipelineError(
          'InvalidInput',
          `expected a token in PLEIN_AIR_CODEC_TOKEN to decrypt on ${host} for other machines, got none: without one everybody who reaches the port reads every payload`,
        );
      // The UI shows older histories, too.
      const keys = new EncryptionCodec(parseCodecKeys(env.PLEIN_AIR_CODEC_KEYS), { allowPlain: true });
      const server = createCodecServer(keys, ui, env.PLEIN_AIR_CODEC_TOKEN);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(Number(port), host, resolve);
      });
      const address = server.address();
      const url = `http://${host}:${typeof address === 'object' && address !== null ? address.port : port}`;
      print(
        json,
        { url },
        () => `codec server at ${url}: set it in the UI under "Data Encoder", or TEMPORAL_CODEC_ENDPOINT`,
      );
      await untilInterrupted();
      server.closeAllConnections();
      server.close();
    },
  );
}
