// The rooms, and one of them live.
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import { bytes, count, Dialog, Field, Form, Head, html, Loaded, Problem, Table, useLoad, when } from './ui.js';
import { api } from './session.js';
import { Chart } from './chart.js';
import { cutShort, exportRoom, Live, tooLong } from './live.js';

export function Rooms() {
  const list = useLoad(async () => (await api('GET', '/rooms')).rooms, 10000);
  const open = ({ room }) => { location.hash = `#/rooms/${encodeURIComponent(room)}`; };
  return html`<${Head} title="Rooms" /><div class="card">
    <${Loaded} of=${list} empty=${(l) => l.length === 0 && html`<p class="empty">No room has been used yet. A room exists from its first message.</p>`}>${(l) => html`
      <${Table} label="Rooms" rows=${l} keyOf=${(r) => r.room} columns=${[
        { title: 'Room', of: (r) => html`<a href=${`#/rooms/${encodeURIComponent(r.room)}`}>${r.room}</a>` }, { title: 'Listening', of: (r) => count(r.subscribers) },
        { title: 'Messages so far', of: (r) => count(r.seq) }, { title: 'Durability', of: (r) => r.durability }, { title: 'When too slow', of: (r) => r.overflow.replaceAll('_', ' ') }]} />`}<//></div>
    <div class="card"><h2>Open a room</h2><${Form} submit="Open" onSubmit=${async (given) => open(given)}>
      <${Field} label="Name" name="room" required pattern="[A-Za-z0-9][A-Za-z0-9._~:\\-]*" maxlength="128" autocapitalize="none" spellcheck=${false} autocomplete="off" /><//></div>`;
}

const STATES = { connecting: 'Connecting…', connected: 'Live', waiting: 'Connection lost, coming back…', stopped: 'Ended', idle: 'Ended' };

export function Room({ id, me }) {
  const [, draw] = useReducer((n) => n + 1, 0);
  const live = useRef();
  const [settings, setSettings] = useState(false), [exported, setExported] = useState();
  live.current ??= new Live(id, draw);
  useEffect(() => { live.current.start(); return () => live.current.stop(); }, []);
  const l = live.current;
  if (l.error) return html`<${Head} title=${id} /><${Problem} error=${l.error} /><a href="#/rooms">All rooms</a>`;
  const writes = me.role === 'admin' || (me.grants ?? []).some((g) => g.rights.includes('w'));
  const save = () => exportRoom(id, (n) => setExported(`${count(n)} messages`)).then(() => setExported('Saved'), (e) => setExported(e.message));
  return html`<${Head} title=${id}><span class=${`pill ${l.state.state === 'connected' ? 'good' : 'warn'}`} role="status">${STATES[l.state.state]}</span>
      <span class="soft small">${count(l.rate)} a second</span><//>
    <div class="row"><button aria-pressed=${l.paused} onClick=${() => l.pause(!l.paused)}>${l.paused ? `Go on${l.waiting ? ` (${count(l.waiting)} new)` : ''}` : 'Pause'}</button>
      <button onClick=${save}>Export</button><span class="soft small" role="status">${exported}</span>
      ${me.role === 'admin' && html`<button onClick=${() => setSettings(true)}>Settings</button>`}</div><p></p>
    <${Log} live=${l} />
    <p class="typing" aria-live="polite">${[...l.typing.keys()].length > 0 && `${[...l.typing.keys()].slice(0, 3).join(', ')} typing…`}</p>
    ${writes && html`<${Publish} live=${l} />`}
    <${Numbers} live=${l} /><${Present} of=${l.presence} />
    ${settings && html`<${Settings} id=${id} onClose=${() => setSettings(false)} />`}`;
}

function Log({ live }) {
  const at = useRef(), bottom = useRef(true), before = useRef({});
  const scrolled = () => {
    const e = at.current;
    bottom.current = e.scrollHeight - e.scrollTop - e.clientHeight < 24;
    if (e.scrollTop < 120 && live.older !== undefined) {
      if (!live.paused) live.pause(true);
      live.back().catch(() => {});
    }
  };
  // An entry never changes, so that what was made of it once is left alone.
  // What is added above must not move what is read; below, the newest is shown.
  useLayoutEffect(() => {
    const e = at.current, first = live.entries[0]?.key;
    if (bottom.current && !live.paused) e.scrollTop = e.scrollHeight;
    else if (before.current.first && before.current.first !== first) e.scrollTop += e.scrollHeight - before.current.height;
    before.current = { first, height: e.scrollHeight };
  });
  const { entries } = live;
  return html`<div class="log" role="log" aria-label="Messages" aria-live=${live.paused || live.rate > 2 ? 'off' : 'polite'} tabindex="0" ref=${at} onScroll=${scrolled}>
    ${entries.length === 0 && html`<p class="empty">No message yet.</p>`}${live.older !== undefined && html`<p class="line soft">Older messages come as you scroll up.</p>`}
    ${entries.map((m) => m.node ??= (m.line ? html`<p class="line" key=${m.key}>${m.line}</p>` : html`<${Message} key=${m.key} m=${m} />`))}</div>`;
}

function Message({ m }) {
  const [all, set] = useState(false);
  const long = tooLong(m.text) && !all;
  return html`<article class="msg"><header><b><bdi>${m.user}</bdi></b>${when(m.ts)}<span>#${m.seq}</span></header>
    <pre dir="auto">${long ? cutShort(m.text) : m.text}</pre>${long && html`<button class="plain" onClick=${() => set(true)}>Show all ${bytes(m.text.length)}</button>`}</article>`;
}

function Publish({ live }) {
  const last = useRef(0);
  const typed = () => {
    if (Date.now() - last.current > 3000) { last.current = Date.now(); live.type('start'); }
  };
  const send = async ({ text, json }, form) => {
    await live.publish(json ? parse(text) : text);
    live.type('stop');
    last.current = 0;
    form.querySelector('textarea').value = '';
  };
  return html`<section class="card" aria-labelledby="publish"><h2 id="publish">Publish</h2><${Form} submit="Publish" onSubmit=${send}>
    <${Field} id="text" label="Message" as="textarea" name="text" required maxlength="60000" onInput=${typed} />
    <label class="check"><input type="checkbox" name="json" /> It is JSON</label><//></section>`;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Error(`This is no JSON: ${e.message}`);
  }
}

function Numbers({ live }) {
  const names = [...live.fields.keys()];
  const [picked, set] = useState();
  if (names.length === 0) return null;
  const chosen = names.filter((n) => (picked ?? names.slice(0, 2)).includes(n)).slice(0, 3);
  const times = [...new Set(chosen.flatMap((n) => live.fields.get(n).map(([t]) => t)))].sort((a, b) => a - b).slice(-600);
  const series = chosen.map((n) => { const at = new Map(live.fields.get(n)); return [n, times.map((t) => at.get(t) ?? null)]; });
  const toggle = (n) => set(chosen.includes(n) ? chosen.filter((c) => c !== n) : [...chosen, n].slice(-3));
  return html`<section class="card" aria-labelledby="numbers"><h2 id="numbers">Numbers</h2>
    <div class="row" role="group" aria-label="Fields, three at most">${names.map((n) => html`<label class="check"><input type="checkbox" checked=${chosen.includes(n)} onChange=${() => toggle(n)} /> ${n}</label>`)}</div><p></p>
    ${chosen.length > 0 && times.length > 1 ? html`<${Chart} key=${chosen.join()} label=${`Numbers: ${chosen.join(', ')}`} times=${times} series=${series} />` : html`<p class="empty">Pick a field.</p>`}</section>`;
}

function Present({ of }) {
  if (!of) return null;
  return html`<section class="card" aria-labelledby="present"><h2 id="present">Who is here (${count(of.count)})</h2>
    <ul>${of.users.slice(0, 50).map((u) => html`<li key=${u.user}><b>${u.user}</b> <span class="soft">since ${when(u.since)}${u.connections === 0 && ', just left'}${u.connections > 1 && `, ${u.connections} connections`}</span></li>`)}</ul>
    ${of.users.length > 50 && html`<p class="soft">and ${count(of.users.length - 50)} more</p>`}</section>`;
}

function Settings({ id, onClose }) {
  const room = useLoad(() => api('GET', `/rooms/${encodeURIComponent(id)}`));
  const save = async ({ durability, overflow, max_messages: messages, max_age: age }) => {
    await api('PUT', `/rooms/${encodeURIComponent(id)}`, { durability, overflow, max_messages: Number(messages), max_age: age });
    onClose();
  };
  const option = (value, text, now) => html`<option value=${value} selected=${value === now}>${text}</option>`;
  return html`<${Dialog} title=${`Settings of ${id}`} onClose=${onClose}><${Loaded} of=${room}>${(r) => html`<${Form} submit="Save" onSubmit=${save}>
    <${Field} label="Durability" as="select" name="durability" hint="A change from or to memory begins a new epoch and closes the room’s connections; they come back.">
      ${option('memory', 'memory: never written', r.durability)}${option('queued', 'queued: shown at once, written within a second', r.durability)}${option('fsynced', 'fsynced: shown when it is on disk', r.durability)}<//>
    <${Field} label="Who reads too slowly" as="select" name="overflow">${option('disconnect', 'is disconnected and resumes', r.overflow)}${option('drop_oldest', 'misses the oldest, and is told', r.overflow)}${option('keep_latest', 'gets the newest only', r.overflow)}<//>
    <${Field} label="Messages that are kept" name="max_messages" type="number" min="0" value=${r.max_messages} required />
    <${Field} label="For how long" name="max_age" value=${r.max_age} required hint="For example 12h or 30d; 0 is no limit." /><//>`}<//><//>`;
}
