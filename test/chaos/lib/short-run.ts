/** A run of every phase's real kind that is trained in seconds; its gate refuses it. */
export const SHORT_RUN = {
  dataset: { resolution: 64, minShortSide: 64, minTrainingImages: 4, neighborsPerStyle: 0 },
  training: {
    steps: 80,
    batchSize: 1,
    rank: 4,
    alpha: 4,
    warmupSteps: 5,
    checkpointEvery: 10,
    heldOutEvery: 40,
  },
  tuning: { strategy: 'fixed', steps: 20 },
  deployment: { space: false },
};
