import { createHash, timingSafeEqual } from 'node:crypto';

/** A token that people or programs show, whose it is and what it may do. */
export interface HubToken {
  readonly token: string;
  readonly user: string;
  readonly role: 'read' | 'write';
}

/** Who is asking. */
export interface Identity {
  readonly user: string;
  readonly role: 'read' | 'write';
}

/** The token that works when none was configured; the JS client demands the `hf_`. */
export const DEFAULT_TOKEN: HubToken = { token: 'hf_local_plein_air', user: 'plein-air', role: 'write' };

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The known tokens, kept as digests and compared in constant time. */
export class TokenBook {
  readonly #entries: { digest: Buffer; identity: Identity }[];

  constructor(tokens: readonly HubToken[]) {
    this.#entries = tokens.map(({ token, user, role }) => ({
      digest: digest(token),
      identity: { user, role },
    }));
  }

  /** Whose token this is, or undefined; takes as long for a near miss as for any other. */
  identify(token: string): Identity | undefined {
    const asked = digest(token);
    let found: Identity | undefined;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.digest, asked)) found = entry.identity;
    }
    return found;
  }
}
