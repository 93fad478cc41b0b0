// How the site is, at a glance.
import { useState } from 'preact/hooks';
import { bytes, Confirm, count, Head, html, Loaded, span, Table, useLoad, when } from './ui.js';
import { api } from './session.js';
import { Chart } from './chart.js';

const EVERY = 5000;
const LEVELS = ['none', 'typing and presence are held back', 'replays are short as well', 'new connections are refused as well'];

export function Overview() {
  const status = useLoad(() => api('GET', '/status'), EVERY);
  return html`<${Head} title="Overview"><${Health} of=${status.data} /><//>
    <${Loaded} of=${status}>${(s) => html`<${Tiles} s=${s} /><${Machine} s=${s} />`}<//>
    <${Trend} /><${Connections} /><${Events} />`;
}

function Health({ of }) {
  if (!of) return null;
  const [kind, word] = { ok: ['good', 'All is well'], degraded: ['warn', 'Works, with a problem'], failing: ['bad', 'Failing'] }[of.health];
  return html`<span class=${`pill ${kind}`} role="status">${word}</span>`;
}

function Tiles({ s }) {
  const tile = (title, value, more) => html`<div class="tile"><span class="soft">${title}</span><b>${value}</b><span class="soft small">${more}</span></div>`;
  return html`<div class="tiles">
    ${tile('Connected', count(s.connections), `${count(s.devices.connected)} of ${count(s.devices.connected + s.devices.offline + s.devices.never)} devices`)}
    ${tile('Messages a second', count(s.messages_per_second), `${count(s.delivered_per_second)} delivered`)}
    ${tile('Dropped', count(s.dropped), 'since the start')}
    ${tile('Rooms', count(s.rooms), 'in use now')}</div>`;
}

function Machine({ s }) {
  const facts = [
    ['Version', s.version], ['Site', s.site], ['Up for', span(s.uptime)],
    ['Memory', `${bytes(s.memory.used_bytes)} of ${bytes(s.memory.limit_bytes)}`],
    ['Disk', `${bytes(s.disk.free_bytes)} free of ${bytes(s.disk.total_bytes)}`],
    ['Written to the card', s.wear.bytes_per_day === undefined ? 'known after a minute' : `${bytes(s.wear.bytes_per_day)} a day`],
    ['Temperature', s.temperature_c !== undefined && `${count(s.temperature_c)} °C`],
    ['Clock', { synced: 'right', floor: 'not synchronised', none: 'not known' }[s.clock]],
    ['Backup', s.backup_age === undefined ? 'never' : `${span(s.backup_age)} ago`],
    ['Certificate', s.tls && `good for ${span(s.tls.expires_in)}`],
    ['Pressure', s.pressure > 0 && LEVELS[s.pressure]],
  ];
  const wrong = Object.entries(s.checks).filter(([, state]) => !['ok', 'off', 'none'].includes(state) && s.health !== 'ok');
  return html`<section class="card" aria-labelledby="machine"><h2 id="machine">This gateway</h2>
    ${wrong.length > 0 && html`<p class="notice">${wrong.map(([name, state]) => `${name}: ${state}`).join('; ')}</p>`}
    <dl class="facts">${facts.filter(([, v]) => v).map(([k, v]) => html`<div><dt>${k}</dt><dd>${v}</dd></div>`)}</dl></section>`;
}

function Trend() {
  const trend = useLoad(() => api('GET', '/status/history'), EVERY);
  return html`<section class="card" aria-labelledby="trend"><h2 id="trend">The last 15 minutes</h2>
    <${Loaded} of=${trend} empty=${(t) => t.connections.length < 2 && html`<p class="empty">The first points come in some seconds.</p>`}>${(t) => html`
      <${Chart} label="The last 15 minutes" times=${t.connections.map((_, i) => (t.end - (t.connections.length - 1 - i) * t.step_ms) / 1000)}
        series=${[['Connected', t.connections], ['Messages a second', t.messages_per_second], ['Dropped a second', t.dropped_per_second]]} />`}<//></section>`;
}

function Connections() {
  const list = useLoad(async () => (await api('GET', '/connections')).connections, EVERY);
  const [cut, setCut] = useState();
  return html`<section class="card" aria-labelledby="connections"><h2 id="connections">Connections</h2>
    <${Loaded} of=${list} empty=${(l) => l.length === 0 && html`<p class="empty">Nobody is connected.</p>`}>${(l) => html`
      <${Table} label="Connections" rows=${l} keyOf=${(c) => c.id} columns=${[
        { title: 'Who', of: (c) => html`<b>${c.user}</b> <span class="soft">${c.kind}</span>` }, { title: 'Room', of: (c) => c.room }, { title: 'Address', of: (c) => c.ip },
        { title: 'Since', of: (c) => when(c.since) }, { title: 'Last seen', of: (c) => when(c.last_seen) },
        { title: 'RTT', of: (c) => (c.rtt_ms ? `${count(c.rtt_ms)} ms` : '–') }, { title: 'Waiting', of: (c) => bytes(c.queue_bytes) },
        { of: (c) => html`<button onClick=${() => setCut(c)}>Cut<span class="hidden"> ${c.user}</span></button>` }]} />`}<//>
    ${cut && html`<${Confirm} title="Cut" text=${`End the connection of ${cut.user} in ${cut.room}? It may come back with the same token.`}
      action=${() => api('DELETE', `/connections/${encodeURIComponent(cut.id)}`)} onDone=${() => { setCut(); list.reload(); }} onClose=${() => setCut()} />`}</section>`;
}

function Events() {
  const list = useLoad(async () => (await api('GET', '/audit?limit=8')).events.reverse(), 15000);
  return html`<section class="card" aria-labelledby="events"><h2 id="events">Newest security events</h2>
    <${Loaded} of=${list} empty=${(l) => l.length === 0 && html`<p class="empty">Nothing has happened.</p>`}>${(l) => html`<${EventTable} rows=${l} />`}<//>
    <a href="#/audit">All events</a></section>`;
}

/** Events of the audit as a table. */
export function EventTable({ rows }) {
  return html`<${Table} label="Security events" rows=${rows} keyOf=${(e) => e.seq} columns=${[
    { title: 'When', of: (e) => when(e.ts) }, { title: 'What', of: (e) => `${e.event.replaceAll('_', ' ')}${e.count > 1 ? ` × ${e.count}` : ''}` },
    { title: 'By', of: (e) => e.actor || '–' }, { title: 'Of', of: (e) => e.subject || '–' }, { title: 'From', of: (e) => e.ip || '–' },
    { title: 'Result', of: (e) => html`<span class=${e.result === 'ok' ? 'good' : 'bad'}>${e.result}</span>${e.reason && ` (${e.reason.replaceAll('_', ' ')})`}` }]} />`;
}
