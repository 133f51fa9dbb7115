/** Decodes a page that never ends, and says when the decoder is at it: for the test that kills this process then. */
import { inParquetProcess } from '../../src/wikiart/parquet-process.ts';
import { endlessRun } from './endless-run.ts';

const { file, task } = await endlessRun();
const alive = () => console.log('decoding');
await inParquetProcess({ ...file, alive }, task, { aliveMs: 300 });
