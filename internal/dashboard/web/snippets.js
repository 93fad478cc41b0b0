// A device's key, shown once, and what to do with it in each language.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Copy, html, useLoad } from './ui.js';
import { api } from './session.js';

function Code({ text }) {
  const canvas = useRef();
  useEffect(() => {
    import('lean-qr').then(({ generate }) => canvas.current && generate(text).toCanvas(canvas.current, { on: [0, 0, 0, 255], off: [255, 255, 255, 255] }));
  }, [text]);
  return html`<canvas class="qr" ref=${canvas} role="img" aria-label="The key as a QR code"></canvas>`;
}

/** The key of a device, and its first message. */
export function KeyOf({ device }) {
  const { data: status } = useLoad(() => api('GET', '/status'));
  const url = location.origin;
  const pin = location.protocol === 'https:' ? status?.tls?.ca_pin : undefined;
  const languages = snippets(url, device.device_key, device.room || 'lobby', pin);
  const [at, set] = useState(Object.keys(languages)[0]);
  return html`<div class="card"><p>This is the key of <strong>${device.name}</strong>. It is shown only now: put it into the device.</p>
    <pre class="key" id="key" tabindex="0" aria-label="Device key">${device.device_key}</pre>
    <div class="row"><${Copy} text=${device.device_key} /></div><p></p><${Code} text=${device.device_key} />
    ${pin && html`<p class="small">The pin of the gateway’s CA, for firmware: <span class="mono">${pin}</span></p>`}</div>
    <div class="card"><h2>From the device</h2><div class="row" role="group" aria-label="Language">${Object.keys(languages).map((name) => html`
      <button aria-pressed=${name === at} class=${name === at ? 'main' : ''} onClick=${() => set(name)}>${name}</button>`)}</div><p></p>
    <pre tabindex="0" aria-label=${at} id="snippet">${languages[at]}</pre><${Copy} text=${languages[at]} /></div>`;
}

function snippets(url, key, room, pin) {
  const ws = `${url.replace('http', 'ws')}/ws?room=${encodeURIComponent(room)}`;
  const messages = `${url}/rooms/${encodeURIComponent(room)}/messages`;
  const tls = url.startsWith('https');
  const curl = tls ? 'curl --cacert edgegw-ca.crt' : 'curl';
  return {
    Shell: `${tls ? `curl -sk ${url}/ca.crt -o edgegw-ca.crt   # compare it with: edgegw tls show\n` : ''}TOKEN=$(${curl} -s ${url}/auth/device -H 'Content-Type: application/json' \\
  -d '{"device_key":"${key}"}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
${curl} -s ${messages} -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -d '{"data":"Hello room!"}'
${curl} -s '${messages}?limit=10' -H "Authorization: Bearer $TOKEN"`,
    JavaScript: `const answer = await fetch("${url}/auth/device", {
  method: "POST", headers: {"Content-Type": "application/json"},
  body: JSON.stringify({device_key: "${key}"})})
const token = (await answer.json()).access_token
const ws = new WebSocket("${ws}", ["bearer", token])
ws.onmessage = (e) => console.log(e.data)
ws.onopen = () => ws.send("Hello room!")`,
    Python: `import json, ${tls ? 'ssl, ' : ''}urllib.request
def post(path, body, **headers):
    r = urllib.request.Request("${url}" + path, json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers})
    return json.load(urllib.request.urlopen(r${tls ? ', context=ssl.create_default_context(cafile="edgegw-ca.crt")' : ''}))
token = post("/auth/device", {"device_key": "${key}"})["access_token"]
print(post("/rooms/${room}/messages", {"data": "Hello room!"}, Authorization="Bearer " + token))`,
    Microcontroller: `POST ${url}/auth/device   {"device_key":"${key}"}
  gives access_token (a day) and expires_in
GET  ${ws}
  Authorization: Bearer <access_token>
${pin ? `The CA's pin (SPKI, SHA-256): ${pin}\n` : ''}Then text frames: {"type":"message","id":"1","data":21.5}`,
  };
}
