/**
 * Classes of accelerators by memory, in gigabytes as they are sold. Each has a task queue of its own; a worker serves its
 * class and the smaller ones. 0: whatever there is, a CPU too.
 */
export const GPU_CLASSES = [0, 16, 24, 40, 80, 140] as const;
export type GpuClass = (typeof GPU_CLASSES)[number];

/** Whether a value from elsewhere names a class. */
export function isGpuClass(value: unknown): value is GpuClass {
  return (GPU_CLASSES as readonly unknown[]).includes(value);
}

/** Bytes that every accelerator of a class offers a process: a little less than what is printed on it. */
const OFFERED: Record<GpuClass, number> = {
  0: 6e9,
  16: 14.5e9,
  24: 21e9,
  40: 38e9,
  80: 70e9,
  140: 130e9,
};

/** The smallest class that offers so many bytes; the largest where none does. */
export function classForNeed(bytes: number): GpuClass {
  return GPU_CLASSES.find((one) => OFFERED[one] >= bytes) ?? 140;
}

/** The class of a machine, by its accelerator's memory; null: it has none. */
export function classOfMachine(vramBytes: number | null): GpuClass {
  return GPU_CLASSES.findLast((one) => one > 0 && OFFERED[one] <= (vramBytes ?? 0)) ?? 0;
}

/** Classes that a machine of one serves, its own first. */
export function classesServed(own: GpuClass): GpuClass[] {
  return GPU_CLASSES.filter((one) => one <= own).reverse();
}

/** The next larger class; null: there is none. */
export function classAbove(one: GpuClass): GpuClass | null {
  return GPU_CLASSES.find((other) => other > one) ?? null;
}

/** A class in words. */
export function describeClass(one: GpuClass): string {
  return one === 0 ? 'any accelerator' : `an accelerator with ${one} GB or more`;
}
