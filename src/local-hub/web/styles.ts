/** The one style sheet of the Hub's pages: light and dark, no font or image from elsewhere. */
export const STYLES = `
:root{--ground:#fbf8f1;--panel:#fffdf8;--ink:#2b2a33;--soft:#6d6a75;--line:#e4ddcc;--link:#2f5d9b;--accent:#c8713a;--code:#f2ecdf}
@media (prefers-color-scheme:dark){:root{--ground:#16181f;--panel:#1d2029;--ink:#e9e4d8;--soft:#a09ba6;--line:#333745;--link:#8fb8ee;--accent:#e79a5e;--code:#262a35}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.6 ui-sans-serif,system-ui,"Segoe UI",sans-serif}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
header.top{border-bottom:1px solid var(--line);background:linear-gradient(90deg,#f3c98b44,#8fb8d944,#a9c79a44)}
header.top div{max-width:1120px;margin:0 auto;padding:.8rem 1.2rem;display:flex;gap:1.4rem;align-items:baseline}
header.top a.home{font-weight:700;color:var(--ink);font-size:1.1rem}
main{max-width:1120px;margin:0 auto;padding:1.4rem 1.2rem 4rem}
h1,h2,h3{line-height:1.25}h1.title{font-size:1.5rem;margin:.2rem 0 .6rem;overflow-wrap:anywhere}
.soft{color:var(--soft)}.kind{color:var(--accent);font-size:.8rem;text-transform:uppercase;letter-spacing:.08em}
nav.tabs{display:flex;gap:1.2rem;border-bottom:1px solid var(--line);margin:0 0 1.2rem}
nav.tabs a{padding:.4rem 0;color:var(--soft)}nav.tabs a.here{color:var(--ink);border-bottom:2px solid var(--accent)}
.columns{display:grid;grid-template-columns:minmax(0,1fr) 300px;gap:2rem}
@media (max-width:860px){.columns{grid-template-columns:minmax(0,1fr)}}
.panel{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:.9rem 1.1rem;margin-bottom:1.1rem}
.panel h2{font-size:.95rem;margin:0 0 .5rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:1rem}
.tag{display:inline-block;background:var(--code);border-radius:999px;padding:.05rem .6rem;margin:.1rem .2rem .1rem 0;font-size:.8rem;color:var(--soft)}
table.files{width:100%;border-collapse:collapse;background:var(--panel);border:1px solid var(--line)}
table.files td{border-top:1px solid var(--line);padding:.4rem .7rem;vertical-align:top;overflow-wrap:anywhere}
table.files td.right{text-align:right;white-space:nowrap;color:var(--soft)}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:.9rem;margin:1rem 0}
.gallery figure{margin:0}.gallery img{width:100%;border-radius:8px;display:block;background:var(--code)}
.gallery figcaption{font-size:.8rem;color:var(--soft);margin-top:.25rem;overflow-wrap:anywhere}
.card img{max-width:100%;border-radius:6px}.card table{border-collapse:collapse;display:block;overflow-x:auto}
.card th,.card td{border:1px solid var(--line);padding:.3rem .6rem}
code,pre{font-family:ui-monospace,Menlo,Consolas,monospace;background:var(--code);border-radius:5px}
code{padding:.1em .3em;font-size:.9em}pre{padding:.8rem 1rem;overflow:auto}pre code{padding:0;background:none}
blockquote{margin:0;padding-left:1rem;border-left:3px solid var(--line);color:var(--soft)}
dl{margin:0;display:grid;grid-template-columns:auto 1fr;gap:.2rem .9rem;font-size:.92rem}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.added{color:#3b8f4a}.removed{color:#c0504d}
`;
