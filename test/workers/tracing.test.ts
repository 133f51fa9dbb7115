import { describe, expect, it } from '@jest/globals';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { discreet } from '../../src/workers/tracing.ts';

const SECRET = 'no picture for "a lily of the client"';

/** What leaves the process of an activity that failed and of a person's look at the run. */
function sent(sealed: boolean): ReadableSpan[] {
  const memory = new InMemorySpanExporter();
  const processor = new SimpleSpanProcessor(discreet(memory, sealed));
  const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('test');
  const failed = tracer.startSpan('RunActivity:evaluate', { attributes: { temporalWorkflowId: 'r1' } });
  failed.recordException(new TypeError(SECRET));
  failed.setStatus({ code: 2, message: SECRET });
  failed.end();
  tracer.startSpan('HandleQuery:status').end();
  return memory.getFinishedSpans();
}

describe('spans that leave a worker', () => {
  it('say no word of an error where payloads are encrypted, but that there was one, and where', () => {
    const [span, ...others] = sent(true);
    expect(others).toEqual([]);
    expect(span?.name).toBe('RunActivity:evaluate');
    expect(span?.attributes).toEqual({ temporalWorkflowId: 'r1' });
    expect(span?.spanContext().traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(span?.status).toEqual({ code: 2 });
    expect(span?.events.map(({ name, attributes }) => [name, attributes])).toEqual([
      ['exception', { 'exception.type': 'TypeError' }],
    ]);
    expect(JSON.stringify(span?.events)).not.toContain('lily');
  });

  it('say it where they are not, and never tell of looks', () => {
    const spans = sent(false);
    expect(spans.map(({ name }) => name)).toEqual(['RunActivity:evaluate']);
    expect(spans[0]?.status.message).toBe(SECRET);
  });
});
