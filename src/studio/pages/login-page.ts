import { type Html, html } from './html.ts';
import { page } from './layout.ts';

/** What a browser without a valid link gets. */
export function loginPage(wasRefused: boolean): Html {
  return page({
    ...{ title: 'Log in', role: null, at: '' },
    body: html`<h1>Studio opens by a link</h1>
${wasRefused ? html`<p class="banner tone-bad" role="alert">This link is not valid, or no longer.</p>` : ''}
<p class="lead">Run <code>plein-air studio</code> on the machine that Studio runs on: it prints a link for this browser. For somebody else, <code>plein-air studio --role look</code> prints one that only shows.</p>
<form method="get" action="/enter"><label>Token <input name="token" type="password" autocomplete="off" required></label> <button>Enter</button></form>`,
  });
}

/** Leads on from a link: the next address is asked for by a page of Studio itself, so that the cookie goes along. */
export function enteredPage(to: string): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Plein Air Studio</title><meta http-equiv="refresh" content="0; url=${to}"><link rel="stylesheet" href="/studio.css"><link rel="icon" href="/icon.svg" type="image/svg+xml"></head>
<body><main><p><a href="${to}">Continue</a></p></main></body></html>`;
}
