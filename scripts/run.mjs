#!/usr/bin/env node
/** Sets up what is missing (with Gradio where Spaces are to run), then hands over to the command line in this process. */
import { setUp } from './setup.mjs';

try {
  const seconds = await setUp({ dev: process.argv.includes('--run-spaces') });
  process.env.PLEIN_AIR_SETUP_SECONDS ??= seconds.toFixed(1);
} catch (error) {
  process.stderr.write(
    `set-up: ${error.message}\nMend the cause and run the same command again: what is done stays done.\n`,
  );
  process.exit(1);
}
await import('../dist/cli/main.js');
