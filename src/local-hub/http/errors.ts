/** The error codes that official clients read from `X-Error-Code`. */
export type HubErrorCode =
  | 'RepoNotFound'
  | 'RevisionNotFound'
  | 'EntryNotFound'
  | 'GatedRepo'
  | 'PreconditionFailed'
  | 'BadRequest';

/** An answer with a status of 400 or more, thrown anywhere while a request is handled. */
export class HubError extends Error {
  readonly status: number;
  readonly code: HubErrorCode | undefined;
  readonly data: Record<string, unknown>;
  /** Where the client should ask instead. */
  location?: string;
  /** Seconds after which the same request may succeed. */
  retryAfter?: number;

  constructor(status: number, message: string, code?: HubErrorCode, data: Record<string, unknown> = {}) {
    super(message);
    this.name = 'HubError';
    this.status = status;
    this.code = code;
    this.data = data;
  }
}

/** 400 with the sentence that says what was expected, what came and where. */
export function badRequest(message: string): HubError {
  return new HubError(400, message, 'BadRequest');
}

/** 404 that clients raise as "revision not found". */
export function revisionNotFound(revision: string): HubError {
  return new HubError(404, `Invalid rev id: ${revision}`, 'RevisionNotFound');
}

/** 404 that clients raise as "entry not found". */
export function entryNotFound(path: string, revision: string): HubError {
  return new HubError(404, `${path} does not exist on "${revision}"`, 'EntryNotFound');
}

/** Turns anything thrown into the answer to send: disk full is 507, the unknown is 500 with its reason. */
export function toHubError(error: unknown): HubError {
  if (error instanceof HubError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new HubError(
      507,
      'The disk that holds the Hub is full: nothing was stored. Free space and try again.',
    );
  }
  if (code === 'EMFILE' || code === 'ENFILE') {
    const busy = new HubError(
      503,
      'The Hub has too many files open at the moment: try again in some seconds',
    );
    busy.retryAfter = 5;
    return busy;
  }
  if (code === 'ENAMETOOLONG')
    return badRequest('A name in the request is longer than the file system allows');
  // What the system says names the server's own folders: the code alone tells as much.
  const reason = code ?? (error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  return new HubError(500, `Internal error: ${reason}`);
}
