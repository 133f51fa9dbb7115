import { HubError } from '../http/errors.ts';

const MAX_LINE = 64 * 1024 * 1024;

/** Splits a stream into non-empty lines, holding one line at a time; one over 64 MiB is refused with 413. */
export async function* readLines(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let held = 0;
  const take = (): string => {
    const line = Buffer.concat(parts).toString('utf8').trim();
    parts = [];
    held = 0;
    return line;
  };
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      from = end + 1;
      const line = take();
      if (line !== '') yield line;
    }
    parts.push(chunk.subarray(from));
    held += chunk.length - from;
    if (held > MAX_LINE) {
      throw new HubError(
        413,
        `Expected files over 1 MB as large files, got a commit line of more than ${MAX_LINE} bytes`,
      );
    }
  }
  const last = take();
  if (last !== '') yield last;
}
