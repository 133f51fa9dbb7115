import { PipelineError } from '../../domain/errors.ts';
import type { StudioContext } from '../access/guard.ts';

/** The text fields of a form that was sent; a file among them is refused. */
export async function fieldsOf(c: StudioContext): Promise<Record<string, string>> {
  const body = await c.req.parseBody();
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(body)) {
    if (typeof value !== 'string')
      throw new PipelineError('InvalidInput', `${name}: expected text, got a file`);
    fields[name] = value;
  }
  return fields;
}
