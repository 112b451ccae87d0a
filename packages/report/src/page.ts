/**
 * A comparison as one page of HTML that needs nothing else: no network, no script, no other file.
 *
 * What a reader wants comes first: a sentence that says what happened, then the plots, then the figures of the terminal's table,
 * processes, every counter by its kernel name, and at the end what is needed to get the same again.
 */
import type { ReplayResult } from '@faultline/trace';
import { bytesName, type Comparison, grouped, machineName, many } from './comparison.js';
import { type Cell, counters, type Row, sections, stops } from './figures.js';
import { escapeHtml, type Html, html, join, raw } from './markup.js';
import { type Drawing, faultsPlot, kindsPlot, processesPlot, queuesPlot } from './plots.js';
import { STYLE } from './style.js';
import { counterWords, KINDS, SYSTEM_SHORT, SYSTEM_TITLES } from './words.js';

/** The text of the page. */
export function comparisonPage(comparison: Comparison): string {
  const { trace, results } = comparison;
  const title = `${trace.program} on ${results.map(({ system }) => system).join(', ')}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="faultline ${escapeHtml(comparison.version)}">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body(comparison).text}
</body>
</html>
`;
}

function body(comparison: Comparison): Html {
  const { results } = comparison;
  return join([
    heading(comparison),
    ...stops(results).map((stop) => html`<p class="stop">${stop}</p>`),
    plots(results),
    figures(results),
    processes(results),
    allCounters(results),
    provenance(comparison),
    html`<footer>Made by faultline ${comparison.version}. The page is complete in itself: it loads nothing and runs nothing.</footer>`,
  ]);
}

function heading(comparison: Comparison): Html {
  const { trace, results } = comparison;
  const first = results[0] as ReplayResult;
  const size = `${many(first.referencesTotal, 'reference')} by ${many(first.processes.length, 'process', 'processes')}`;
  const command = trace.command.length === 0 ? '' : html`<p><code>${trace.command.join(' ')}</code></p>`;
  return html`<header>
<h1>${trace.program} on ${listed(results.map(({ system }) => SYSTEM_SHORT[system]))}</h1>
${command}
<p class="soft">${size}; ${machineName(comparison)}.</p>
</header>
${join(results.map((result) => html`<p class="lede">${sentence(result)}</p>`))}`;
}

/** What happened on one system, in a sentence or two. */
function sentence(result: ReplayResult): string {
  const { system, faults, kinds, references, major, prefaultHits } = result;
  const title = SYSTEM_TITLES[system];
  if (faults === 0) return `${title} took no fault.`;
  const parts = [...KINDS]
    .filter(({ key }) => kinds[key] > 0)
    .sort((a, b) => kinds[b.key] - kinds[a.key])
    .map(({ key, label }) => `${grouped(kinds[key])} ${label}`);
  const every = references > 0 ? `, one for every ${grouped(Math.round(references / faults))} references` : '';
  const disk = major === 0 ? 'None waited for the disk.' : `${grouped(major)} of them waited for the disk.`;
  const spared = prefaultHits === 0 ? '' : ` ${grouped(prefaultHits)} first touches were spared one by prefaulting.`;
  return `${title} took ${many(faults, 'fault')}${every}: ${parts.join(', ')}. ${disk}${spared}`;
}

/** `a`, `a and b`, `a, b and c`. */
function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

function plots(results: readonly ReplayResult[]): Html {
  return join([
    figure('Faults by kind', 'what the fault handler had to do', kindsPlot(results)),
    figure('Faults over the run', 'where the program was when they came', faultsPlot(results)),
    figure('Pages in use', 'by the queue that they are on; free pages are not shown', queuesPlot(results)),
    figure('Processes', 'which ran when', processesPlot(results)),
  ]);
}

function figure(title: string, words: string, drawing: Drawing | null): Html {
  if (drawing === null) return raw('');
  const legend = drawing.legend.map(
    ({ label, colour }) => html`<li><span style="background: ${colour}"></span>${label}</li>`,
  );
  return html`<figure>
<figcaption><strong>${title}</strong>, ${words}</figcaption>
${legend.length === 0 ? '' : html`<ul class="legend">${join(legend)}</ul>`}
<div class="wide">${raw(drawing.svg)}</div>
</figure>`;
}

function figures(results: readonly ReplayResult[]): Html {
  const head = results.map(({ system }) => html`<th class="n" scope="col">${system}</th>`);
  const groups = sections(results).map(
    ({ title, rows }) => html`<tbody>
<tr class="head"><th class="group" scope="colgroup" colspan="${results.length + 2}">${title}</th></tr>
${join(rows.map(figureRow))}
</tbody>`,
  );
  return html`<h2>Figures</h2>
<div class="wide"><table>
<thead><tr><th></th>${join(head)}<th></th></tr></thead>
${join(groups)}
</table></div>`;
}

function figureRow({ label, depth, cells, note }: Row): Html {
  const columns = cells.map((cell) => html`<td class="n">${cellText(cell)}</td>`);
  return html`<tr><th scope="row"${raw(depth === 1 ? ' class="part"' : '')}>${label}</th>${join(columns)}<td class="note">${note}</td></tr>`;
}

function cellText(cell: Cell): string {
  if (cell === null) return '–';
  return typeof cell === 'number' ? grouped(cell) : cell;
}

function processes(results: readonly ReplayResult[]): Html {
  const first = results[0] as ReplayResult;
  if (first.processes.length < 2) return raw('');
  const head = results.map(
    ({ system }) => html`<th class="n" scope="col">${system}: faults</th><th class="n">major</th>`,
  );
  const rows = first.processes.map(({ id, name, parent, references }) => {
    const cells = results.map((result) => {
      const account = result.processes.find((process) => process.id === id);
      return html`<td class="n">${cellText(account?.faults ?? null)}</td><td class="n">${cellText(account?.major ?? null)}</td>`;
    });
    const from = parent === 0 ? '–' : `${parent}`;
    return html`<tr><td class="n">${id}</td><td>${name}</td><td class="n">${from}</td><td class="n">${grouped(references)}</td>${join(cells)}</tr>`;
  });
  return html`<h2>Processes</h2>
<div class="wide"><table>
<thead><tr><th class="n">id</th><th>name</th><th class="n">parent</th><th class="n">references</th>${join(head)}</tr></thead>
<tbody>${join(rows)}</tbody>
</table></div>`;
}

function allCounters(results: readonly ReplayResult[]): Html {
  const tables = results.map((result) => {
    const { entries, zeros } = counters(result);
    const rows = entries.map(
      ([name, value]) =>
        html`<tr><th scope="row" class="mono">${name}</th><td class="n">${grouped(value)}</td><td class="note">${counterWords(result.system, name)}</td></tr>`,
    );
    const others =
      zeros === 0 ? '' : html`<p class="note">${many(zeros, 'other')} ${zeros === 1 ? 'is' : 'are'} 0.</p>`;
    return html`<div><table><caption>${SYSTEM_TITLES[result.system]}</caption><tbody>${join(rows)}</tbody></table>${others}</div>`;
  });
  return html`<h2>Counters by kernel name</h2>
<div class="columns">${join(tables)}</div>`;
}

function provenance(comparison: Comparison): Html {
  const { trace, machine, results, version } = comparison;
  const recorded = trace.notes.map((note) => html`<dt>note</dt><dd>${note}</dd>`);
  const systems = results.map(({ system }) => `${system}, that is ${SYSTEM_TITLES[system]}`).join('; ');
  return html`<h2>To get the same again</h2>
<pre>${join(comparison.repeat.split(' ').map((word) => html`<span>${word}</span>`))}</pre>
<dl>
<dt>trace</dt><dd><code>${trace.path}</code>, ${bytesName(trace.bytes)}</dd>
<dt>sha256</dt><dd><code>${trace.digest}</code></dd>
<dt>recorded by</dt><dd>${trace.recorder}</dd>
${join(recorded)}
<dt>systems</dt><dd>${systems}; their defects as in the original</dd>
<dt>memory</dt><dd>${grouped(machine.memoryPages)} pages of 4096 bytes</dd>
<dt>swap</dt><dd>${machine.swapPages === 0 ? 'none' : `${grouped(machine.swapPages)} pages`}</dd>
<dt>randomness</dt><dd>none; the result is a function of trace, systems and machine</dd>
<dt>version</dt><dd>faultline ${version}</dd>
</dl>
<p class="note">Only the row “replayed” depends on the computer that it was made on.</p>`;
}
