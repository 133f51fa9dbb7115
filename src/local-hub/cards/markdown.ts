import { Marked } from 'marked';
import sanitizeHtml from 'sanitize-html';
import { encodePath } from '../web/html.ts';

/** Where the relative links of a card lead. */
export interface CardPlace {
  /** The repo's page, as `/painter/sky`. */
  readonly base: string;
  readonly revision: string;
}

const markdown = new Marked({ gfm: true, async: false });

/** Renders a card's text: no script, no style, no frame, no form; pictures and links stay inside this Hub or lead out in the open. */
export function renderCard(text: string, place: CardPlace): string {
  const raw = markdown.parse(text) as string;
  return sanitizeHtml(raw, {
    allowedTags: [...sanitizeHtml.defaults.allowedTags, 'img', 'details', 'summary', 'del', 'ins', 'picture'],
    allowedAttributes: {
      a: ['href', 'title', 'rel'],
      img: ['src', 'alt', 'title', 'width', 'height', 'loading'],
      td: ['align', 'colspan', 'rowspan'],
      th: ['align', 'colspan', 'rowspan'],
      details: ['open'],
    },
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['http', 'https', 'data'] },
    allowProtocolRelative: false,
    transformTags: {
      img: (tagName, attributes) => ({
        tagName,
        attribs: { ...attributes, src: fileUrl(attributes.src ?? '', place), loading: 'lazy' },
      }),
      a: (tagName, attributes) => ({
        tagName,
        attribs: {
          ...attributes,
          href: linkUrl(attributes.href ?? '', place),
          rel: 'nofollow noopener noreferrer',
        },
      }),
    },
  });
}

const isRelative = (url: string): boolean => url !== '' && !/^([a-z][a-z0-9+.-]*:|\/|#)/i.test(url);

/** Whether an address that a card gives is a file of the repo or a plain web address: nothing that could run. */
export function isShowable(url: string): boolean {
  return isRelative(url) || /^https?:\/\//i.test(url);
}

function relativePath(url: string): string {
  const bare = url.replace(/^\.\//, '').replace(/[?#].*$/, '');
  try {
    return encodePath(decodeURIComponent(bare));
  } catch {
    return encodePath(bare);
  }
}

/** The address of a file that a card names. */
export function fileUrl(url: string, { base, revision }: CardPlace): string {
  return isRelative(url) ? `${base}/resolve/${encodeURIComponent(revision)}/${relativePath(url)}` : url;
}

function linkUrl(url: string, { base, revision }: CardPlace): string {
  return isRelative(url) ? `${base}/blob/${encodeURIComponent(revision)}/${relativePath(url)}` : url;
}
