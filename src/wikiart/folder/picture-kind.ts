/** Endings of pictures that are read; what a file holds must be one of {@link contentKind}'s readable kinds as well. */
const READABLE = /\.(jpe?g|jpe|jfif|pjpeg|png|apng|webp|tiff?|gif|avif|heif|heic)$/i;
/** Endings of pictures that are not read, with what to do. */
const UNREADABLE =
  /\.(bmp|dib|jxl|jp2|j2k|jpx|psd|psb|svg|eps|ai|pdf|ico|tga|exr|hdr|dng|nef|cr2|cr3|arw|orf|rw2|raf|xcf|kra)$/i;
const ARCHIVE = /\.(zip|tar|tgz|gz|bz2|xz|zst|7z|rar|cbz|cbr)$/i;

/** What the name of a file says it is. */
export function namedKind(name: string): 'picture' | 'unreadable-format' | 'archive' | null {
  if (READABLE.test(name)) return 'picture';
  if (UNREADABLE.test(name)) return 'unreadable-format';
  return ARCHIVE.test(name) ? 'archive' : null;
}

/** Bytes from the beginning of a file that tell what it holds. */
export const SNIFF_BYTES = 64;

/** What the first bytes of a file say it holds; null: no picture that anybody knows. */
export function contentKind(head: Uint8Array): { format: string; readable: boolean } | null {
  const text = Buffer.from(head).toString('latin1');
  const readable = (format: string) => ({ format, readable: true });
  const unreadable = (format: string) => ({ format, readable: false });
  if (text.startsWith('\xff\xd8\xff')) return readable('JPEG');
  if (text.startsWith('\x89PNG\r\n\x1a\n')) return readable('PNG');
  if (/^GIF8[79]a/.test(text)) return readable('GIF');
  if (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP') return readable('WebP');
  if (/^(?:II[*+]\0|MM\0[*+])/.test(text)) return readable('TIFF');
  if (text.slice(4, 8) === 'ftyp') {
    const brands = text.slice(8, Math.min(text.length, Math.max(16, head[3] ?? 0)));
    if (/avi[fs]/.test(brands)) return readable('AVIF');
    return unreadable(/he(?:ic|ix|vc|vx|im|is)|mif1|msf1/.test(brands) ? 'HEIC' : 'ISO media');
  }
  if (text.startsWith('BM') && head.length > 26) return unreadable('BMP');
  if (text.startsWith('\xff\x0a') || text.startsWith('\0\0\0\x0cJXL ')) return unreadable('JPEG XL');
  if (text.startsWith('\0\0\0\x0cjP  ') || text.startsWith('\xff\x4f\xff\x51'))
    return unreadable('JPEG 2000');
  if (text.startsWith('8BPS')) return unreadable('Photoshop');
  return null;
}
