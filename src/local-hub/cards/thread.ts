/** The thread that parses and renders what people upload: whatever a text does to a parser, the server goes on. */
import { parentPort } from 'node:worker_threads';
import { type CardPlace, renderCard } from './markdown.ts';
import { parseYaml } from './parse-yaml.ts';

/** A text to work on. */
export type CardTask =
  | { readonly kind: 'yaml'; readonly text: string }
  | { readonly kind: 'markdown'; readonly text: string; readonly place: CardPlace };

parentPort?.on('message', (task: CardTask) => {
  try {
    const result = task.kind === 'yaml' ? parseYaml(task.text) : renderCard(task.text, task.place);
    parentPort?.postMessage({ result });
  } catch (error) {
    parentPort?.postMessage({ error: String(error) });
  }
});
parentPort?.postMessage({ ready: true });
