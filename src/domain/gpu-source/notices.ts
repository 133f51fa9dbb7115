import { z } from 'zod';
import type { Notice } from '../run/notices.ts';
import type { FleetWatch } from './fleet.ts';
import { money } from './session.ts';

/** What people were told of already; a fleet hands it to the one that continues it. */
export const ToldByFleet = z.strictObject({
  /** Open sessions. */
  opened: z.array(z.string()),
  /** That no source gives a machine. */
  refused: z.boolean(),
  /** Limits of money, by their keys. */
  low: z.array(z.string()),
});
export type ToldByFleet = z.infer<typeof ToldByFleet>;

/** Nothing was told yet. */
export const NOTHING_TOLD: ToldByFleet = { opened: [], refused: false, low: [] };

/** Who a notice is about where it is about no run. */
const FLEET = 'gpu-fleet';

/** What became worth telling with a watch: sessions that cost, refusal everywhere, limits of money nearly reached. */
export function fleetNotices(
  told: ToldByFleet,
  watch: Pick<FleetWatch, 'sessions' | 'obstacles' | 'actions' | 'nearCaps'>,
): { notices: Notice[]; told: ToldByFleet } {
  const { sessions, obstacles, actions, nearCaps } = watch;
  const costly = sessions.filter(({ startedAt, price }) => startedAt !== null && price.perHour > 0);
  const opened = costly
    .filter(({ name }) => !told.opened.includes(name))
    .map(({ name, source, accelerator, price, run, why }) =>
      notice(
        'gpu-opened',
        run,
        `GPU session ${name} (${source} ${accelerator}, ${money(price.perHour, price.currency)} an hour) was opened: ${why}`,
      ),
    );
  const isOpening = actions.some((action) => action.do === 'open');
  const isRefused = obstacles.length > 0 && sessions.length === 0 && !isOpening;
  const refused =
    isRefused && !told.refused
      ? [
          notice(
            'gpu-refused',
            null,
            `no GPU source gives a machine, and work waits: ${obstacles.join('; ')}. The next try comes by itself`,
          ),
        ]
      : [];
  const low = nearCaps
    .filter(({ key }) => !told.low.includes(key))
    .map(({ run, text }) => notice('money-low', run, text));
  return {
    notices: [...opened, ...refused, ...low],
    told: {
      opened: costly.map(({ name }) => name),
      // Between two tries nothing is refused for a moment: it is over when a machine is there or nothing waits.
      refused: isRefused || (told.refused && isOpening),
      low: nearCaps.map(({ key }) => key),
    },
  };
}

function notice(event: Notice['event'], run: string | null, text: string): Notice {
  return { event, run: run ?? FLEET, model: FLEET, text: text.slice(0, 1500) };
}
