'use strict';
// The first run: the owner, then the first device key, then what to do with it.
// The access token lives in this page only; the refresh token in a cookie that
// no script can read.

const at = (id) => document.getElementById(id);
let token = '';

async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = 'Bearer ' + token;
  let answer;
  try {
    answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  } catch {
    throw new Error('The gateway does not answer. Are you still in its network?');
  }
  const result = await answer.json().catch(() => ({}));
  if (answer.ok) return result;
  const said = result.detail || 'the gateway answered ' + answer.status;
  const wait = answer.status === 429 ? ` (${answer.headers.get('Retry-After')} s)` : '';
  throw new Error(said[0].toUpperCase() + said.slice(1) + wait);
}

function onSubmit(name, act) {
  const form = at(name + '-form'), button = form.querySelector('button'), problem = at(name + '-problem');
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.textContent = '';
    try {
      await act(Object.fromEntries(new FormData(form)));
    } catch (error) {
      problem.textContent = error.message;
    }
    button.disabled = false;
  });
}

function show(name) {
  for (const section of document.querySelectorAll('section')) section.hidden = section.id !== name;
  at(name + '-title').focus();
}

function showSnippets(device, room) {
  const url = location.origin, socket = `${url.replace('http', 'ws')}/ws?room=${encodeURIComponent(room)}`;
  const messages = `${url}/rooms/${encodeURIComponent(room)}/messages`;
  at('device-name').textContent = device.name;
  at('key').textContent = device.device_key;
  at('socket').textContent = socket;
  // The CA's fingerprint is in the log, and in what edgegw tls show prints.
  const tls = location.protocol === 'https:';
  const curl = tls ? 'curl --cacert edgegw-ca.crt' : 'curl';
  at('curl').textContent = (tls ? `curl -sk ${url}/ca.crt -o edgegw-ca.crt\n` : '') + `TOKEN=$(${curl} -s ${url}/auth/device -H 'Content-Type: application/json' \\
  -d '{"device_key":"${device.device_key}"}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
${curl} -s ${messages} -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d '{"data":"Hello room!"}'
${curl} -s '${messages}?limit=10' -H "Authorization: Bearer $TOKEN"`;
  at('javascript').textContent = `const answer = await fetch("${url}/auth/device", {
  method: "POST", headers: {"Content-Type": "application/json"},
  body: JSON.stringify({device_key: "${device.device_key}"})})
const token = (await answer.json()).access_token
const ws = new WebSocket("${socket}", ["bearer", token])
ws.onmessage = (e) => console.log(e.data)
ws.onopen = () => ws.send("Hello room!")`;
}

onSubmit('owner', async (given) => {
  const { code, username, password } = given;
  const owner = await post('/setup', { code, username, password, cookie: true });
  token = owner.access_token;
  at('owner-form').reset();
  at('who').textContent = owner.username;
  show('device');
});

onSubmit('device', async (given) => {
  const device = await post('/devices', { name: given.name, room: given.room });
  showSnippets(device, given.room);
  show('done');
});

at('shown').addEventListener('change', (event) => {
  at('password').type = event.target.checked ? 'text' : 'password';
});

// The QR code has the code behind the #, which browsers send to nobody. It
// leaves the address bar, and the history, at once.
const carried = new URLSearchParams(location.hash.slice(1)).get('code');
if (carried) {
  at('code').value = carried;
  history.replaceState(null, '', location.pathname);
  at('password').focus();
}
