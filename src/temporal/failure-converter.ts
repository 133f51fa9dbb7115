import { DefaultFailureConverter } from '@temporalio/common';

/** Puts messages and stack traces of failures where the codec encrypts them; bundled into the workflows as well. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
