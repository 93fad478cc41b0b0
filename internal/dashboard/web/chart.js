// A line chart with a table behind it. uPlot comes when the first chart does.
import { useEffect, useRef } from 'preact/hooks';
import { count, html } from './ui.js';

const COLOURS = ['--chart-1', '--chart-2', '--chart-3'];

/** times are in seconds, series a list of [name, values]. */
export function Chart({ label, times, series }) {
  const at = useRef(), plot = useRef();
  const names = series.map(([name]) => name).join('\n');
  const data = [times, ...series.map(([, values]) => values)];
  useEffect(() => {
    let gone = false;
    const draw = () => import('uplot').then(({ default: uPlot }) => {
      if (gone || !at.current) return;
      const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
      const axis = { stroke: colour('--soft'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 } };
      plot.current?.destroy();
      plot.current = new uPlot({
        width: at.current.clientWidth, height: 220, axes: [axis, axis], cursor: { drag: { x: false, y: false } }, scales: { y: { range: (_, low, high) => [Math.min(0, low), Math.max(1, high * 1.1)] } },
        series: [{}, ...series.map(([name], i) => ({ label: name, stroke: colour(COLOURS[i % 3]), width: 2, dash: [[], [6, 3], [2, 2]][i % 3], points: { show: false } }))],
      }, data, at.current);
    });
    draw();
    const sized = new ResizeObserver(() => at.current && plot.current?.setSize({ width: at.current.clientWidth, height: 220 }));
    sized.observe(at.current);
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => { gone = true; sized.disconnect(); dark.removeEventListener('change', draw); plot.current?.destroy(); plot.current = undefined; };
  }, [names]);
  useEffect(() => plot.current?.setData(data), [data]);
  const step = Math.max(1, Math.floor(times.length / 15));
  return html`<div class="chart" ref=${at} role="img" aria-label=${`${label}: ${series.map(([name, v]) => `${name} ${count(v.at(-1) ?? 0)}`).join(', ')}`}></div>
    <details><summary>As a table</summary><div class="scroll" tabindex="0"><table><caption class="hidden">${label}</caption><thead><tr><th scope="col">Time</th>${series.map(([name]) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${times.map((t, i) => ({ t, i })).filter(({ i }) => (times.length - 1 - i) % step === 0).reverse().map(({ t, i }) => html`<tr key=${t}><td>${new Date(t * 1000).toLocaleTimeString()}</td>
      ${series.map(([, values]) => html`<td>${values[i] === null ? '–' : count(values[i])}</td>`)}</tr>`)}</tbody></table></div></details>`;
}
