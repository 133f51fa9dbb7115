import { SANS, SERIF } from './palette.ts';

/** The page's look: a catalog's calm, one column, paper by day and slate by night. */
export const STYLE = `
:root{--paper:#fdfbf6;--ink:#2a2722;--soft:#6a645a;--line:#e3dccf;--wash:#f5f0e6;--good:#2f6d55;--bad:#9c3d2d;--unsure:#8a5c0f;--link:#34558f}
@media (prefers-color-scheme:dark){:root{--paper:#191a1c;--ink:#e9e4da;--soft:#a8a196;--line:#34353a;--wash:#212327;--good:#7fc4a5;--bad:#e59583;--unsure:#e2b565;--link:#9db8ea}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--paper);color:var(--ink);font:400 1rem/1.6 ${SANS};font-variant-numeric:tabular-nums}
.top,main,footer{max-width:58rem;margin:0 auto;padding:0 1.25rem}
.top{padding-top:clamp(2.5rem,8vw,5.5rem)}
h1,h2,.lead,.samples figcaption,.outcome{font-family:${SERIF}}
h1{font-weight:400;font-size:clamp(2.3rem,7vw,4rem);line-height:1.05;letter-spacing:-.02em;margin:.1em 0 .35em;text-wrap:balance}
h2{font-weight:400;font-size:clamp(1.5rem,4vw,2.05rem);line-height:1.2;margin:0 0 .8em;letter-spacing:-.01em}
.kicker{margin:0;color:var(--soft);font-size:.8rem;letter-spacing:.14em;text-transform:uppercase}
.outcome{font-size:1.2rem;line-height:1.45;margin:0 0 1.8rem;max-width:46rem}
.outcome strong{font-weight:400;font-style:italic;font-size:1.35em;margin-right:.3em}
.tone-good strong,.mark.tone-good{color:var(--good)}.tone-bad strong,.mark.tone-bad{color:var(--bad)}
.tone-unsure strong,.mark.tone-unsure{color:var(--unsure)}.mark.tone-quiet{color:var(--soft)}
.mark{font-weight:600;white-space:nowrap}
.lead{font-size:1.15rem;max-width:44rem}
p{max-width:44rem}
a{color:var(--link);text-underline-offset:.18em;text-decoration-thickness:.06em}
a:focus-visible,.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
code{font:.86em/1.4 ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(11.5rem,1fr));gap:1.1rem 1.6rem;margin:0 0 1.8rem}
.facts dt{color:var(--soft);font-size:.78rem;letter-spacing:.04em}
.facts dd{margin:.1rem 0 0;overflow-wrap:anywhere}
nav ol{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;padding:.75rem 0;margin:0;border-block:1px solid var(--line);font-size:.9rem}
main>section{padding:clamp(2.2rem,6vw,3.6rem) 0 0;scroll-margin-top:1rem}
.scroll{overflow-x:auto;margin:0 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--soft);font-size:.85rem;padding-bottom:.5rem}
th{text-align:left;font-weight:500;color:var(--soft);font-size:.8rem;border-bottom:1px solid var(--line);padding:.3rem .9rem .3rem 0;white-space:nowrap}
td{border-bottom:1px solid var(--line);padding:.5rem .9rem .5rem 0;vertical-align:top}
td:first-child{white-space:nowrap}
.number{text-align:right;white-space:nowrap}
ul{padding-left:1.1rem;max-width:46rem}li{margin:.25rem 0}
figure{margin:0 0 1.6rem}
figcaption,.caption,.source{color:var(--soft);font-size:.86rem;line-height:1.5}
.plot svg{display:block;height:auto}
.plot svg text{fill:var(--soft)}
.sheet img{max-width:100%;height:auto;border-radius:2px}
.samples{display:grid;gap:2rem}
.samples figure{margin:0}
.samples figcaption{font-style:italic;font-size:1.06rem;color:var(--ink);margin-bottom:.5rem}
.strip{display:grid;grid-template-columns:5.2rem repeat(auto-fit,minmax(0,1fr));grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);gap:.4rem;margin-bottom:.4rem;align-items:center}
.strip img{width:100%;height:auto;display:block;border-radius:2px;background:var(--wash)}
.pairs{grid-template-columns:repeat(auto-fill,minmax(min(24rem,100%),1fr));gap:1.8rem 2rem}
.pairs .caption{grid-column:1/-1}
.beside{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);gap:.4rem}
.beside img{width:100%;height:auto;display:block;border-radius:2px;background:var(--wash)}
.who,.missing{font-size:.78rem;color:var(--soft);line-height:1.3}
.missing{border:1px dashed var(--line);padding:1rem .4rem;text-align:center}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1.2rem}
.gallery img{width:100%;height:auto;border-radius:2px;display:block;margin-bottom:.4rem}
.source{border-top:1px solid var(--line);padding-top:.6rem;max-width:none;overflow-wrap:anywhere}
footer{padding-block:3.5rem 3rem;color:var(--soft);font-size:.86rem}
.pic{display:block}
.steps{display:grid;gap:.5rem}
.steps figure{margin:0;display:grid;grid-template-columns:5.2rem minmax(0,1fr);gap:.4rem;align-items:center}
.steps img{width:100%;height:auto;display:block;border-radius:2px}
@media (max-width:34rem){.steps figure{grid-template-columns:3.6rem minmax(0,1fr)}}
@media (max-width:34rem){.strip{grid-template-columns:3.6rem}.facts{grid-template-columns:1fr 1fr}}
@media print{nav{display:none}body{font-size:10pt}main>section{break-inside:avoid-page}}
`;
