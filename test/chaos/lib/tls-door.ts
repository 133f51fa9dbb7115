import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { execa } from 'execa';

/** A door of TLS in front of a plain server: it lets in only who shows a certificate of its own authority. */
export interface TlsDoor {
  address: string;
  /** PEM texts for a client. */
  ca: string;
  certificate: string;
  key: string;
  /** Connections that showed a certificate. */
  readonly welcomed: number;
  close(): Promise<void>;
}

/** Makes an authority and certificates with openssl, and listens on a free port of `localhost`. */
export async function openTlsDoor(folder: string, toPort: number): Promise<TlsDoor> {
  mkdirSync(folder, { recursive: true });
  const at = (name: string) => join(folder, name);
  const read = (name: string) => readFileSync(at(name), 'utf8');
  const openssl = (...args: string[]) => execa('openssl', args, { cwd: folder });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  );
  for (const who of ['server', 'client']) {
    await openssl(
      'req',
      ...key,
      '-keyout',
      `${who}.key`,
      '-out',
      `${who}.csr`,
      '-subj',
      `/CN=${who}`,
      '-addext',
      'subjectAltName=DNS:localhost',
    );
    await openssl(
      'x509',
      '-req',
      '-in',
      `${who}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-copy_extensions',
      'copy',
      '-out',
      `${who}.pem`,
    );
  }
  let welcomed = 0;
  const sockets = new Set<{ destroy(): void }>();
  const options = {
    key: read('server.key'),
    cert: read('server.pem'),
    ca: read('ca.pem'),
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
  };
  const server = createServer(options, (socket) => {
    welcomed += 1;
    const inner = connect(toPort, '127.0.0.1');
    for (const one of [socket, inner]) {
      sockets.add(one);
      one
        .on('error', () => undefined)
        .on('close', () => {
          socket.destroy();
          inner.destroy();
        });
    }
    socket.pipe(inner).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    ...{
      address: `localhost:${port}`,
      ca: read('ca.pem'),
      certificate: read('client.pem'),
      key: read('client.key'),
    },
    get welcomed() {
      return welcomed;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
