import { z } from 'zod';

/** What a link lets its holder do: look at everything, only rate pairs, or look, rate and steer. */
export const Role = z.enum(['look', 'rate', 'steer']);
export type Role = z.infer<typeof Role>;

/** What a page or a button needs. */
export type Right = 'look' | 'rate' | 'steer';

const RIGHTS: Record<Role, readonly Right[]> = {
  look: ['look'],
  rate: ['rate'],
  steer: ['look', 'rate', 'steer'],
};

/** Whether a role has a right. */
export function may(role: Role, right: Right): boolean {
  return RIGHTS[role].includes(right);
}
