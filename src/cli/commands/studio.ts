import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Environment } from '../../config/env.ts';
import { PipelineError } from '../../domain/errors.ts';
import { issueLink } from '../../studio/access/links.ts';
import { Role } from '../../studio/access/roles.ts';
import type { Sources } from '../../studio/live/source.ts';
import { startStudio } from '../../studio/server.ts';
import pc from '../colors.ts';
import { connectLazily, connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print } from '../output.ts';
import { untilInterrupted } from '../stack/interrupt.ts';
import { readStack } from '../stack/stack-file.ts';
import { linksFile } from '../studio-links.ts';

interface StudioCommandOptions extends CommonOptions {
  host: string;
  port: string;
  role: Role;
  days: string;
  tlsCert?: string;
  tlsKey?: string;
  publicName?: string;
  rate?: string;
  link: boolean;
}

/** Adds `studio`: the page to see runs, look at their images and decide. */
export function addStudioCommand(program: Command): void {
  action<StudioCommandOptions>(
    program
      .command('studio')
      .description('serve the page to see runs, look at their images and decide; prints a link to it')
      .option('--host <address>', 'address to listen at; beyond loopback only with TLS', '127.0.0.1')
      .option('--port <port>', 'port; 0: any', '8240')
      .addOption(
        new Option('--role <role>', 'what the link lets its holder do')
          .choices(Role.options)
          .default('steer'),
      )
      .option('--days <count>', 'days that the link is valid', '30')
      .option('--tls-cert <file>', 'certificate, PEM')
      .option('--tls-key <file>', 'its key, PEM')
      .option(
        '--public-name <name>',
        'name under which browsers reach it, where that is not this machine’s own',
      )
      .option('--rate <run>', 'lead the link to the pairs of a run; with --role rate it can do nothing else')
      .option('--no-link', 'serve without making a new link: the old ones stay valid'),
    async ({ env, dataDir, json }, options) => {
      const days = Number(options.days);
      if (!(days > 0 && days <= 3650))
        throw new PipelineError(
          'InvalidInput',
          `--days: expected a number up to 3650, got "${options.days}"`,
        );
      const file = linksFile(dataDir);
      const linkTo = (url: string) =>
        options.link
          ? `${url}/enter?token=${issueLink(file, { role: options.role, days })}${options.rate === undefined ? '' : `&rate=${encodeURIComponent(options.rate)}`}`
          : url;
      const running = readStack(dataDir)?.studio ?? null;
      if (running !== null && options.link) {
        const link = linkTo(running.url);
        return print(json, { url: running.url, link, role: options.role }, () => link);
      }
      const studio = await startStudio(sourcesOf(env, dataDir), {
        ...{ host: options.host, port: portOf(options.port), linksFile: file },
        tls: tlsOf(options),
        publicName: options.publicName ?? null,
      });
      const link = linkTo(studio.url);
      print(json, { url: studio.url, link, role: options.role }, () =>
        [`${pc.bold('Studio')} at ${studio.url}`, ...(options.link ? [`  open ${link}`] : [])].join('\n'),
      );
      await untilInterrupted();
      await studio.close();
    },
  );
}

/** Temporal and Hub of the data folder's stack or of the environment, neither of which has to answer yet. */
function sourcesOf(env: Environment, dataDir: string): Sources {
  const hub = connectRunHub(env, dataDir, { attempts: 1, timeoutMs: 4000 });
  const stack = readStack(dataDir);
  let owner: string | null = null;
  return {
    client: connectLazily(dataDir, env),
    hub,
    namespace: async () => {
      owner ??= await hub.whoAmI();
      return owner;
    },
    logs: stack === null ? null : join(dataDir, 'logs'),
    temporalUi: stack?.temporal.ui ?? null,
  };
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 65_536) return port;
  throw new PipelineError('InvalidInput', `--port: expected 0 to 65535, got "${text}"`);
}

function tlsOf({ tlsCert, tlsKey }: StudioCommandOptions): { cert: string; key: string } | null {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new PipelineError('InvalidInput', 'expected --tls-cert and --tls-key together, got one of them');
  return { cert: tlsCert, key: tlsKey };
}
