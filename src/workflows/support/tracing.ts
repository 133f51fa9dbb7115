import { interceptors as recorded } from '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors.js';
import type { WorkflowInterceptorsFactory } from '@temporalio/workflow';

type Call = (input: unknown, next: (input: unknown) => unknown) => unknown;

/**
 * OpenTelemetry's interceptors for workflows, without a say in when the workflow continues. They answer with promises of
 * their own, some ticks later than the call that they record, and how many depends on flags that a refused update loses:
 * commands would change places on a replay. Here every caller gets the promise of the call itself.
 */
export const interceptors: WorkflowInterceptorsFactory = () => {
  const { inbound = [], outbound = [], internals = [] } = recorded();
  return { inbound: inbound.map(transparent), outbound: outbound.map(transparent), internals };
};

function transparent<T extends object>(interceptor: T): T {
  return new Proxy(interceptor, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      return typeof method === 'function' ? untouched(method.bind(target) as Call) : method;
    },
  });
}

/** The interceptor's method, whose caller gets what the intercepted call itself answered. */
function untouched(method: Call): Call {
  return (input, next) => {
    let own: unknown;
    const traced = method(input, (passed) => {
      own = next(passed);
      return own;
    });
    if (!(own instanceof Promise) || !(traced instanceof Promise)) return traced;
    // The caller sees the call's own error.
    traced.catch(() => undefined);
    return own;
  };
}
