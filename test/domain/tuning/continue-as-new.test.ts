import { expect, it } from '@jest/globals';
import {
  ASKED_BYTES_PER_RUN,
  continuesAsNew,
  EVENTS_PER_RUN,
  STRETCHES_PER_RUN,
} from '../../../src/domain/tuning/study.ts';

/** Where the Temporal server begins to warn: events and bytes of one workflow run's history. */
const WARNS_AT = { events: 10_240, bytes: 10 * 1024 * 1024 };

const nothing = { segments: 0, askedBytes: 0, events: 0 };

it.each([
  ['segments', STRETCHES_PER_RUN],
  ['askedBytes', ASKED_BYTES_PER_RUN],
  ['events', EVENTS_PER_RUN],
] as const)('a study continues as new at its limit of %s, and not one before', (count, limit) => {
  expect(continuesAsNew({ ...nothing, [count]: limit - 1 })).toBe(false);
  expect(continuesAsNew({ ...nothing, [count]: limit })).toBe(true);
});

it('does so well before the server warns', () => {
  expect(EVENTS_PER_RUN).toBeLessThanOrEqual(0.8 * WARNS_AT.events);
  expect(ASKED_BYTES_PER_RUN).toBeLessThanOrEqual(0.5 * WARNS_AT.bytes);
});
