// Compiled, never run: the declarations say what users write.
import { Client, EdgegwError, type Message } from '../edgegw.js';

const client = new Client({ url: 'http://gateway.local:8080', deviceKey: 'k', room: 'hall', after: 1, epoch: 'e' });
const off = client.on('message', (m: Message) => console.log(m.seq, m.user, m.data));
client.on('state', (s) => s.state === 'stopped' && off());
client.publish({ temp: 21.5 }).then((r) => r.durability === 'fsynced', (e: EdgegwError) => e.retryAfterMs);
client.connect();
// @ts-expect-error there is no such event
client.on('nothing', () => {});
// @ts-expect-error what is typed is told as start or stop
client.typing('on');
