import type { z } from 'zod';

export declare const SCHEMA_FILE: string;
export declare function protocolSchema(protocol: {
  VERBS: Record<string, { params: z.ZodType; result: z.ZodType }>;
  TrainerEvent: z.ZodType;
  METRICS: Readonly<Record<string, unknown>>;
}): string;
