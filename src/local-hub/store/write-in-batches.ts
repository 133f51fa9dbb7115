import type { FileHandle } from 'node:fs/promises';

const BATCH_BYTES = 1024 * 1024;
const FLUSH_BYTES = 64 * 1024 * 1024;

/**
 * Writes a stream to a file a mebibyte at a time: one batch is on its way to the file while `see` hashes the next, and
 * the disk is set to work every 64 MiB, so that the flush at the end has little left to do. Returns the bytes written.
 */
export async function writeInBatches(
  file: FileHandle,
  chunks: AsyncIterable<Uint8Array>,
  see: (chunk: Uint8Array, soFar: number) => void,
): Promise<number> {
  let size = 0;
  let batch: Uint8Array[] = [];
  let held = 0;
  let unflushed = 0;
  let writing: Promise<void> = Promise.resolve();
  let flushing: Promise<void> = Promise.resolve();
  const hand = async (): Promise<void> => {
    await writing;
    writing = writeAll(file, batch);
    // Awaited with the next batch; a failure until then must not count as one that nobody sees.
    writing.catch(() => undefined);
    unflushed += held;
    batch = [];
    held = 0;
    if (unflushed >= FLUSH_BYTES) {
      await flushing;
      flushing = file.datasync();
      flushing.catch(() => undefined);
      unflushed = 0;
    }
  };
  try {
    for await (const chunk of chunks) {
      size += chunk.byteLength;
      see(chunk, size);
      batch.push(chunk);
      held += chunk.byteLength;
      if (held >= BATCH_BYTES) await hand();
    }
    await hand();
  } finally {
    await Promise.all([writing, flushing]);
  }
  return size;
}

async function writeAll(file: FileHandle, batch: readonly Uint8Array[]): Promise<void> {
  let pending = [...batch];
  while (pending.length > 0) {
    let { bytesWritten } = await file.writev(pending);
    while (pending.length > 0 && bytesWritten >= (pending[0]?.byteLength ?? 0)) {
      bytesWritten -= pending[0]?.byteLength ?? 0;
      pending = pending.slice(1);
    }
    if (bytesWritten > 0 && pending[0]) pending = [pending[0].subarray(bytesWritten), ...pending.slice(1)];
  }
}
