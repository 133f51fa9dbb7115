/** Most memory that decoding may take: on V8's heap, and in all with the pictures' bytes. */
export const MAX_MEGABYTES = { heap: 1024, all: 3072 };

/**
 * The program of the process that decodes parquet; it has no module of its own, so that it runs the same from sources and
 * from a build. It asks its parent for the file's bytes: small ranges come as they are, those of pictures by way of a file.
 */
export const PARQUET_PROGRAM = `
const { closeSync, openSync, readSync, writeSync } = require('node:fs');
const { Worker } = require('node:worker_threads');
const library = import(process.argv[1]);
const reads = new Map();
let last = 0;
const fileOf = (byteLength) => ({
  byteLength,
  slice: (start, end = byteLength) => new Promise((resolve) => {
    reads.set(++last, resolve);
    process.send({ read: last, start, end });
  }),
});
const whole = ({ buffer, byteOffset, byteLength }) =>
  byteOffset === 0 && byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
const fromFile = ({ path, at, length }) => {
  const bytes = new Uint8Array(length);
  const file = openSync(path, 'r');
  for (let read = 0; read < length; ) {
    const more = readSync(file, bytes, read, length - read, at + read);
    if (more === 0) throw new Error('the range of the file is cut off');
    read += more;
  }
  closeSync(file);
  return bytes.buffer;
};
// Pictures go to a file, one after the other, and their places to the parent.
const written = (rows, column, path) => {
  const file = openSync(path, 'w');
  let at = 0;
  const places = rows.map((row) => {
    const image = row[column];
    const bytes = image instanceof Uint8Array ? image : image?.bytes;
    if (!(bytes instanceof Uint8Array)) return null;
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done);
    at += bytes.length;
    return { at: at - bytes.length, length: bytes.length };
  });
  closeSync(file);
  return places;
};
const run = async ({ byteLength, task }) => {
  const { parquetMetadataAsync, parquetReadObjects } = await library;
  const file = fileOf(byteLength);
  if (task.kind === 'metadata') return parquetMetadataAsync(file, task);
  const plain = task.metadata.row_groups.every((group) =>
    group.columns.every(({ meta_data }) => ['UNCOMPRESSED', 'SNAPPY'].includes(meta_data?.codec)));
  const { compressors } = plain ? {} : await import(process.argv[2]);
  // utf8: false, or bytes that happen to be valid text come back as text and are lost.
  const rows = await parquetReadObjects({ ...task, file, compressors, utf8: false });
  return task.kind === 'pictures' ? written(rows, task.columns[0], task.output) : rows;
};
process.on('message', (message) => {
  if (message.read === undefined)
    run(message).then(
      (result) => process.send({ result }),
      (error) => process.send({ error: String(error?.message ?? error) }),
    );
  else {
    const resolve = reads.get(message.read);
    reads.delete(message.read);
    resolve(message.spooled ? fromFile(message.spooled) : whole(message.bytes));
  }
});
process.on('disconnect', () => process.exit());
// Ctrl+C and a service's stop go to all processes: the parent, which then ends what it began, needs this one until it is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
// While this thread is caught in a loop another one must see that the parent was killed, or that memory runs out.
new Worker(\`
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
    if (process.memoryUsage.rss() > ${MAX_MEGABYTES.all} * 2 ** 20) process.kill(process.pid, 'SIGXCPU');
  }, 200);
\`, { eval: true }).unref();
`;
