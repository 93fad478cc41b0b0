# edgegw.py: a client of edgegw for MicroPython (1.20 and newer) and CPython (3.9 and
# newer), one file, asyncio, the standard library alone. It does what
# docs/PROTOCOL.md section 7 asks of a client: it logs in, connects, comes back by
# itself, resumes where it was, sends again what was not acknowledged, and says
# honestly when something may be missing. It never asks the wall clock: boards boot
# in 1970 or in 2000. README.md has a start in five minutes.

import asyncio
import binascii
import hashlib
import json
import os
import time
from collections import OrderedDict

FIRST_WAIT = 500
MOST_WAIT = 20000
STABLE = 30000
GRACE = 10000
TIMEOUT = 15
BEGINNING = 512  # bytes of a message frame that hold everything but its data
DEEPEST = 20  # of nested JSON; a parser on a small stack takes no more
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3

try:
    ticks_ms, ticks_diff = time.ticks_ms, time.ticks_diff
except AttributeError:  # CPython

    def ticks_ms():
        return int(time.monotonic() * 1000)

    def ticks_diff(a, b):
        return a - b


class Error(Exception):
    """A code of PROTOCOL section 8, or "network", "too_large", "stopped"."""

    def __init__(self, code, message="", status=0, retry_after_ms=0):
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_ms = retry_after_ms


class Closed(Exception):
    """The connection has ended; code 0 is without a close frame."""

    def __init__(self, code=0, reason=""):
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def action_for(code):
    """What a client does after a close code (PROTOCOL section 7)."""
    if code in (1002, 1007):
        return "stop"
    special = {1009: "skip", 4001: "refresh", 4501: "login"}.get(code)
    if special:
        return special
    return "stop" if 4500 <= code <= 4999 else "reconnect"


def retry_after(reason):
    """The milliseconds that a close reason asks to stay away, 0 if it does not."""
    for word in reason.split(" "):
        if word.startswith("retry_after_ms=") and word[15:].isdigit() and len(word) < 25:
            return int(word[15:])
    return 0


def resume_query(after=None, epoch=None, latest=False):
    """The part of the query of /ws that resumes."""
    parts = []
    if after is not None:
        parts.append("after=%d" % after)
    if epoch is not None:
        parts.append("epoch=" + quote(epoch))
    if latest:
        parts.append("latest=1")
    return "&".join(parts)


def quote(s):
    out = []
    for b in s.encode():
        c = chr(b)
        out.append(c if c.isalpha() and b < 128 or c.isdigit() or c in "-._~" else "%%%02X" % b)
    return "".join(out)


def rand(most):
    """An even random number from 1 to most."""
    return 1 + int.from_bytes(os.urandom(4), "big") % max(1, int(most))


def depth(buf, n):
    """How deep the JSON in buf[:n] is nested, without parsing it."""
    level = deepest = i = 0
    quoted = False
    while i < n:
        c = buf[i]
        if quoted:
            if c == 0x5C:
                i += 1
            elif c == 0x22:
                quoted = False
        elif c == 0x22:
            quoted = True
        elif c == 0x7B or c == 0x5B:
            level += 1
            deepest = max(deepest, level)
        elif c == 0x7D or c == 0x5D:
            level -= 1
        i += 1
    return deepest


def der(pem):
    """The first certificate of a file in PEM (RFC 7468), as MicroPython wants it."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if begin not in pem or end not in pem:
        raise ValueError("no certificate in PEM")
    return binascii.a2b_base64(pem.split(begin, 1)[1].split(end, 1)[0])


def beginning(text):
    """Room and seq of a message frame of which only the beginning is here, or None."""

    def behind(name):
        return text.split(b'"data"', 1)[0].split(b'"' + name + b'"', 1)[1].split(b":", 1)[1]

    try:
        if behind(b"type").split(b'"')[1] != b"message":
            return None
        return behind(b"room").split(b'"')[1].decode(), int(behind(b"seq").split(b",")[0].strip())
    except (IndexError, ValueError):
        return None


class Stream:
    """A connection with reads into a buffer of the caller's."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.into = getattr(reader, "readinto", None)

    async def fill(self, view):
        at, n = 0, len(view)
        while at < n:
            if self.into:  # MicroPython
                got = await self.into(view[at:n])
                if not got:
                    raise Closed()
                at += got
            else:
                try:
                    view[:n] = await self.reader.readexactly(n)
                except (asyncio.IncompleteReadError, OSError):
                    raise Closed()
                at = n

    async def line(self):
        try:
            b = await self.reader.readline()
        except ValueError as e:  # a certificate, or a line without an end
            raise Error("network", str(e).strip())
        if not b:
            raise Closed()
        if len(b) > 2048:
            raise Error("network", "a header that is too long")
        return b.decode().strip()

    async def send(self, data):
        try:
            self.writer.write(data)
            await self.writer.drain()
        except ValueError as e:  # how MicroPython says that it does not trust a certificate
            raise Error("network", str(e).strip())

    def close(self):
        try:
            # close() does nothing in MicroPython before wait_closed().
            getattr(self.writer, "s", self.writer).close()
        except OSError:
            pass


class Client:
    """One account's connection to one gateway, over all breaks. on_event(kind, value)
    is called for "welcome", "subscribed", "message", "gap", "lost", "unsubscribed",
    "error", "auth_ok", "typing", "presence", "login", "closed" and "too_large" (a frame
    that did not fit and was no message; a message is a "gap" of that reason)."""

    def __init__(self, url, device_key=None, username=None, password=None, room=None, after=None, epoch=None, latest=False, on_event=None, buffer=2048, outbox=16, ssl=None):
        scheme, rest = url.split("://", 1)
        host, _, self.base = rest.partition("/")
        if scheme not in ("http", "https") or not host:
            raise ValueError("url has to be http://HOST:PORT or https://HOST:PORT")
        self.host = host
        name, _, port = host.rpartition(":") if ":" in host else (host, "", "")
        self.address = name.strip("[]")
        self.port = int(port or (443 if scheme == "https" else 80))
        self.ssl = (ssl or True) if scheme == "https" else None
        self.device_key = device_key
        self.username = username
        self.password = password
        self.home = room
        self.rooms = {room or "": {"after": after, "epoch": epoch, "latest": latest, "slack": 0, "known": False}}
        self.on_event = on_event or (lambda kind, value: None)
        self.buffer = bytearray(buffer)
        self.view = memoryview(self.buffer)
        self.head = memoryview(bytearray(8))
        self.out = bytearray(14)
        self.most = outbox
        self.outbox = OrderedDict()
        self.prefix = binascii.hexlify(os.urandom(6)).decode() + "-"
        self.next_id = 0
        self.access = self.refresh_token = None
        self.ends = 0
        self.tries = 0
        self.stream = None
        self.open = False
        self.stopping = False
        self.lock = asyncio.Lock()
        self.tasks = []
        self.reading = self.resting = None
        self.sent = set()
        self.welcomed = None
        self.quiet_until = 0
        self.renewing = False

    # ---- HTTP

    async def _dial(self):
        try:
            if self.ssl:
                return Stream(*await asyncio.wait_for(asyncio.open_connection(self.address, self.port, ssl=self.ssl, server_hostname=self.address), TIMEOUT))
            return Stream(*await asyncio.wait_for(asyncio.open_connection(self.address, self.port), TIMEOUT))
        except (OSError, asyncio.TimeoutError) as e:
            raise Error("network", "the gateway does not answer: " + str(e))

    async def _head(self, s):
        """The status and the headers of an answer."""
        parts = (await s.line()).split(" ")
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise Error("network", "this is no HTTP")
        headers = {}
        for _ in range(64):
            line = await s.line()
            if not line:
                return int(parts[1]), headers
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        raise Error("network", "too many headers")

    async def _body(self, s, headers):
        n = headers.get("content-length", "0")
        if not n.isdigit() or int(n) > 8192:
            raise Error("network", "a body that is too long")
        b = bytearray(int(n))
        await s.fill(memoryview(b))
        try:
            return json.loads(bytes(b)) if b and depth(b, len(b)) <= DEEPEST else {}
        except ValueError:
            return {}

    async def _exchange(self, s, method, path, body, token):
        data = b"" if body is None else json.dumps(body).encode()
        lines = [method + " " + path + " HTTP/1.1", "Host: " + self.host, "Connection: close"]
        if token:
            lines.append("Authorization: Bearer " + token)
        if body is not None:
            lines += ["Content-Type: application/json", "Content-Length: %d" % len(data)]
        await s.send("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        status, headers = await self._head(s)
        said = await self._body(s, headers) if status != 204 else {}
        if status >= 300:
            raise self._problem(status, headers, said)
        return said

    def _problem(self, status, headers, said):
        wait = headers.get("retry-after", "0")
        return Error(said.get("code", "unavailable"), said.get("detail", ""), status, int(wait) * 1000 + rand(1000) if wait.isdigit() and int(wait) else 0)

    async def request(self, method, path, body=None, token=None):
        """A request to the gateway; the answer's JSON."""
        s = await self._dial()
        try:
            return await asyncio.wait_for(self._exchange(s, method, path, body, token), TIMEOUT)
        except (Closed, OSError, asyncio.TimeoutError):
            raise Error("network", "the gateway does not answer")
        finally:
            s.close()

    # ---- tokens

    def _take(self, pair, how):
        self.access = pair["access_token"]
        self.refresh_token = pair.get("refresh_token", self.refresh_token)
        self.ends = ticks_ms() + min(int(pair["expires_in"]), 400000) * 1000
        self.on_event("login", {"how": how})
        return self.access

    async def token(self, fresh=False):
        """An access token that is good for a while; renewed if need be."""
        if not fresh and self.access and ticks_diff(self.ends, ticks_ms()) > 5000:
            return self.access
        if self.refresh_token:
            try:
                return self._take(await self.request("POST", "/auth/refresh", {"refresh_token": self.refresh_token}), "refresh")
            except Error as e:
                if e.status != 401:
                    raise
                self.refresh_token = None
        body = {"device_key": self.device_key} if self.device_key else {"username": self.username, "password": self.password}
        if self.home:
            body["room"] = self.home
        if self.device_key:
            return self._take(await self.request("POST", "/auth/device", body), "device")
        return self._take(await self.request("POST", "/auth/login", body), "password")

    # ---- the connection

    async def run(self):
        """Connects, and stays connected until stop() or an end for good, which it
        raises: Closed with a code that says stop, or Error."""
        while not self.stopping:
            try:
                await self._connect()
                wait = self._after_close(Closed())
            except Closed as c:
                wait = self._after_close(c)
            except (OSError, asyncio.TimeoutError):
                wait = self._after_close(Closed())
            except Error as e:
                if e.status in (400, 401, 403) and not (e.status == 401 and self.access):
                    self._give_up(e)
                    raise
                if e.status == 401:
                    self.access = None
                wait = e.retry_after_ms or self._backoff()
                self.on_event("closed", {"code": e.status, "reason": e.code, "wait_ms": wait})
            finally:
                self._drop()
            if not self.stopping:
                await self._rest(wait)

    async def _nap(self, ms):
        await asyncio.sleep(ms / 1000)  # which is no coroutine in MicroPython

    async def _rest(self, ms):
        self.resting = asyncio.create_task(self._nap(ms))
        try:
            await self.resting
        except asyncio.CancelledError:
            if not self.stopping:
                raise
        finally:
            self.resting = None

    def _backoff(self):
        most = min(MOST_WAIT, FIRST_WAIT << min(self.tries, 10))
        self.tries += 1
        return rand(most)

    def _after_close(self, c):
        if self.stopping:
            return 0
        if self.welcomed and ticks_diff(ticks_ms(), self.welcomed[1]) > STABLE:
            self.tries = 0
        action = action_for(c.code)
        if action == "stop":
            self.on_event("closed", {"code": c.code, "reason": c.reason, "wait_ms": -1})
            self._give_up(c)
            raise c
        if action == "refresh":
            self.access = None
        if action == "login":
            self.access = self.refresh_token = None
        if action == "skip":
            longest = max(self.outbox.values(), key=lambda p: len(p["frame"])) if self.outbox else None
            if longest:
                self._settle(longest["id"], Error("too_large", "the gateway takes no message of this length"))
        wait = retry_after(c.reason) or self._backoff()
        self.on_event("closed", {"code": c.code, "reason": c.reason, "wait_ms": wait})
        return wait

    def _give_up(self, why):
        self.stopping = True
        for id in list(self.outbox):
            self._settle(id, Error("stopped", str(why)))

    def _drop(self):
        self.open = False
        for t in self.tasks + [self.reading]:
            if t:
                t.cancel()
        self.tasks, self.reading = [], None
        if self.stream:
            self.stream.close()
            self.stream = None

    async def stop(self):
        """Ends it for good."""
        self.stopping = True
        if self.stream and self.open:
            try:
                await self._send(8, b"\x03\xe8")
            except (OSError, Closed):
                pass
        for task in (self.reading, self.resting):
            if task:
                task.cancel()

    async def _connect(self):
        token = await self.token()
        s = self.stream = await self._dial()
        await asyncio.wait_for(self._handshake(s, token), TIMEOUT)
        self.sent = set()
        self.asked = set()
        self.confirmed = set()
        self.renewing = self.gone = False
        self.silence = TIMEOUT * 1000
        self.last = ticks_ms()
        self.tasks.append(asyncio.create_task(self._watch()))
        self.reading = asyncio.create_task(self._read(s))
        try:
            await self.reading
        except asyncio.CancelledError:
            if self.gone or self.stopping:
                raise Closed()
            raise

    async def _read(self, s):
        while True:
            op, n = await self._frame(s)
            self.last = ticks_ms()
            if op == 9:
                await self._send(10, bytes(self.view[:n]))
            elif op == 8:
                await self._closing(n)
            elif op == 1 and n >= 0:
                await self._text(n)

    async def _handshake(self, s, token):
        r = self.rooms[self.home or ""]
        query = resume_query(r["after"], r["epoch"], r["latest"])
        if self.home:
            query = "room=" + quote(self.home) + ("&" + query if query else "")
        key = binascii.b2a_base64(os.urandom(16)).strip()
        lines = ["GET /ws" + ("?" + query if query else "") + " HTTP/1.1", "Host: " + self.host, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + key.decode(), "Authorization: Bearer " + token]
        await s.send("\r\n".join(lines).encode() + b"\r\n\r\n")
        status, headers = await self._head(s)
        if status != 101:
            raise self._problem(status, headers, await self._body(s, headers))
        want = binascii.b2a_base64(hashlib.sha1(key + GUID).digest()).strip().decode()
        if headers.get("sec-websocket-accept") != want:
            raise Error("network", "what answers is no WebSocket")

    async def _watch(self):
        """Takes a gateway for gone that has been silent for too long."""
        while ticks_diff(ticks_ms(), self.last) <= self.silence:
            await asyncio.sleep(max(0.2, self.silence / 4000))
        self.gone = True
        self.reading.cancel()

    def _bad(self, code=1002):
        raise Closed(0, "protocol")

    async def _frame(self, s):
        """One message into the buffer: its opcode and length, the latter -1 for one
        that did not fit and was passed over (RFC 6455 section 5)."""
        at, first = 0, 0
        lost = 0
        while True:
            await s.fill(self.head[:2])
            b0, b1 = self.head[0], self.head[1]
            op, n = b0 & 15, b1 & 127
            if b0 & 0x70 or b1 & 0x80 or op in (3, 4, 5, 6, 7) or op > 10:
                self._bad()
            if op >= 8:
                if n > 125 or not b0 & 0x80:
                    self._bad()
                if first:  # between fragments: answered apart, so that they are kept
                    control = bytearray(n)
                    await s.fill(memoryview(control))
                    if op == 8:
                        self.view[:n] = control
                        return op, n
                    if op == 9:
                        await self._send(10, bytes(control))
                    continue
                await s.fill(self.view[:n])
                return op, n
            if n == 126:
                await s.fill(self.head[:2])
                n = self.head[0] << 8 | self.head[1]
                if n < 126:
                    self._bad()
            elif n == 127:
                await s.fill(self.head[:8])
                n = int.from_bytes(bytes(self.head[:8]), "big")
                if n < 65536 or n >= 1 << 31:
                    self._bad()
            if (op == 0) != bool(first):
                self._bad()
            first = first or op
            if lost or at + n > len(self.buffer):
                lost += at + n
                front = min(len(self.buffer) // 2, BEGINNING)  # is kept, to say what was lost
                while n > 0:
                    if at >= front:
                        at = front
                    part = min(n, len(self.buffer) - at)
                    await s.fill(self.view[at:at + part])
                    self.last = ticks_ms()
                    at += part
                    n -= part
            else:
                await s.fill(self.view[at:at + n])
                at += n
            if b0 & 0x80:
                if lost:
                    self._too_large(bytes(self.view[:min(at, BEGINNING, len(self.buffer) // 2)]), {"bytes": lost, "most": len(self.buffer)})
                    return first, -1
                return first, at

    def _too_large(self, front, why):
        """A message that cannot be read is a gap; of other frames nothing is known."""
        room, seq = beginning(front) or (None, 0)
        r = self.rooms.get(room)
        if r is None or room not in self.confirmed:
            self.on_event("too_large", why)
        elif seq > r["after"]:
            self.on_event("gap", {"type": "gap", "room": room, "from": r["after"] + 1, "to": seq, "reason": "too_large"})
            r["after"], r["slack"] = seq, 0

    async def _send(self, op, data):
        """One masked frame; control frames and messages go out whole."""
        async with self.lock:
            s = self.stream
            if s is None:
                raise Closed()
            n, mask = len(data), os.urandom(4)
            head = bytearray([0x80 | op])
            if n < 126:
                head.append(0x80 | n)
            elif n < 65536:
                head.append(0x80 | 126)
                head += n.to_bytes(2, "big")
            else:
                head.append(0x80 | 127)
                head += n.to_bytes(8, "big")
            head += mask
            masked = bytearray(data)
            for i in range(n):
                masked[i] ^= mask[i & 3]
            await s.send(bytes(head))
            await s.send(bytes(masked))

    async def _closing(self, n):
        code, reason = 0, ""
        if n >= 2:
            code = self.buffer[0] << 8 | self.buffer[1]
            try:
                reason = bytes(self.view[2:n]).decode()
            except (UnicodeError, ValueError):
                reason = ""
        try:
            await self._send(8, bytes(self.view[:min(n, 2)]))
        except (OSError, Closed):
            pass
        raise Closed(code, reason)

    async def _text(self, n):
        if depth(self.buffer, n) > DEEPEST:
            return self._too_large(bytes(self.view[:min(n, BEGINNING)]), {"bytes": n, "depth": DEEPEST})
        try:
            f = json.loads(bytes(self.view[:n]))
        except (ValueError, UnicodeError):
            return self._bad(1007)
        if not isinstance(f, dict) or (not self.open and f.get("type") != "welcome"):
            self._bad()
        try:
            await self._act(f.get("type"), f)
        except (KeyError, TypeError, ValueError, AttributeError):  # members that are missing, or of another type
            self._bad()

    async def _act(self, kind, f):
        if kind == "welcome":
            await self._welcome(f)
        elif kind in ("subscribed", "message", "gap"):
            self._of_room(kind, f)
        elif kind == "ack":
            self._settle(f.get("id"), f)
        elif kind == "error":
            self._refused(f)
        elif kind == "unsubscribed":
            if f.get("reason") != "requested":
                self.rooms.pop(f.get("room"), None)
            self.confirmed.discard(f.get("room"))
            self.on_event(kind, f)
        elif kind == "token_expiring":
            if not self.renewing:
                self.renewing = True
                self.tasks.append(asyncio.create_task(self._renew(int(f.get("expires_in", 0)))))
        elif kind in ("auth_ok", "typing", "presence"):
            self.on_event(kind, f)

    async def _welcome(self, f):
        if f.get("protocol") != 1:
            raise Error("protocol", "another protocol", 400)
        if self.home is None:  # the default room has a name now
            self.home = f["room"]
            self.rooms.setdefault(self.home, self.rooms.pop(""))
        self.silence = f["ping_interval"] * 1000 + GRACE
        self.welcomed = (f["server_time"], ticks_ms())
        self.asked.add(self.home)
        self.open = True
        self.on_event("welcome", f)
        for room in list(self.rooms):
            await self._ask(room)
        self.flush()

    def server_time(self):
        """The gateway's time in Unix milliseconds, None before the first welcome."""
        return self.welcomed and self.welcomed[0] + ticks_diff(ticks_ms(), self.welcomed[1])

    async def _ask(self, room):
        if room in self.asked or not self.open:
            return
        self.asked.add(room)
        r = self.rooms[room]
        f = {"type": "subscribe", "room": room}
        if r["after"] is not None:
            f["after"] = r["after"]
        if r["epoch"] is not None:
            f["epoch"] = r["epoch"]
        if r["latest"]:
            f["latest"] = True
        await self._send(1, json.dumps(f).encode())

    def _of_room(self, kind, f):
        name = f.get("room")
        r = self.rooms.get(name)
        if r is None:
            return
        if kind == "subscribed":
            return self._subscribed(r, name, f)
        if name not in self.confirmed:
            return
        if kind == "gap":
            if f["to"] > r["after"]:
                r["after"] = f["to"]
                self.on_event("gap", f)
            return
        seq, at = f["seq"], r["after"]
        if seq <= at:
            return  # had
        if seq > at + 1 + r["slack"]:
            self.on_event("gap", {"type": "gap", "room": name, "from": at + 1, "to": seq - 1, "reason": "missing"})
        r["slack"] = 0
        r["after"] = seq
        self.on_event("message", f)

    def _subscribed(self, r, name, f):
        if name in self.confirmed:
            return
        self.confirmed.add(name)
        had, same, seq = r["after"], r["epoch"] == f["epoch"], f["seq"]
        r["known"], r["epoch"], r["slack"] = True, f["epoch"], 0
        lost, recovered = None, f.get("recovered")
        if recovered is True:
            pass  # the position is good in the new epoch, too
        elif recovered is None and "replay" in f and had is not None:
            start = min(max(0, seq - f["replay"]), max(f["from"], 1) - 1)
            if had > seq:
                lost, r["after"] = (f["from"], seq), seq
            elif had < start:
                lost, r["after"] = (had + 1, start), start
        else:
            if recovered is False and had is not None:
                lost = (had + 1 if same and had <= seq else f["from"], seq)
            r["after"] = seq
            if r["latest"] and seq > 0:
                r["after"], r["slack"] = seq - 1, 1
        self.on_event("subscribed", f)
        if lost:
            self.on_event("lost", {"room": name, "epoch": f["epoch"], "from": lost[0], "to": lost[1]})

    async def _renew(self, seconds):
        wait, tries = rand(seconds * 500), 0
        while True:
            await asyncio.sleep(wait / 1000)
            try:
                token = await self.token(True)
                await self._send(1, json.dumps({"type": "auth", "token": token}).encode())
                self.renewing = False
                return
            except Error as e:
                wait = e.retry_after_ms or rand(min(MOST_WAIT, FIRST_WAIT << min(tries, 10)))
                tries += 1
            except (OSError, Closed):
                return

    def _refused(self, f):
        id, wait = f.get("id"), f.get("retry_after_ms", 0)
        if id in self.outbox:
            if wait or f["code"] == "rate_limited":
                self.sent.discard(id)
                self.tasks.append(asyncio.create_task(self._later(wait or 100)))
            else:
                self._settle(id, Error(f["code"], f.get("message", "")))
            return
        if f.get("code") == "rate_limited" and not f.get("room"):  # nobody says which it was
            self.sent.clear()
            self.quiet_until = ticks_ms() + (wait or 100)
            self.tasks.append(asyncio.create_task(self._later(wait or 100)))
            return
        room = f.get("room")
        if room in self.asked and room not in self.confirmed and not wait:
            self.rooms.pop(room, None)
            self.on_event("unsubscribed", {"type": "unsubscribed", "room": room, "reason": f["code"]})
        self.on_event("error", f)

    async def _later(self, ms):
        await asyncio.sleep(ms / 1000)
        self.quiet_until = 0
        self.flush()

    # ---- what an application does

    async def publish(self, data, room=None, id=None):
        """Publishes; returns the ack. It is sent again, with the same id, until then."""
        if id is None:
            id = self.prefix + "%x" % self.next_id
            self.next_id += 1
        if not 1 <= len(id.encode()) <= 64:
            raise Error("invalid_request", "an id has 1 to 64 bytes")
        if self.stopping:
            raise Error("stopped")
        if id in self.outbox:
            raise Error("conflict", "a message with this id is under way")
        if len(self.outbox) >= self.most:
            raise Error("busy", "too many messages are under way")
        f = {"type": "message", "id": id, "data": data}
        if room or self.home:
            f["room"] = room or self.home
        p = self.outbox[id] = {"id": id, "frame": json.dumps(f).encode(), "done": asyncio.Event(), "result": None}
        self.flush()
        try:
            await p["done"].wait()
        finally:
            self.outbox.pop(id, None)
            self.sent.discard(id)
        if isinstance(p["result"], Exception):
            raise p["result"]
        return p["result"]

    def _settle(self, id, result):
        p = self.outbox.get(id)
        if p and p["result"] is None:
            p["result"] = result
            p["done"].set()

    def flush(self):
        if self.open and not getattr(self, "flushing", False) and ticks_diff(self.quiet_until, ticks_ms()) <= 0:
            self.flushing = True
            asyncio.create_task(self._flush())

    async def _flush(self):
        try:
            again = True
            while again and self.open:
                again = False
                for id, p in list(self.outbox.items()):
                    if id in self.sent or p["result"] is not None:
                        continue
                    self.sent.add(id)
                    again = True
                    await self._send(1, p["frame"])
        except (OSError, Closed):
            pass  # the reader finds out
        finally:
            self.flushing = False

    async def subscribe(self, room, after=None, epoch=None, latest=False):
        """Joins a room as well, and stays in it across reconnects."""
        if room not in self.rooms:
            self.rooms[room] = {"after": after, "epoch": epoch, "latest": latest, "slack": 0, "known": False}
            await self._ask(room)

    async def unsubscribe(self, room):
        if self.rooms.pop(room, None) and self.open:
            self.asked.discard(room)
            self.confirmed.discard(room)
            await self._send(1, json.dumps({"type": "unsubscribe", "room": room}).encode())

    def position(self, room=None):
        """How far the client has come in a room: (seq, epoch), or None."""
        r = self.rooms.get(room or self.home or "")
        return (r["after"], r["epoch"]) if r and r["known"] else None
