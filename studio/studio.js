// What Studio's pages do beyond reading: parts that change arrive by themselves, one slider over the steps, keys for rating.
// Without this script every page reads and every form works.
'use strict';

const WORDS = {
  lost: 'Studio does not answer. This page shows what was known before, and asks again by itself.',
};

/** Puts a part in its place; one that somebody types in, or holds open, waits until they are done. */
function put({ id, html }) {
  const element = document.getElementById(id);
  if (element === null) return;
  const focused = document.activeElement;
  const isTyping = focused?.matches('input, textarea, select') && element.contains(focused);
  if (isTyping || element.querySelector('details[open]')) {
    waiting.set(id, html);
    return;
  }
  waiting.delete(id);
  const at = element.querySelector('[data-slider] input[type=range]')?.value;
  const key = focused && element.contains(focused) ? focused.getAttribute('href') : null;
  element.innerHTML = html;
  prepare(element, at);
  if (key !== null) element.querySelector(`a[href="${CSS.escape(key)}"]`)?.focus();
}

const waiting = new Map();
function putWaiting() {
  for (const [id, html] of waiting) put({ id, html });
}
document.addEventListener('focusout', () => setTimeout(putWaiting, 0));
document.addEventListener('toggle', () => setTimeout(putWaiting, 0), true);

/** Times in the reader's own zone. */
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  for (const element of root.querySelectorAll('time[datetime]')) {
    element.title = element.textContent ?? '';
    element.textContent = format.format(new Date(element.dateTime));
  }
}

/** One step at a time under a slider, in place of all steps below each other. */
function slider(group, at) {
  const figures = [...group.querySelectorAll('figure[data-at]')];
  if (figures.length < 2) return;
  const label = document.createElement('label');
  label.className = 'slider';
  const range = document.createElement('input');
  Object.assign(range, { type: 'range', min: '0', max: String(figures.length - 1), step: '1' });
  const stays = at !== undefined && Number(at) < figures.length - 2;
  range.value = stays ? at : String(figures.length - 1);
  const words = document.createElement('span');
  label.append(words, range);
  const show = () => {
    for (const [i, figure] of figures.entries()) figure.hidden = String(i) !== range.value;
    words.textContent = `${group.dataset.slider} ${figures[Number(range.value)].dataset.at}`;
    range.setAttribute('aria-valuetext', words.textContent);
  };
  range.addEventListener('input', show);
  group.prepend(label);
  group.dataset.ready = '';
  show();
}

function prepare(root, at) {
  localTimes(root);
  for (const group of root.querySelectorAll('[data-slider]')) slider(group, at);
}

/** The parts of a page as they change, while somebody looks at it. */
function follow(address) {
  const connection = document.getElementById('connection');
  let source = null;
  const say = (words) => {
    connection.hidden = words === null;
    if (connection.textContent !== (words ?? '')) connection.textContent = words ?? '';
  };
  let retry = null;
  const open = () => {
    clearTimeout(retry);
    source?.close();
    source = new EventSource(address);
    source.addEventListener('fragment', (event) => put(JSON.parse(event.data)));
    source.addEventListener('open', () => say(null));
    source.addEventListener('error', () => {
      say(WORDS.lost);
      // A refused stream is closed for good; Studio may only be starting.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, 3000);
    });
  };
  const close = () => {
    clearTimeout(retry);
    source?.close();
  };
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()));
  addEventListener('pagehide', close);
  addEventListener('pageshow', (event) => event.persisted && open());
  open();
}

/** Rating: the arrow keys and the digits choose. */
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.('input, textarea, select')) return;
  const button = document.querySelector(`button[data-key~="${CSS.escape(event.key)}"]`);
  if (button !== null) {
    event.preventDefault();
    button.click();
  }
});

prepare(document);
const main = document.querySelector('main[data-live]');
if (main !== null) follow(main.dataset.live);
