import type { Machine } from '../training/needs.ts';

/** What a worker's name can tell of the accelerator that it holds. */
export type Accelerator = Pick<Machine, 'name' | 'vramBytes'>;

/** Name that a GPU worker polls under, such as `gpu@studio:41 [NVIDIA L4, 24 GB]`: the Temporal UI and the command line read it. */
export function machineName(identity: string, { name, vramBytes }: Accelerator): string {
  return vramBytes === null ? identity : `${identity} [${name}, ${(vramBytes / 1e9).toFixed(0)} GB]`;
}

/** The accelerator that a worker's name ends with; null for a worker without one. Memory in whole GB. */
export function acceleratorIn(identity: string): Accelerator | null {
  const [, name, gigabytes] = /\[(.+), (\d+) GB\]$/.exec(identity) ?? [];
  return name === undefined ? null : { name, vramBytes: Number(gigabytes) * 1e9 };
}
