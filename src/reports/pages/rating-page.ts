import { createHash } from 'node:crypto';
import { QUESTIONS } from '../../domain/evaluation/human-pairs.ts';
import { escapeHtml } from '../render/html.ts';
import { RATING_SCRIPT } from './rating-script.ts';

/** What the page shows: never whose picture is whose. */
export interface RatingPage {
  sheetSha256: string;
  style: string;
  pairs: readonly { id: string; prompt: string; left: string; right: string }[];
}

/** One page that asks a person about pairs of pictures, by thumb or by keyboard, and hands back a file of votes. */
export function ratingPage(page: RatingPage): string {
  const data = JSON.stringify({ ...page, questions: QUESTIONS }).replaceAll('<', '\\u003c');
  const script = `const PAGE=${data};${RATING_SCRIPT}`;
  const hash = createHash('sha256').update(script).digest('base64');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file: blob:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'">
<title>Which picture? ${escapeHtml(page.style)}</title>
<style>${STYLE}</style>
</head>
<body>
<main id="start">
<h1>Which picture?</h1>
<p>${page.pairs.length} pairs, three questions each. Say what you see; there is no right answer. You may stop at any time, and go on later on this device.</p>
<p>The style: <strong>${escapeHtml(page.style)}</strong></p>
<form id="who"><label for="rater">Your name</label><input id="rater" autocomplete="name" maxlength="80" required><button>Begin</button></form>
</main>
<main id="rate" hidden>
<p id="progress" role="status"></p>
<p id="prompt"></p>
<div class="pair"><img id="left" alt="Left picture"><img id="right" alt="Right picture"></div>
<h2 id="question" aria-live="polite"></h2>
<div class="answers" role="group" aria-labelledby="question">
<button data-answer="left">Left</button><button data-answer="same">Same</button><button data-answer="right">Right</button>
</div>
<p class="more"><button id="back">Back</button> <button id="save">Save votes</button> <span>Keys: ← ↓ →, Backspace</span></p>
</main>
<main id="done" hidden><h1>Thank you</h1><p>Save your votes, and send the file to whoever asked you.</p><button id="save-all">Save votes</button></main>
<script>${script}</script>
</body>
</html>
`;
}

const STYLE = `
*{box-sizing:border-box}[hidden]{display:none!important}
body{margin:0;font:1rem/1.45 system-ui,sans-serif;background:#fdfbf6;color:#2a2722}
@media (prefers-color-scheme:dark){body{background:#191a1c;color:#e9e4da}}
main{max-width:60rem;margin:0 auto;padding:1rem .75rem 10.5rem}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:.6rem 0}
#prompt{margin:.2rem 0 .6rem}#progress{margin:0;opacity:.7;font-size:.85rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.4rem}
.pair img{width:100%;height:auto;display:block;aspect-ratio:1;object-fit:contain;background:#8884}
.answers,.more{position:fixed;left:0;right:0;margin:0;padding:0 .75rem;background:inherit}
.answers{bottom:3.2rem;display:grid;grid-template-columns:1fr 1fr 1fr;gap:.5rem}
.more{bottom:.5rem;font-size:.8rem;display:flex;gap:.6rem;align-items:center}
button{font:inherit;min-height:2.75rem;padding:0 .9rem;border:1px solid #8a8377;border-radius:.5rem;background:#f5f0e6;color:#2a2722}
.answers button{min-height:4.2rem;font-size:1.15rem}
.more button{min-height:2.3rem}
button:focus-visible,input:focus-visible{outline:3px solid #34558f;outline-offset:2px}
button[aria-pressed=true]{background:#34558f;color:#fff}
input{font:inherit;min-height:2.75rem;padding:0 .6rem;margin:0 .5rem;max-width:100%}
`;
