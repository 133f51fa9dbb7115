import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createNotify, webhookOf } from '../../../src/activities/run/notify.ts';

const bodies: string[] = [];
let status = 200;
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    bodies.push(body);
    response.writeHead(status).end('ok');
  });
});
let url = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path`;
});
afterAll(() => {
  server.close();
});
const notice = { event: 'gate-verdict', run: 'r1', model: 'impressionist', text: 'PASS' } as const;

describe('notify', () => {
  it('speaks Slack’s format and a plain one', async () => {
    await createNotify({ webhook: webhookOf(url, 'slack') })(notice);
    await createNotify({ webhook: webhookOf(url, undefined) })(notice);
    expect(JSON.parse(bodies[0] ?? '')).toEqual({ text: '*r1* (impressionist) gate verdict: PASS' });
    expect(JSON.parse(bodies[1] ?? '')).toEqual({ source: 'plein-air', ...notice });
  });

  it.each([
    [500, 'HubUnavailable'],
    [429, 'HubUnavailable'],
    [404, 'InvalidInput'],
  ])('answers status %d with %s and keeps the address to itself', async (answer, kind) => {
    status = answer;
    const failed = createNotify({ webhook: webhookOf(url, 'plain') })(notice);
    await expect(failed).rejects.toMatchObject({ kind, message: expect.not.stringContaining('secret-path') });
  });

  it('is done at once where no webhook is configured', async () => {
    await createNotify({ webhook: null })(notice);
  });
});
