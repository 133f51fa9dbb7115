import { badRequest } from '../http/errors.ts';

const MAX_PATH = 1024;
const MAX_NAME = 255;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether text is whole Unicode: half a pair has no UTF-8, so no file name. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** Whether text holds a NUL or another control character. */
function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 32 || code === 127) return true;
  }
  return false;
}

/** Checks a file's path inside a repo and splits it: relative, no `..`, no NUL, no `.git`. */
export function splitRepoPath(path: string): string[] {
  const refuse = (why: string): never => {
    throw badRequest(
      `Expected a relative path inside the repo, got ${JSON.stringify(path.slice(0, 200))}: ${why}`,
    );
  };
  if (path.length === 0) refuse('it is empty');
  if (path.length > MAX_PATH) refuse(`it is longer than ${MAX_PATH} characters`);
  if (hasControlCharacter(path)) refuse('it holds a control character');
  if (path.includes('\\')) refuse('it holds a backslash');
  if (!isWellFormed(path)) refuse('it is not well-formed Unicode');
  const names = path.split('/');
  for (const name of names) {
    if (name === '') refuse('it starts or ends with a slash, or has two in a row');
    if (name === '.' || name === '..') refuse(`it holds "${name}"`);
    if (Buffer.byteLength(name) > MAX_NAME) refuse(`a name in it is longer than ${MAX_NAME} bytes`);
  }
  if (names[0]?.toLowerCase() === '.git') refuse('.git is reserved');
  return names;
}

/** As `splitRepoPath` for a folder: empty means the repo's root, and one trailing slash is let pass. */
export function splitFolderPath(path: string): string[] {
  const trimmed = path.replace(/\/$/, '');
  return trimmed === '' || trimmed === '.' ? [] : splitRepoPath(trimmed);
}

/** Checks a branch or tag name by git's rules, as far as they matter here. */
export function checkRefName(name: string): string {
  const fine =
    name.length > 0 &&
    name.length <= 200 &&
    isWellFormed(name) &&
    !hasControlCharacter(name) &&
    !/[\s~^:?*[\\]|\.\.|@\{|\/\/|\.lock$|^[-./]|[./]$|\/\./.test(name) &&
    !/^[0-9a-f]{40}$/.test(name);
  if (!fine)
    throw badRequest(
      `Expected a branch or tag name by git's rules, got ${JSON.stringify(name.slice(0, 200))}`,
    );
  return name;
}
