import { createRepo, uploadFile } from '@huggingface/hub';
import { hostileRequest, sendGarbage, sendHostile } from './hostile-requests.ts';
import { askForUploads, hostileUpload } from './hostile-uploads.ts';
import { type HubInTest, TOKEN } from './hub-in-test.ts';
import { seeded } from './random.ts';

/** What a fuzz run saw. */
export interface FuzzReport {
  readonly sent: number;
  readonly statuses: Record<string, number>;
  /** Requests that were answered with a 5xx, or not at all. */
  readonly faults: string[];
}

const AT_ONCE = 16;

/** Creates the repos that hostile requests aim at. */
export async function prepareTarget(hub: HubInTest): Promise<void> {
  const options = { hubUrl: hub.url, accessToken: TOKEN };
  await createRepo({ ...options, repo: 'painter/target' });
  await createRepo({ ...options, repo: { type: 'space', name: 'painter/app' }, sdk: 'gradio' });
  await uploadFile({ ...options, repo: 'painter/target', file: { path: 'a.txt', content: new Blob(['a']) } });
}

/** Sends `count` hostile requests, some at once, and now and then bytes that are no HTTP at all. */
export async function fuzz(hub: HubInTest, count: number, seed: number): Promise<FuzzReport> {
  const random = seeded(seed);
  const statuses: Record<string, number> = {};
  const faults: string[] = [];
  const addresses = await askForUploads(hub.url, TOKEN);
  for (let sent = 0; sent < count; sent += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - sent) }, () =>
      random.int(6) === 0 ? hostileUpload(random, addresses) : hostileRequest(random, TOKEN),
    );
    await Promise.all(
      batch.map(async (hostile) => {
        const answer = await sendHostile(hub.url, hostile);
        const status = answer === undefined ? 'none' : String(answer.status);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (answer === undefined || answer.status >= 500) {
          faults.push(
            `${status} ${hostile.method} ${hostile.path} ${hostile.body.toString('latin1').slice(0, 200)} → ${answer?.text ?? ''}`,
          );
        }
      }),
    );
    if (sent % (AT_ONCE * 20) === 0) await sendGarbage(hub.port, random.bytes(400));
  }
  return { sent: count, statuses, faults };
}
