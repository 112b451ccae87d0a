/**
 * The look of a report: one style sheet, in the page itself.
 *
 * Text is set in the reader's own fonts. Colours are variables with a second value for dark screens; the five kinds of faults
 * are told apart by lightness as well as by hue.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fdfcf9; --ink: #22242a; --soft: #646873; --line: #dedbd3; --accent: #8a3b12; --sheet: #f4f1ea;
  --kind-zeroFill: #9dbcd4; --kind-copied: #c2552d; --kind-copyAvoided: #eaa55c; --kind-pagedIn: #34567a; --kind-mappedOnly: #a9b28a;
  --series-1: #34567a; --series-2: #c2552d; --series-3: #6f8350; --series-4: #a9791c; --series-5: #7c5c86;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17181c; --ink: #dcdad4; --soft: #979aa3; --line: #34363d; --accent: #f0a46b; --sheet: #1f2126;
    --kind-zeroFill: #4d7595; --kind-copied: #d9663a; --kind-copyAvoided: #e3ad70; --kind-pagedIn: #86b3dd; --kind-mappedOnly: #7f8a5c;
    --series-1: #86b3dd; --series-2: #e37a50; --series-3: #a3b87c; --series-4: #d9ae58; --series-5: #b694c2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 3rem 1.25rem 5rem; max-width: 54rem;
  background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.55 Charter, "Bitstream Charter", "Iowan Old Style", "Source Serif 4", Georgia, serif;
  font-variant-numeric: oldstyle-nums; text-wrap: pretty;
}
header { border-bottom: 1px solid var(--line); padding-bottom: 1rem; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 .4rem; font-weight: 600; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .6rem; font-weight: 600; }
p { margin: .6rem 0; }
.lede { font-size: 1.15rem; }
.soft, .note, figcaption { color: var(--soft); }
code, pre, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .86em; font-variant-numeric: lining-nums; }
code { overflow-wrap: anywhere; }
pre { background: var(--sheet); border: 1px solid var(--line); border-radius: 4px; padding: .8rem 1rem; white-space: normal; overflow-wrap: anywhere; }
pre span { white-space: pre; }
.stop { border-left: 4px solid var(--kind-copied); padding: .4rem .9rem; background: var(--sheet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: lining-nums tabular-nums; font-size: .97rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .22rem .9rem .22rem 0; vertical-align: baseline; text-align: left; font-weight: normal; }
td.n, th.n { text-align: right; white-space: nowrap; }
thead th { color: var(--soft); border-bottom: 1px solid var(--line); font-size: .9rem; }
tbody + tbody tr:first-child > * { padding-top: .9rem; }
tbody th.group { color: var(--soft); font-size: .9rem; font-style: italic; }
tbody tr:not(.head):hover { background: var(--sheet); }
th.part { padding-left: 1.3rem; }
td.note { font-size: .9rem; }
figure { margin: 1.4rem 0 2rem; }
figcaption { margin-bottom: .4rem; }
figcaption strong { color: var(--ink); font-weight: 600; }
svg { display: block; max-width: 100%; height: auto; font-family: ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif !important; font-size: 11.5px; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .2rem 0 .3rem; padding: 0; list-style: none; font-size: .9rem; color: var(--soft); }
.legend span { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; vertical-align: -.05em; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 0 2.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.4rem; margin: .6rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; color: var(--soft); font-size: .9rem; }
@media print { body { max-width: none; padding: 0; } figure, tr { break-inside: avoid; } }
`;
