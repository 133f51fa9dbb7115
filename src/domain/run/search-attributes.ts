/** Search attributes that runs write, all of type Keyword: what the UI's lists filter by. */
export const SEARCH_ATTRIBUTES = [
  'PleinAirPhase',
  'PleinAirState',
  'PleinAirVerdict',
  'PleinAirModel',
] as const;
export type SearchAttributeName = (typeof SEARCH_ATTRIBUTES)[number];
