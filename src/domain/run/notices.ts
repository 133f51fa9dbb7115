/** What people are told about by webhook. */
export const NOTICE_EVENTS = [
  'needs-approval',
  'gate-verdict',
  'preempted-often',
  'budget-low',
  'rolled-back',
  'gpu-opened',
  'gpu-refused',
  'money-low',
  'finished',
  'failed',
] as const;
export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

/** One message to people. */
export interface Notice {
  event: NoticeEvent;
  run: string;
  model: string;
  /** One or two sentences. */
  text: string;
}

/** Part of `budget.gpuHours` below which people are told. */
const BUDGET_LOW = 0.2;
/** Preemptions that are told: the fifth, and every doubling. */
const isTold = (preemptions: number) => preemptions >= 5 && Number.isInteger(Math.log2(preemptions / 5));

/** What became worth telling between two states of a run's GPU work. */
export function noticesOf(
  before: { preemptions: number; gpuHoursLeft: number },
  after: { preemptions: number; gpuHoursLeft: number },
  gpuHours: number,
): { event: NoticeEvent; text: string }[] {
  const notices: { event: NoticeEvent; text: string }[] = [];
  for (let n = before.preemptions + 1; n <= after.preemptions; n++)
    if (isTold(n))
      notices.push({
        event: 'preempted-often',
        text: `preempted ${n} times so far; nothing is lost but the steps since the last checkpoint of each`,
      });
  const low = gpuHours * BUDGET_LOW;
  if (before.gpuHoursLeft > low && after.gpuHoursLeft <= low)
    notices.push({
      event: 'budget-low',
      text: `${after.gpuHoursLeft.toFixed(2)} of ${gpuHours} GPU hours are left; what is trained stays saved when they are used up`,
    });
  return notices;
}
