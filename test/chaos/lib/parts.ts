/** How to start one process of the topology, and how to know that it serves. */
export interface PartPlan {
  name: string;
  file: string;
  args: string[];
  env?: Record<string, string>;
  ready?: () => Promise<boolean>;
}

/** What stands between workers and servers: ports that workers are told instead of the real ones. */
export interface Ports {
  temporal: number;
  hub: number;
}
