import { pagePath } from '../http/access.ts';
import type { Repo } from '../store/repo.ts';
import { Html, html } from './html.ts';
import { STYLES } from './styles.ts';

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%238fb8d9'/%3E%3Ccircle cx='11' cy='5' r='2.5' fill='%23f3c98b'/%3E%3Cpath d='M0 12q4-4 8-1t8-1v6H0z' fill='%23769c68'/%3E%3C/svg%3E";

/** A whole page. */
export function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><link rel="icon" href="${ICON}"><style>${new Html(STYLES)}</style></head>
<body><header class="top"><div><a class="home" href="/">Plein Air Hub</a><a href="/models">Models</a><a href="/datasets">Datasets</a><a href="/spaces">Spaces</a></div></header>
<main>${body}</main></body></html>`.text;
}

/** The head of every page of a repo: its name and what there is to see. */
export function repoHead(repo: Repo, revision: string, here: 'card' | 'files' | 'commits'): Html {
  const base = `/${pagePath(repo)}`;
  const rev = encodeURIComponent(revision);
  const tab = (name: typeof here, label: string, href: string): Html =>
    html`<a href="${href}" class="${here === name ? 'here' : ''}">${label}</a>`;
  return html`<div class="kind">${repo.type}${repo.record.private ? ' · private' : ''}${repo.record.gated ? ' · gated' : ''}</div>
<h1 class="title"><a href="${base}">${repo.id}</a></h1>
<nav class="tabs">${tab('card', repo.type === 'space' ? 'App' : 'Card', base)}${tab('files', 'Files', `${base}/tree/${rev}`)}${tab('commits', 'Commits', `${base}/commits/${rev}`)}</nav>`;
}

/** Bytes for people: 1,234 as 1.2 kB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** A moment as people read it, to the minute, in UTC. */
export function formatDate(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}
