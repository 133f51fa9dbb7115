import { PipelineError } from '../../domain/errors.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';

/** A webhook; its address is a secret and appears in no message. */
export interface Webhook {
  url: string;
  format: 'slack' | 'plain';
}

const TIMEOUT_MS = 15_000;

/** Makes the `notify` activity: one POST; what the far side refuses for good is not tried again. */
export function createNotify(p: {
  webhook: Webhook | null;
  fetch?: typeof fetch;
}): PipelineActivities['notify'] {
  const { webhook } = p;
  const send = p.fetch ?? fetch;
  return async (notice) => {
    if (webhook === null) return;
    const body =
      webhook.format === 'plain'
        ? { source: 'plein-air', ...notice }
        : { text: `*${notice.run}* (${notice.model}) ${notice.event.replaceAll('-', ' ')}: ${notice.text}` };
    let response: Response;
    try {
      response = await send(webhook.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      });
    } catch {
      throw new PipelineError(
        'HubUnavailable',
        'expected the webhook to answer, got no answer: it is tried again',
      );
    }
    if (response.ok) return;
    const again = response.status === 429 || response.status >= 500;
    throw new PipelineError(
      again ? 'HubUnavailable' : 'InvalidInput',
      `expected the webhook to take the message, got status ${response.status}${again ? ': it is tried again' : ': check PLEIN_AIR_WEBHOOK_URL and PLEIN_AIR_WEBHOOK_FORMAT'}`,
    );
  };
}

/** The webhook that the environment names. */
export function webhookOf(url: string | undefined, format: Webhook['format'] | undefined): Webhook | null {
  if (url === undefined) return null;
  if (!URL.canParse(url))
    throw new PipelineError(
      'InvalidInput',
      'PLEIN_AIR_WEBHOOK_URL: expected an http or https address, got something else',
    );
  const { hostname } = new URL(url);
  return { url, format: format ?? (hostname.endsWith('slack.com') ? 'slack' : 'plain') };
}
