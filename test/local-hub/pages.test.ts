import { createRepo, uploadFiles } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

const CARD = `---
license: other
tags: [flux, lora]
widget:
  - text: a harbour at dawn
    output:
      url: images/dawn.png
  - text: a click away
    output:
      url: javascript:alert(5)
  - text: another
    output:
      url: data:text/html,<script>alert(6)</script>
---
# Harbours

<script>alert(1)</script><iframe src="https://evil.example"></iframe><style>body{display:none}</style>
<img src=x onerror="alert(2)"> [bad](javascript:alert(3)) <a href="https://ok.example" onclick="alert(4)">fine</a>
![dawn](./images/dawn.png) and [the notes](notes/read me.md) and <form action="/x"><input></form>

| a | b |
|---|---|
| 1 | 2 |
`;

let hub: HubInTest;
const get = async (
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; headers: Headers }> => {
  const answer = await fetch(`${hub.url}${path}`, { headers });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
};

beforeAll(async () => {
  hub = await startHubInTest();
  const options = { hubUrl: hub.url, accessToken: TOKEN, repo: 'painter/harbour' };
  const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } })
    .png()
    .toBuffer();
  await createRepo(options);
  const texts: [string, string][] = [
    ['README.md', CARD],
    ['notes/read me.md', '# Notes'],
    ['<b>bold.txt', 'a < b'],
  ];
  const files = texts.map(([path, text]) => ({ path, content: new Blob([text]) }));
  await uploadFiles({
    ...options,
    files: [...files, { path: 'images/dawn.png', content: new Blob([new Uint8Array(picture)]) }],
  });
  await createRepo({ ...options, repo: 'painter/secret', private: true });
});
afterAll(async () => hub.stop());

describe('a repo’s page', () => {
  it('shows the card without anything that could run or load from elsewhere', async () => {
    const { text, headers } = await get('/painter/harbour');
    expect(text).toContain('<h1>Harbours</h1>');
    expect(text).not.toMatch(/<script|<iframe|onerror|onclick|javascript:|<form|<input|display:none/i);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).not.toContain('data:text/html');
  });

  it('leads relative pictures and links into the repo', async () => {
    const { text } = await get('/painter/harbour');
    expect(text).toContain('src="/painter/harbour/resolve/main/images/dawn.png"');
    expect((await get('/painter/harbour/resolve/main/images/dawn.png')).headers.get('content-type')).toBe(
      'image/png',
    );
  });

  it('shows the pictures that the card promises, with their prompts', async () => {
    expect((await get('/painter/harbour')).text).toContain('<figcaption>a harbour at dawn</figcaption>');
  });

  it('lists files, shows text and pictures, and escapes their names', async () => {
    const tree = await get('/painter/harbour/tree/main');
    expect(tree.text).toContain('&lt;b&gt;bold.txt');
    expect(tree.text).not.toContain('<b>bold');
    expect((await get('/painter/harbour/blob/main/%3Cb%3Ebold.txt')).text).toContain('a &lt; b');
    expect((await get('/painter/harbour/blob/main/images/dawn.png')).text).toContain('<img src=');
    expect((await get('/painter/harbour/tree/main/images')).text).toContain(
      '<figcaption>dawn.png</figcaption>',
    );
  });

  it('lists commits and what each changed', async () => {
    const { text } = await get('/painter/harbour/commits/main');
    const oid = /commit\/([0-9a-f]{40})/.exec(text)?.[1];
    const commit = await get(`/painter/harbour/commit/${oid}`);
    expect(commit.text).toContain('<span class="added">added</span>');
    expect(commit.text).toContain('images/dawn.png');
  });

  it('says in words what is not there', async () => {
    expect((await get('/painter/harbour/blob/main/none')).status).toBe(404);
    expect((await get('/painter/none')).text).toContain('may be private');
  });
});

describe('the front page', () => {
  it('lists public repos, and private ones only to those with a token', async () => {
    expect((await get('/')).text).toContain('painter/harbour');
    expect((await get('/')).text).not.toContain('painter/secret');
    const basic = `Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}`;
    expect((await get('/', { Authorization: basic })).text).toContain('painter/secret');
  });

  it('asks a browser for a token on request', async () => {
    const { status, headers } = await get('/?token');
    expect([status, headers.get('www-authenticate')]).toEqual([401, expect.stringMatching(/^Basic/)]);
  });

  it('takes a browser’s remembered password for reading only', async () => {
    const basic = `Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}`;
    const answer = await fetch(`${hub.url}/api/repos/create`, {
      method: 'POST',
      headers: { Authorization: basic },
      body: '{"name":"x"}',
    });
    expect(answer.status).toBe(401);
  });
});
