import pc from 'picocolors';

const { env, stdout, stderr } = process;
const asked = ![undefined, '', '0'].includes(env.FORCE_COLOR);
const terminal = stdout.isTTY === true && stderr.isTTY === true && env.TERM !== 'dumb';

/**
 * Colors for a terminal only. The library's own choice also colors whatever it writes where `CI` is set, which puts
 * escape codes into logs and pipes. `NO_COLOR` and `FORCE_COLOR` hold as elsewhere.
 */
export default pc.createColors(!env.NO_COLOR && (asked || terminal));
