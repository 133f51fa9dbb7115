import { createInterface } from 'node:readline/promises';

/** A person who can be asked. */
export interface Terminal {
  isTTY: boolean;
  ask(question: string): Promise<string>;
}

/** This process's own terminal, where it has one. */
export function ownTerminal(): Terminal {
  return { isTTY: process.stdin.isTTY === true, ask };
}

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question);
  } finally {
    terminal.close();
  }
}

/** Whether an answer is a yes; anything else is a no. */
export function isYes(answer: string): boolean {
  return /^y(es)?$/i.test(answer.trim());
}
