/** Whether a process of this id lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A signal to a process, or with a negative id to its group; one that has ended is no error. */
export function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** SIGKILL to a process, or with a negative id to its group; one that has ended is no error. */
export function killIfThere(pid: number): void {
  signalIfThere(pid, 'SIGKILL');
}
