/** Rows of a CSV text (RFC 4180: quotes, doubled quotes, line breaks inside quotes) by the names of its first line. */
export function parseCsv(text: string): Record<string, string>[] {
  const records: string[][] = [[]];
  let field = '';
  let quoted = false;
  const end = (): void => {
    records.at(-1)?.push(field);
    field = '';
  };
  for (let i = text.startsWith('\uFEFF') ? 1 : 0; i < text.length; i++) {
    const c = text[i] as string;
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') {
        field += '"';
        i += 1;
      } else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ',') end();
    else if (c === '\n') {
      end();
      records.push([]);
    } else if (c !== '\r') field += c;
  }
  end();
  const [head = [], ...rows] = records;
  return rows
    .filter((row) => row.length > 1 || row[0] !== '')
    .map((row) => Object.fromEntries(head.map((name, at) => [name.trim(), row[at] ?? ''])));
}
