import { CancellationScope, proxyActivities } from '@temporalio/workflow';
import type { Operations, PipelineActivities } from '../../domain/run/activities.ts';
import type { Notice, NoticeEvent } from '../../domain/run/notices.ts';
import { NOTIFY } from './activity-options.ts';

/** Tells people by webhook where one is configured; whatever becomes of that, the run goes on. */
export class Notifier {
  private readonly on: boolean;
  private readonly about: Pick<Notice, 'run' | 'model'>;
  private readonly underWay: Promise<void>[] = [];

  constructor(operations: Operations | undefined, about: Pick<Notice, 'run' | 'model'>) {
    this.on = operations?.notifications === true;
    this.about = about;
  }

  /** Sends without waiting. */
  tell(event: NoticeEvent, text: string): void {
    if (!this.on) return;
    const { notify } = proxyActivities<Pick<PipelineActivities, 'notify'>>(NOTIFY);
    const sent = CancellationScope.nonCancellable(() => notify({ ...this.about, event, text }));
    this.underWay.push(sent.catch(() => undefined));
  }

  /** Waits for what is being sent; at most as long as its time-out. */
  async settled(): Promise<void> {
    if (this.underWay.length > 0) await CancellationScope.nonCancellable(() => Promise.all(this.underWay));
  }
}
