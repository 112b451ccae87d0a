/**
 * The plots of a report, drawn by Observable Plot as SVG text.
 *
 * Plot wants a document; linkedom's has what it needs and no browser. Colours are CSS variables of the page, so that one drawing
 * serves light and dark. A plot says what it shows in its axes and in the title that the page puts above it.
 */

import type { ReplayResult } from '@faultline/trace';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { KINDS } from './words.js';

/** A drawing and its legend: what each colour stands for. */
export interface Drawing {
  readonly svg: string;
  readonly legend: readonly { readonly label: string; readonly colour: string }[];
}

const WIDTH = 820;
const BAND = 34;
const PLOT_HEIGHT = 230;
const FACET_HEIGHT = 150;
const PROCESS_BAND = 20;
/** Processes in one plot; more would be a pattern and no plot. */
const PROCESSES_DRAWN = 24;
const MARGIN_LEFT = 78;
/** Room for the label of the axis below its numbers. */
const AXIS_ROOM = 42;
const REFERENCES_AXIS = { label: 'references, millions', labelOffset: AXIS_ROOM - 4 };
/** Queues whose pages are in use for something; the free ones would dwarf them. */
const UNUSED_QUEUE = 'free';
const REFERENCES_PER_MREF = 1e6;

const KIND_COLOURS = KINDS.map(({ key }) => `var(--kind-${key})`);
const SERIES_COLOURS = [1, 2, 3, 4, 5].map((i) => `var(--series-${i})`);

/** Where nothing happened there is nothing to draw. */
type Maybe = Drawing | null;

/** Faults by kind, a stacked bar for each system. */
export function kindsPlot(results: readonly ReplayResult[]): Maybe {
  const bars = results.flatMap(({ system, kinds }) =>
    KINDS.map(({ key, label }) => ({ system, kind: label, faults: kinds[key] })),
  );
  if (bars.every(({ faults }) => faults === 0)) return null;
  const labels = KINDS.map(({ label }) => label);
  const svg = draw({
    height: 60 + BAND * results.length,
    marginLeft: MARGIN_LEFT,
    x: { label: 'faults', grid: true, labelOffset: AXIS_ROOM - 4 },
    y: { label: null, domain: results.map(({ system }) => system), padding: 0.25 },
    color: { domain: labels, range: KIND_COLOURS },
    marks: [
      Plot.barX(bars, { x: 'faults', y: 'system', fill: 'kind', order: labels, title: barTitle }),
      Plot.ruleX([0], { stroke: 'currentColor' }),
    ],
  });
  const seen = KINDS.filter(({ key }) => results.some(({ kinds }) => kinds[key] > 0));
  return { svg, legend: seen.map(({ key, label }) => ({ label, colour: `var(--kind-${key})` })) };
}

const barTitle = ({ system, kind, faults }: { system: string; kind: string; faults: number }): string =>
  `${system}: ${faults} ${kind}`;

/** Faults so far over the references so far. One system shows its major faults too. */
export function faultsPlot(results: readonly ReplayResult[]): Maybe {
  const single = results.length === 1;
  const lines = results.flatMap(({ system, series }) => [
    ...line(single ? 'all faults' : system, series.references, series.faults),
    ...(single ? line('major (waited for a pager)', series.references, series.major) : []),
  ]);
  if (lines.every(({ value }) => value === 0)) return null;
  return linePlot(lines, 'faults so far');
}

/** Which process ran when, a row for each; nothing for a program of one process, or of too many to tell apart. */
export function processesPlot(results: readonly ReplayResult[]): Maybe {
  const first = results[0];
  if (first === undefined || first.processes.length < 2 || first.processes.length > PROCESSES_DRAWN) return null;
  const names = new Map(first.processes.map(({ id, name }) => [id, `${id} ${name}`]));
  const bars = runs(first.series).map((run) => ({ ...run, name: names.get(run.id) ?? `${run.id}` }));
  const svg = draw({
    height: 60 + PROCESS_BAND * names.size,
    marginLeft: MARGIN_LEFT,
    x: REFERENCES_AXIS,
    y: { label: null, domain: [...names.values()], padding: 0.35, tickSize: 0 },
    marks: [
      Plot.gridY({ stroke: 'currentColor', strokeOpacity: 0.12 }),
      Plot.barX(bars, { x1: 'from', x2: 'to', y: 'name', fill: SERIES_COLOURS[0] as string }),
    ],
  });
  return { svg, legend: [] };
}

/** Stretches of the run, in millions of references, through which one process ran. */
function runs({ references, running }: ReplayResult['series']): { id: number; from: number; to: number }[] {
  const found: { id: number; from: number; to: number }[] = [];
  for (let i = 1; i < references.length; i++) {
    const id = running[i] as number;
    const [from, to] = [i - 1, i].map((at) => (references[at] as number) / REFERENCES_PER_MREF) as [number, number];
    const last = found.at(-1);
    if (last?.id === id) last.to = to;
    else if (id > 0) found.push({ id, from, to });
  }
  return found;
}

/** Pages in use by queue, stacked; a facet for each system. */
export function queuesPlot(results: readonly ReplayResult[]): Maybe {
  const areas = results.flatMap(({ system, series }) =>
    Object.entries(series.queues)
      .filter(([queue]) => queue !== UNUSED_QUEUE)
      .flatMap(([queue, pages]) => line(queue, series.references, pages).map((point) => ({ ...point, system }))),
  );
  const names = [...new Set(areas.map(({ name }) => name))];
  const seen = names.filter((name) => areas.some((area) => area.name === name && area.value > 0));
  if (seen.length === 0) return null;
  const colours = names.map((_, i) => SERIES_COLOURS[i % SERIES_COLOURS.length] as string);
  const several = results.length > 1;
  const svg = draw({
    height: several ? 60 + FACET_HEIGHT * results.length : PLOT_HEIGHT,
    marginLeft: MARGIN_LEFT,
    marginRight: several ? 80 : 20,
    x: REFERENCES_AXIS,
    y: { label: 'pages', grid: true },
    fy: { label: null, domain: results.map(({ system }) => system) },
    color: { domain: names, range: colours },
    marks: [
      Plot.areaY(areas, {
        x: 'millions',
        y: 'value',
        fill: 'name',
        order: names,
        ...(several ? { fy: 'system' } : {}),
      }),
      Plot.ruleY([0], { stroke: 'currentColor' }),
    ],
  });
  return { svg, legend: seen.map((label) => ({ label, colour: colours[names.indexOf(label)] as string })) };
}

interface Point {
  readonly name: string;
  readonly millions: number;
  readonly value: number;
}

function line(name: string, references: readonly number[], values: readonly number[]): Point[] {
  return references.map((n, i) => ({ name, millions: n / REFERENCES_PER_MREF, value: values[i] ?? 0 }));
}

function linePlot(points: readonly Point[], label: string): Drawing {
  const names = [...new Set(points.map(({ name }) => name))];
  const colours = names.map((_, i) => SERIES_COLOURS[i % SERIES_COLOURS.length] as string);
  const svg = draw({
    height: PLOT_HEIGHT,
    marginLeft: MARGIN_LEFT,
    x: REFERENCES_AXIS,
    y: { label, grid: true, zero: true },
    color: { domain: names, range: colours },
    marks: [
      Plot.lineY(points, { x: 'millions', y: 'value', stroke: 'name', strokeWidth: 2 }),
      Plot.ruleY([0], { stroke: 'currentColor' }),
    ],
  });
  const legend = names.length < 2 ? [] : names.map((name, i) => ({ label: name, colour: colours[i] as string }));
  return { svg, legend };
}

/** The SVG of a plot, as text that can stand in a page. */
function draw(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const plot = Plot.plot({
    width: WIDTH,
    marginBottom: AXIS_ROOM,
    document,
    style: { background: 'none', overflow: 'visible' },
    ...options,
  });
  return (plot as { outerHTML: string }).outerHTML;
}
