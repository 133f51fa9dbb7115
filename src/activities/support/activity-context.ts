/** What a long activity needs of Temporal; `() => Context.current()` gives it, and tests give their own. */
export interface ActivityContext {
  info: {
    workflowExecution?: { workflowId: string; runId: string } | undefined;
    activityId: string;
    attempt: number;
    /** What the attempt before this one had last reported. */
    heartbeatDetails?: unknown;
    /** After so long without a heartbeat Temporal gives the attempt up. */
    heartbeatTimeoutMs?: number | undefined;
    /** When the first attempt was scheduled, in milliseconds since the epoch. */
    scheduledTimestampMs?: number | undefined;
  };
  heartbeat(details?: unknown): void;
  cancellationSignal: AbortSignal;
}

/** Why an activity was asked to end, in Temporal's words. */
export function cancelReason(signal: AbortSignal): string {
  const reason: unknown = signal.reason;
  return typeof reason === 'object' && reason !== null && 'message' in reason
    ? String(reason.message)
    : String(reason);
}

/** Whether this attempt has been given up by Temporal: another one runs or nobody waits, so nothing may be published. */
export function isGivenUp(signal: AbortSignal): boolean {
  return signal.aborted && ['NOT_FOUND', 'TIMED_OUT'].includes(cancelReason(signal));
}
