import { randomBytes } from 'node:crypto';
import { HubError } from '../http/errors.ts';
import { Job, type JobSpec } from './job.ts';

/** How to run jobs: images that this machine stands in for, each a folder and an environment. There are no containers here. */
export interface RunJobs {
  readonly images: Readonly<Record<string, { cwd: string; environment: Readonly<Record<string, string>> }>>;
}

const MAX_RUNNING = 16;
const MAX_KEPT = 1000;

/** The jobs of a Hub. They are processes of its own and end with it. */
export class JobRunner {
  readonly #options: RunJobs;
  readonly #jobs = new Map<string, Job>();

  constructor(options: RunJobs) {
    this.#options = options;
  }

  /** Starts a job; an image that is not stood in for is refused, and so is one job too many. */
  run(spec: JobSpec, given: { labels: Record<string, string>; secrets: Record<string, string> }): Job {
    const image = Object.hasOwn(this.#options.images, spec.image)
      ? this.#options.images[spec.image]
      : undefined;
    if (image === undefined)
      throw new HubError(
        400,
        `Expected image ${Object.keys(this.#options.images).join(' or ')}, got "${spec.image.slice(0, 100)}": this Hub has no containers and runs only what is installed beside it`,
        'BadRequest',
      );
    const running = [...this.#jobs.values()].filter((job) => !job.isOver).length;
    if (running >= MAX_RUNNING)
      throw new HubError(503, `${running} jobs run already: no capacity on this machine`);
    const job = new Job(randomBytes(12).toString('hex'), spec, {
      labels: given.labels,
      cwd: image.cwd,
      environment: { ...image.environment, ...spec.environment, ...given.secrets },
    });
    this.#jobs.set(job.id, job);
    this.#forget();
    return job;
  }

  /** Jobs of an account, newest first. */
  list(owner: string): Job[] {
    return [...this.#jobs.values()].filter(({ spec }) => spec.owner === owner).reverse();
  }

  /** One job of an account; one that is not there is 404. */
  find(owner: string, id: string): Job {
    const job = this.#jobs.get(id);
    if (job === undefined || job.spec.owner !== owner) throw new HubError(404, 'Job not found');
    return job;
  }

  /** Ends all jobs. */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#jobs.values()].map((job) => job.stop('ERROR', 'the Hub was stopped', 10_000)),
    );
  }

  #forget(): void {
    for (const job of this.#jobs.values()) {
      if (this.#jobs.size <= MAX_KEPT) return;
      if (job.isOver) this.#jobs.delete(job.id);
    }
  }
}
