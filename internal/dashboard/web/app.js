// The frame of the dashboard: who is here, which page is asked for.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { html, Loaded } from './ui.js';
import { arrive, client } from './session.js';
import { Setup } from './setup.js';
import { Login } from './login.js';
import { Overview } from './overview.js';
import { Rooms, Room } from './rooms.js';
import { Devices } from './devices.js';
import { People } from './people.js';
import { Audit } from './audit.js';
import { System } from './system.js';
import { Account } from './account.js';

// Who is no administrator sees rooms and the own account.
const PAGES = [
  { path: 'overview', title: 'Overview', page: Overview, admin: true },
  { path: 'rooms', title: 'Rooms', page: Rooms },
  { path: 'devices', title: 'Devices', page: Devices, admin: true },
  { path: 'people', title: 'People', page: People, admin: true },
  { path: 'audit', title: 'Audit', page: Audit, admin: true },
  { path: 'system', title: 'System', page: System, admin: true },
  { path: 'account', title: 'Account', page: Account },
];

function useHash() {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const change = () => set(location.hash);
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
}

function Frame({ me }) {
  const [path, ...rest] = useHash();
  const pages = PAGES.filter((p) => me.role === 'admin' || !p.admin);
  const at = pages.find((p) => p.path === path) ?? pages[0];
  return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.querySelector('h1')?.focus(); }}>Skip to the page</a>
    <header class="bar"><div class="bar-in"><span class="brand">edgegw</span>
    <nav aria-label="Pages">${pages.map((p) => html`<a href=${`#/${p.path}`} aria-current=${p === at ? 'page' : undefined}>${p.title}</a>`)}</nav></div></header>
    <main id="main">${at.path === 'rooms' && rest[0] ? html`<${Room} key=${rest[0]} id=${rest[0]} me=${me} />` : html`<${at.page} me=${me} />`}</main>`;
}

function App() {
  const [at, set] = useState({ step: 'loading' });
  const again = async () => set(await arrive());
  useEffect(() => {
    again();
    return client.on('login-needed', () => set((s) => (s.step === 'in' ? { step: 'login', ended: true } : s)));
  }, []);
  useEffect(() => {
    if (at.step !== 'offline') return undefined;
    const timer = setTimeout(again, at.error.retryAfterMs || 3000);
    return () => clearTimeout(timer);
  }, [at]);
  const step = {
    setup: () => html`<${Setup} onDone=${again} />`,
    login: () => html`<${Login} ended=${at.ended} onDone=${again} />`,
    in: () => html`<${Frame} me=${at.me} />`,
    offline: () => html`<main class="narrow"><h1>edgegw</h1><${Loaded} of=${{ error: at.error, reload: again }} /></main>`,
  }[at.step];
  return step ? step() : html`<p class="loading" role="status">Loading…</p>`;
}

render(html`<${App} />`, document.getElementById('app'));
