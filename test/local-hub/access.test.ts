import { describe, expect, it } from '@jest/globals';
import {
  askerOf,
  findRepo,
  identify,
  parseRepoTypePlural,
  requireContent,
  requireWrite,
} from '../../src/local-hub/http/access.ts';
import type { Exchange } from '../../src/local-hub/http/exchange.ts';
import { type Identity, TokenBook } from '../../src/local-hub/http/tokens.ts';
import type { Hub } from '../../src/local-hub/hub.ts';
import type { Repo } from '../../src/local-hub/store/repo.ts';

const WRITER: Identity = { user: 'ada', role: 'write' };
const READER: Identity = { user: 'bob', role: 'read' };
const tokens = new TokenBook([
  { token: 'hf_writer', ...WRITER },
  { token: 'hf_reader', ...READER },
]);

/** What access rules read of a request. */
function exchangeOf(p: {
  authorization?: string;
  method?: string;
  identity?: Identity;
  path?: string;
}): Exchange {
  const { authorization, method = 'GET', identity, path = '/api/models/team/lily' } = p;
  return {
    request: { headers: { authorization }, socket: { remoteAddress: '192.0.2.7' } },
    method,
    identity,
    url: new URL(path, 'http://hub.test'),
    base: 'http://hub.test',
  } as unknown as Exchange;
}

function repoOf(record: Partial<Repo['record']> = {}, id = 'team/lily'): Repo {
  return { type: 'model', id, record: { private: false, gated: false, access: {}, ...record } } as Repo;
}

/** A Hub with these repositories, and names that moved. */
function hubOf(repos: Repo[] = [], moved: Record<string, string> = {}): Hub {
  return {
    tokens,
    repos: {
      find: async (_: string, id: string) => repos.find((repo) => repo.id === id),
      movedTo: async (_: string, id: string) => moved[id],
    },
  } as unknown as Hub;
}

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe('who asks', () => {
  const identified = (authorization: string, method = 'GET') => {
    const exchange = exchangeOf({ authorization, method });
    identify(hubOf(), exchange);
    return exchange.identity;
  };

  it('is the user of a bearer token, or of a password whatever the name before it', () => {
    expect(identified('Bearer hf_writer', 'POST')).toEqual(WRITER);
    expect(identified(basic('anyone:hf_reader'))).toEqual(READER);
    expect(identified(basic('anyone:hf_reader'), 'HEAD')).toEqual(READER);
  });

  it.each(['POST', 'PUT', 'DELETE'])(
    'is nobody where a browser’s password comes along with a %s',
    (method) => {
      expect(identified(basic('anyone:hf_writer'), method)).toBeUndefined();
      expect(identified('basic nonsense', method)).toBeUndefined();
    },
  );

  it.each([
    'Bearer hf_other',
    'Bearer ',
    'Bearer',
    basic('hf_writer'),
    basic('hf_writer:'),
    basic('a:hf_writer:b'),
  ])('is refused with a token that nobody knows: %s', (authorization) => {
    expect(() => identified(authorization)).toThrow(expect.objectContaining({ status: 401 }));
  });

  it('is counted by user, and by address without a known token', () => {
    const asker = (authorization: string) => askerOf(hubOf(), exchangeOf({ authorization }));
    expect(asker('Bearer hf_writer')).toBe('user ada');
    expect(asker('Bearer hf_other')).toBe('address 192.0.2.7');
    expect(askerOf(hubOf(), exchangeOf({}))).toBe('address 192.0.2.7');
  });
});

describe('writing', () => {
  it('needs a token, and one that may write', () => {
    expect(requireWrite(exchangeOf({ identity: WRITER }))).toBe('ada');
    const refusal = (status: number) => expect.objectContaining({ status });
    expect(() => requireWrite(exchangeOf({}))).toThrow(refusal(401));
    expect(() => requireWrite(exchangeOf({ identity: READER }))).toThrow(refusal(403));
  });
});

describe('a repository', () => {
  const asked = (hub: Hub, p: Parameters<typeof exchangeOf>[0] = {}) =>
    findRepo(hub, exchangeOf(p), 'model', 'team/lily');

  it('that is public is found by anyone, one that is private by people with a token', async () => {
    expect(await asked(hubOf([repoOf()]))).toMatchObject({ id: 'team/lily' });
    const hidden = hubOf([repoOf({ private: true })]);
    expect(await asked(hidden, { identity: READER })).toMatchObject({ id: 'team/lily' });
    await expect(asked(hidden)).rejects.toMatchObject({ status: 401, code: 'RepoNotFound' });
  });

  it('that is private is refused in the same words as one that does not exist', async () => {
    const words = (hub: Hub) => asked(hub).catch(({ status, message }) => ({ status, message }));
    expect(await words(hubOf([repoOf({ private: true })]))).toEqual(await words(hubOf()));
    await expect(asked(hubOf(), { identity: READER })).rejects.toMatchObject({ status: 404 });
  });

  it('that moved is named by a redirect, unless it is hidden where it went', async () => {
    const there = (record: Partial<Repo['record']>) =>
      hubOf([repoOf(record, 'team/rose')], { 'team/lily': 'team/rose' });
    const path = '/api/models/team/lily/tree/main?recursive=true';
    await expect(asked(there({}), { path })).rejects.toMatchObject({
      status: 307,
      location: 'http://hub.test/api/models/team/rose/tree/main?recursive=true',
    });
    await expect(asked(there({ private: true }), { path })).rejects.toMatchObject({ status: 401 });
    await expect(asked(there({ private: true }), { path, identity: READER })).rejects.toMatchObject({
      status: 307,
    });
    await expect(asked(there({}), { path: '/elsewhere' })).rejects.toMatchObject({ status: 401 });
    await expect(asked(hubOf([], { 'team/lily': 'team/gone' }), { path })).rejects.toMatchObject({
      status: 401,
    });
  });
});

describe('the files of a gated repository', () => {
  const asked = (record: Partial<Repo['record']>, identity?: Identity, id?: string) => () =>
    requireContent(repoOf(record, id), exchangeOf(identity === undefined ? {} : { identity }));
  const access = (status: 'accepted' | 'pending' | 'rejected', user = 'bob') =>
    ({ [user]: { status } }) as unknown as Repo['record']['access'];
  const refused = (status: number) => expect.objectContaining({ status, code: 'GatedRepo' });

  it('are for anyone where it is not gated', () => {
    expect(asked({ gated: false })).not.toThrow();
  });

  it.each(['auto', 'manual'] as const)('are for nobody without a token (%s)', (gated) => {
    expect(asked({ gated })).toThrow(refused(401));
    expect(asked({ gated, access: access('accepted') })).toThrow(refused(401));
  });

  it('are for a token that may write, for its owner, and for a user who was let in', () => {
    expect(asked({ gated: 'manual' }, WRITER)).not.toThrow();
    expect(asked({ gated: 'manual' }, READER, 'bob/lily')).not.toThrow();
    expect(asked({ gated: 'manual', access: access('accepted') }, READER)).not.toThrow();
  });

  it('are not for others: who waits, who was rejected, who has another’s access or a name like the owner’s', () => {
    expect(asked({ gated: 'manual' }, READER)).toThrow(refused(403));
    for (const status of ['pending', 'rejected'] as const)
      expect(asked({ gated: 'manual', access: access(status) }, READER)).toThrow(refused(403));
    expect(asked({ gated: 'manual', access: access('accepted', 'eve') }, READER)).toThrow(refused(403));
    expect(asked({ gated: 'manual' }, READER, 'bobby/lily')).toThrow(refused(403));
    expect(asked({ gated: 'manual' }, { user: 'constructor', role: 'read' })).toThrow(refused(403));
  });
});

it('kinds of repositories are read in the plural alone', () => {
  expect(['models', 'datasets', 'spaces'].map(parseRepoTypePlural)).toEqual(['model', 'dataset', 'space']);
  expect(['model', 'files', 'modelss', '', undefined].map(parseRepoTypePlural)).toEqual([
    ...[undefined, undefined, undefined, undefined, undefined],
  ]);
});
