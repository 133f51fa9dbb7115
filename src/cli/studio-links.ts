import { join } from 'node:path';

/** File of the links that were given out for the Studio of a data folder. */
export const linksFile = (dataDir: string): string => join(dataDir, 'studio-links.json');
