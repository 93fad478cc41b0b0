// Backup, time and settings.
import { useState } from 'preact/hooks';
import { Form, Head, html, Loaded, span, Table, useLoad, when } from './ui.js';
import { api } from './session.js';

export function System() {
  return html`<${Head} title="System" /><${Backup} /><${Time} /><${Settings} />`;
}

function Backup() {
  const status = useLoad(() => api('GET', '/status'));
  const save = async () => {
    const answer = await api('GET', '/backup', undefined, { signal: AbortSignal.timeout(600000) });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await answer.blob());
    link.download = /filename="([^"]+)"/.exec(answer.headers.get('Content-Disposition'))?.[1] ?? 'edgegw-backup.tar';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    status.reload();
  };
  return html`<section class="card" aria-labelledby="backup"><h2 id="backup">Backup</h2><${Loaded} of=${status}>${(s) => html`
    <p>${s.backup_age === undefined ? 'There is no backup yet.' : `The newest is ${span(s.backup_age)} old.`} It holds everything, keys and password hashes as well: keep it where nobody else gets at it.</p>
    <${Form} submit="Download a backup" onSubmit=${save} />`}<//></section>`;
}

const TRUST = { synced: 'right: a time server or an administrator has said so', floor: 'not synchronised: it is at least this late', none: 'not known' };

function Time() {
  const clock = useLoad(() => api('GET', '/clock'), 10000);
  const set = async () => { await api('PUT', '/clock', { time: Date.now() }); clock.reload(); };
  return html`<section class="card" aria-labelledby="time"><h2 id="time">Site time</h2><${Loaded} of=${clock}>${(c) => html`
    <p>${when(c.time)}: ${TRUST[c.state]}. This browser says ${when(Date.now())}${Math.abs(Date.now() - c.time) > 60000 ? html`, <b class="warn">${span(Math.abs(Date.now() - c.time) / 1000)} apart</b>` : ''}.</p>
    ${c.state !== 'synced' && html`<${Form} submit="Take this browser’s time" onSubmit=${set} />`}`}<//></section>`;
}

function Settings() {
  const list = useLoad(async () => (await api('GET', '/settings')).settings);
  const [all, set] = useState(false);
  return html`<section class="card" aria-labelledby="settings"><h2 id="settings">Settings in force</h2><p class="soft">They are changed in the configuration file, by variables or by flags; a flag wins over a variable, that over the file.</p>
    <label class="check"><input type="checkbox" checked=${all} onChange=${(e) => set(e.target.checked)} /> Show those at their default, too</label><p></p>
    <${Loaded} of=${list}>${(l) => html`<${Table} label="Settings" rows=${l.filter((s) => all || s.origin !== 'default')} keyOf=${(s) => s.name} columns=${[
      { title: 'Name', of: (s) => html`<code>${s.name}</code>` }, { title: 'Value', of: (s) => html`<code>${s.value}</code>` }, { title: 'From', of: (s) => `${s.origin}${s.where ? ` (${s.where})` : ''}` }]} />`}<//></section>`;
}
