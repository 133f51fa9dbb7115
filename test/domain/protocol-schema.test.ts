import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { protocolSchema, SCHEMA_FILE } from '../../scripts/generate-protocol-schema.mjs';
import { METRICS } from '../../src/domain/evaluation/metrics.ts';
import { TrainerEvent, VERBS } from '../../src/domain/trainer-protocol.ts';

describe('the JSON Schema that the Python trainer checks against', () => {
  it('is what the zod definitions generate today (else run scripts/generate-protocol-schema.mjs)', () => {
    expect(readFileSync(SCHEMA_FILE, 'utf8')).toBe(protocolSchema({ VERBS, TrainerEvent, METRICS }));
  });

  it('describes the parameters and the result of every verb', () => {
    const schema = JSON.parse(readFileSync(SCHEMA_FILE, 'utf8'));
    expect(Object.keys(schema.params)).toEqual(Object.keys(VERBS));
    expect(Object.keys(schema.results)).toEqual(Object.keys(VERBS));
  });
});
