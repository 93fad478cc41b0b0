// The machines of the site.
import { useState } from 'preact/hooks';
import { Confirm, count, Dialog, Field, Form, Head, html, Loaded, span, Table, useLoad, when } from './ui.js';
import { api } from './session.js';
import { grantsOf, grantsText } from './grants.js';
import { KeyOf } from './snippets.js';

export function Devices() {
  const list = useLoad(async () => {
    const [{ devices }, { connections }] = await Promise.all([api('GET', '/devices'), api('GET', '/connections')]);
    const live = new Map(connections.map((c) => [c.user, c]));
    return devices.map((d) => ({ ...d, live: live.get(d.name) }));
  }, 10000);
  const [doing, set] = useState({});
  const done = () => { set({}); list.reload(); };
  const path = (d) => `/devices/${encodeURIComponent(d.name)}`;
  const disable = async (d) => { await api('PATCH', path(d), { disabled: !d.disabled }); list.reload(); };
  return html`<${Head} title="Devices"><button class="main" onClick=${() => set({ add: true })}>Add a device</button><//>
    <div class="card"><${Loaded} of=${list} empty=${(l) => l.length === 0 && html`<p class="empty">There is no device yet. Add one, and put its key into it.</p>`}>${(l) => html`
      <${Table} label="Devices" rows=${l} keyOf=${(d) => d.name} columns=${[
        { title: 'Device', of: (d) => html`<b>${d.name}</b>` }, { title: 'Now', of: (d) => html`<${State} d=${d} />` }, { title: 'Room', of: (d) => d.room || '–' },
        { title: 'Grants', of: (d) => grantsText(d.grants) || 'its room' }, { title: 'Last login', of: (d) => when(d.last_seen) }, { title: 'Keys', of: (d) => count(d.keys) },
        { of: (d) => html`<span class="row"><button onClick=${() => set({ edit: d })}>Edit<span class="hidden"> ${d.name}</span></button>
          <button onClick=${() => set({ rotate: d })}>New key<span class="hidden"> for ${d.name}</span></button>
          <button onClick=${() => disable(d)}>${d.disabled ? 'Enable' : 'Disable'}<span class="hidden"> ${d.name}</span></button>
          <button class="danger" onClick=${() => set({ remove: d })}>Delete<span class="hidden"> ${d.name}</span></button></span>` }]} />`}<//></div>
    ${doing.add && html`<${Dialog} title="Add a device" onClose=${() => set({})}><${Form} submit="Add" onSubmit=${async ({ name, room, grants }) => {
      const given = grantsOf(grants);
      const made = await api('POST', '/devices', { name, room: room || undefined, grants: given.length ? given : undefined });
      list.reload();
      set({ key: { ...made, room } });
    }}><${Field} label="Name" name="name" required autocapitalize="none" spellcheck=${false} autocomplete="off" hint="Small letters, digits, and . _ @ + - behind the first." />
      <${Field} label="Room" name="room" autocapitalize="none" spellcheck=${false} autocomplete="off" hint="Where it belongs; without grants it may read and write there." />
      <${Field} label="Grants" as="textarea" name="grants" hint="One PATTERN:RIGHTS a line, for example plant.*:rw. May stay empty." /><//><//>`}
    ${doing.edit && html`<${Dialog} title=${`Edit ${doing.edit.name}`} onClose=${() => set({})}><${Form} submit="Save" onSubmit=${async ({ room, grants }) => {
      await api('PATCH', path(doing.edit), { room, grants: grantsOf(grants) });
      done();
    }}><${Field} label="Room" name="room" value=${doing.edit.room ?? ''} /><${Field} label="Grants" as="textarea" name="grants" value=${grantsText(doing.edit.grants, '\n')} hint="One PATTERN:RIGHTS a line." /><//><//>`}
    ${doing.rotate && html`<${Confirm} title="Make a new key" text=${`The old key of ${doing.rotate.name} goes on for 24 hours, or until the new one is used.`} action=${async () => {
      const made = await api('POST', `${path(doing.rotate)}/rotate-key`);
      set({ key: { ...made, room: doing.rotate.room } });
    }} onDone=${list.reload} onClose=${() => set((s) => (s.key ? s : {}))} />`}
    ${doing.remove && html`<${Confirm} title="Delete" text=${`Delete ${doing.remove.name}? Its messages stay; its name is not given again for long.`} action=${() => api('DELETE', path(doing.remove))} onDone=${done} onClose=${() => set({})} />`}
    ${doing.key && html`<${Dialog} title=${`The key of ${doing.key.name}`} onClose=${() => set({})}><${KeyOf} device=${doing.key} /><//>`}`;
}

// Why a device is not there, in words that help.
const WHY = {
  1000: 'it left by itself', 1006: 'its connection broke: power, network?', 1009: 'it sent a message that is too long', 1012: 'the gateway was restarted', 4001: 'its token ran out and it did not renew it', 4002: 'it reads too slowly',
  4003: 'it sends too much', 4004: 'it went silent: power, network?', 4501: 'its session was ended', 4502: 'it was disabled', 4503: 'it lost its room',
};

function State({ d }) {
  if (d.disabled) return html`<span class="pill bad">disabled</span>`;
  if (d.live) return html`<span class="pill good">connected</span>`;
  return html`<span class="pill">${d.last_seen ? 'offline' : 'never seen'}</span>${d.last_error && !(d.last_close?.ts > d.last_error.ts) && html` <span class="small bad">refused: ${d.last_error.code.replaceAll('_', ' ')}, ${when(d.last_error.ts)}</span>`}${Math.abs(d.clock_skew_ms) > 60000 && html` <span class="small warn">its clock is ${span(Math.abs(d.clock_skew_ms) / 1000)} ${d.clock_skew_ms > 0 ? 'ahead' : 'behind'}</span>`}${d.last_close && html` <span class="small">${WHY[d.last_close.code] ?? `ended with ${d.last_close.code} ${d.last_close.reason.replaceAll('_', ' ')}`}, ${when(d.last_close.ts)}</span>`}`;
}
