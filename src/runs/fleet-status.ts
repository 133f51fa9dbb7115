import type { Client } from '@temporalio/client';
import { FLEET_WORKFLOW_ID, type FleetStatus } from '../domain/gpu-source/fleet.ts';

/** What the fleet says of itself; null: there is none, or no worker that could answer. */
export async function fleetStatus(client: Client): Promise<FleetStatus | null> {
  try {
    return await client.withDeadline(Date.now() + 3000, () =>
      client.workflow.getHandle(FLEET_WORKFLOW_ID).query<FleetStatus>('status'),
    );
  } catch {
    return null;
  }
}
