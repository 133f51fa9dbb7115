import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { NO_BODY, SEAL, sealAnswer, sealedBody, sealRequest } from '../../wire/seal.ts';
import { HubError } from './errors.ts';

/** A request whose client sealed it: nothing of it is believed unless all of it came as it was sent, and its answer is sealed. */
export class SealedRequest {
  readonly #request: IncomingMessage;
  readonly #seal: string;
  readonly #hash = createHash('sha256');

  private constructor(request: IncomingMessage, seal: string) {
    this.#request = request;
    this.#seal = seal;
  }

  /** Undefined for clients that know no seals, which is every client but ours. */
  static of(request: IncomingMessage): SealedRequest | undefined {
    const seal = request.headers[SEAL];
    return typeof seal === 'string' ? new SealedRequest(request, seal) : undefined;
  }

  /** Refuses a request whose head is not as it was sent. */
  requireWholeHead(): void {
    const { method = '', url = '', headers } = this.#request;
    const bodySha256 = sealedBody(this.#seal);
    const header = (name: string) => headers[name] as string | undefined;
    const bytes = Number(headers['content-length'] ?? 0);
    if (sealRequest({ method, target: url, bytes, header, bodySha256 }) !== this.#seal) throw damaged();
  }

  /** The body as it arrives; throws at its end where it is not as it was sent. */
  async *body(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#request.iterator({ destroyOnReturn: false })) {
      this.#hash.update(chunk);
      yield chunk;
    }
    if (this.#hash.copy().digest('hex') !== sealedBody(this.#seal)) throw damaged();
  }

  /** What to answer where `failure` may be the fault of a damaged body, which is read to its end for that. */
  async judge(failure: HubError): Promise<HubError> {
    if (failure.code === 'Damaged' || sealedBody(this.#seal) === NO_BODY) return failure;
    try {
      for await (const _ of this.body());
      return failure;
    } catch {
      return damaged();
    }
  }

  /** Header that seals the answer to this request. */
  answer(
    status: number,
    header: (name: string) => string | undefined,
    bodySha256: string,
  ): Record<string, string> {
    return { [SEAL]: sealAnswer({ request: this.#seal, status, header, bodySha256 }) };
  }
}

function damaged(): HubError {
  return new HubError(400, 'The request was damaged on its way: nothing was done, send it again', 'Damaged');
}
