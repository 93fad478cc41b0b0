// The first run: the owner, then the first device, then what to do with its key.
import { useEffect, useState } from 'preact/hooks';
import { Field, Form, Head, html } from './ui.js';
import { api, client } from './session.js';
import { open } from './login.js';
import { KeyOf } from './snippets.js';

// The QR code has the code behind the #, which browsers send to nobody. It leaves
// the address bar, and the history, at once.
const carried = new URLSearchParams(location.hash.slice(1)).get('code');
if (carried) history.replaceState(null, '', location.pathname);

export function Setup({ onDone }) {
  const [owner, setOwner] = useState(), [device, setDevice] = useState(), [shown, setShown] = useState(false);
  const finish = () => { history.replaceState(null, '', '/'); onDone(); };
  const become = async ({ code, username, password }) => {
    const pair = await open('POST', '/setup', { code, username, password, cookie: true });
    client.adopt(pair);
    setOwner(pair.username);
  };
  const make = async ({ name, room }) => setDevice({ ...(await api('POST', '/devices', { name, room })), room });
  useEffect(() => { if (carried) document.getElementById('password')?.focus(); }, []);
  if (device) {
    return html`<main class="narrow" key="key"><${Head} title="The first message" /><${KeyOf} device=${device} />
      <div class="row end"><button class="main" onClick=${finish}>Open the dashboard</button></div></main>`;
  }
  if (owner) {
    return html`<main class="narrow" key="device"><${Head} title="The first device" /><div class="card">
      <p><strong>${owner}</strong> is the administrator now. A device logs in with a key of its own.</p>
      <${Form} id="device-form" submit="Make a key" onSubmit=${make}>
        <${Field} id="name" label="Name of the device" name="name" value="device-1" required autocapitalize="none" spellcheck=${false} autocomplete="off" />
        <${Field} id="room" label="Room that it reads and writes" name="room" value="lobby" required autocapitalize="none" spellcheck=${false} autocomplete="off" /><//></div>
      <button class="plain" onClick=${finish}>Later</button></main>`;
  }
  return html`<main class="narrow" key="owner"><${Head} title="Set up this gateway" />
    <p>It belongs to nobody yet. Whoever gives its setup code becomes the administrator.</p>
    <div class="card"><${Form} id="owner-form" submit="Become the owner" onSubmit=${become}>
      <${Field} id="code" label="Setup code" name="code" value=${carried ?? ''} required class="code-input" autocomplete="one-time-code" autocapitalize="characters" spellcheck=${false}
        hint="Eight characters, good for 15 minutes. They are on the gateway’s console and in its journal: journalctl -u edgegw. A new one: sudo edgegw setup --new-code." />
      <${Field} id="username" label="Your name" name="username" value="admin" required autocomplete="username" autocapitalize="none" spellcheck=${false} />
      <${Field} id="password" label="A new password" name="password" type=${shown ? 'text' : 'password'} required autocomplete="new-password"
        hint="At least 15 characters, unless the gateway is configured otherwise. Four words or more are easy to remember." />
      <label class="check"><input type="checkbox" checked=${shown} onChange=${(e) => setShown(e.target.checked)} /> Show the password</label><//></div></main>`;
}
