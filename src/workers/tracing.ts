import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
  OpenTelemetryActivityOutboundInterceptor,
} from '@temporalio/interceptors-opentelemetry';
import type { ActivityInterceptorsFactory, InjectedSinks } from '@temporalio/worker';
import type { Environment } from '../config/env.ts';

/** OpenTelemetry for a worker: what to put into it, and how to send off the last spans. */
export interface Tracing {
  activity: ActivityInterceptorsFactory;
  sinks: InjectedSinks<Record<string, never>>;
  close(): Promise<void>;
}

/** Traces workflows and activities to `OTEL_EXPORTER_OTLP_ENDPOINT`; null where it is not set. */
export function startTracing(kind: string, env: Environment): Tracing | null {
  if (env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return null;
  const resource = new Resource({ 'service.name': `plein-air-${kind}` });
  const exporter = new OTLPTraceExporter();
  const processor = new BatchSpanProcessor(exporter);
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  provider.register();
  return {
    activity: (context) => ({
      inbound: new OpenTelemetryActivityInboundInterceptor(context),
      outbound: new OpenTelemetryActivityOutboundInterceptor(context),
    }),
    sinks: { exporter: makeWorkflowExporter(processor, resource) } as unknown as Tracing['sinks'],
    close: () => provider.shutdown(),
  };
}
