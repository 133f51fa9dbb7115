export { code, escapeMarkdown } from '../../domain/escape-markdown.ts';

/** A table whose cells are Markdown already; numbers to the right. */
export function markdownTable(head: string[], rows: string[][], right: number[] = []): string {
  const rule = head.map((_, i) => (right.includes(i) ? '---:' : '---'));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** A figure with four significant digits, without trailing noise; "not measured" for null and NaN. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return 'not measured';
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const text = value.toPrecision(4);
  return text.includes('e') ? text : String(Number(text));
}

/** Seconds as people say them: "42 s", "3 min 5 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? Number(seconds.toFixed(1)) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `25 Nov 01:07:30` in UTC, which no line break tears apart. */
export function moment(at: number): string {
  const [date = '', time = ''] = new Date(at).toISOString().split('T');
  const [, month, day] = date.split('-');
  return `${Number(day)}\u00a0${MONTHS[Number(month) - 1]}\u00a0${time.slice(0, 8)}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
