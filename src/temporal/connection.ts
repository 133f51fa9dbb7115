import { loadClientConnectConfig } from '@temporalio/envconfig';
import { processEnvironment } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';

type Settings = ReturnType<typeof loadClientConnectConfig>['connectionOptions'];

/** Where Temporal is: `TEMPORAL_*`, else a running embedded stack, else Temporal's configuration file. */
export function connectionSettings(embedded: string | null): {
  options: Settings & { address: string };
  namespace: string;
} {
  const env = processEnvironment();
  const asked = env.TEMPORAL_ADDRESS ?? env.TEMPORAL_PROFILE;
  // A running embedded stack needs no key and no TLS, whatever a configuration file says about other servers.
  if (embedded !== null && asked === undefined)
    return { options: { address: embedded }, namespace: 'default' };
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig();
    const address = connectionOptions.address ?? '127.0.0.1:7233';
    return { options: { ...connectionOptions, address }, namespace: namespace ?? 'default' };
  } catch (error) {
    throw new PipelineError(
      'InvalidInput',
      `expected a usable Temporal configuration, got: ${words(error)}. Check TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE and TEMPORAL_TLS_* ("temporal config get" shows what they say)`,
      { cause: error },
    );
  }
}

/** gRPC's numbers for what can be wrong with a connection. */
const CODES = { invalid: 3, notFound: 5, denied: 7, unimplemented: 12, unavailable: 14, unauthenticated: 16 };

/** One sentence: what was expected of Temporal, what came, and the command that mends it. */
export function explainTemporal(
  error: unknown,
  p: { address: string; namespace: string; tls: boolean },
): PipelineError {
  const said = words(error);
  const code = grpcCode(error, said);
  const { address, namespace } = p;
  const sentence = ((): string => {
    if (code === CODES.unauthenticated || /jwt|token is expired|api key/i.test(said))
      return `expected Temporal at ${address} to accept the API key, got "${said}": the key is missing, wrong or expired; make a new one and set TEMPORAL_API_KEY`;
    if (code === CODES.denied)
      return `expected to be let into namespace "${namespace}" at ${address}, got "${said}": the key is valid for something else; check TEMPORAL_NAMESPACE and the key's permissions, or set a new TEMPORAL_API_KEY`;
    if (code === CODES.notFound)
      return `expected namespace "${namespace}" at ${address}, got "${said}": set TEMPORAL_NAMESPACE, or make it with "temporal operator namespace create --namespace ${namespace}"`;
    if (code === CODES.unimplemented)
      return `expected a Temporal server 1.25 or newer at ${address}, got one that does not know the call (${said}): upgrade the server, or check that TEMPORAL_ADDRESS is its gRPC port`;
    if (/certificate|tls|ssl|handshake|http2|h2 protocol|frame/i.test(said) && !/refused/i.test(said))
      return `expected to agree with Temporal at ${address} on ${p.tls ? 'TLS, got a server that speaks it otherwise' : 'plain text, got a server that wants TLS'} (${said}): check TEMPORAL_TLS, TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_SERVER_CA_CERT_PATH`;
    return `expected a Temporal server at ${address}, got no answer (${said}${p.tls ? ', with TLS' : ''}): start the embedded one with "plein-air up", or set TEMPORAL_ADDRESS${p.tls ? ', or TEMPORAL_TLS=false where the server speaks plain text' : ''}`;
  })();
  return new PipelineError('HubUnavailable', sentence, { cause: error });
}

function grpcCode(error: unknown, said: string): number | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if ('code' in at && typeof at.code === 'number') return at.code;
  // The native client writes the code out.
  const named: [RegExp, number][] = [
    [/unauthenticated/i, CODES.unauthenticated],
    [/permission/i, CODES.denied],
    [/not.?found/i, CODES.notFound],
    [/unimplemented|not implemented|not supported/i, CODES.unimplemented],
  ];
  return named.find(([pattern]) => pattern.test(said))?.[1] ?? null;
}

/** What the server or the network said, in one line and without what could be a secret. */
function words(error: unknown): string {
  const deepest = (at: unknown): string =>
    at instanceof Error && at.cause instanceof Error
      ? deepest(at.cause)
      : at instanceof Error
        ? at.message
        : String(at);
  return deepest(error)
    .replaceAll(/(bearer\s+|eyJ)[\w.~+/-]+/gi, '***')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 300);
}
