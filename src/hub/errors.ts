/** A compare-and-swap that lost: somebody else committed in between. */
export class HubConflict extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'HubConflict';
  }
}
