// What has happened, the newest first.
import { useState } from 'preact/hooks';
import { Head, html, Loaded, useLoad } from './ui.js';
import { api } from './session.js';
import { EventTable } from './overview.js';

export function Audit() {
  const [limit, set] = useState(50), [find, setFind] = useState('');
  const list = useLoad(async () => (await api('GET', `/audit?limit=${limit}`)).events.reverse(), 15000, [limit]);
  const fits = (e) => !find || JSON.stringify(e).toLowerCase().includes(find.toLowerCase());
  return html`<${Head} title="Audit" /><div class="card"><label for="find">Find</label><input id="find" type="search" value=${find} onInput=${(e) => setFind(e.target.value)} autocapitalize="none" /><p></p>
    <${Loaded} of=${list} empty=${(l) => l.filter(fits).length === 0 && html`<p class="empty">Nothing like that has happened.</p>`}>${(l) => html`<${EventTable} rows=${l.filter(fits)} />
      ${l.length >= limit && limit < 1000 && html`<button onClick=${() => set(Math.min(1000, limit * 4))}>Show more</button>`}`}<//></div>`;
}
