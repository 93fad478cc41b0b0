# The client in the fault course, on CPython and on MicroPython's Unix port:
# e2e/course/README.md says what a driver does.
import asyncio
import json
import os
import sys

sys.path.insert(0, (__file__.rsplit("/", 1)[0] if "/" in __file__ else ".") + "/..")
import edgegw  # noqa: E402

MICRO = sys.implementation.name == "micropython"


def env(name):
    return os.getenv("COURSE_" + name) or None


def tell(event, **members):
    members["event"] = event
    print(json.dumps(members))


def heard(kind, value):
    if kind == "login":
        tell(kind, refresh_token=client.refresh_token, how=value["how"])
    elif kind == "welcome":
        tell("connected", room=value["room"])
    elif kind == "presence":
        tell(kind, room=value["room"], user=value["user"], what=value["event"], count=value["count"])
    elif kind in ("subscribed", "message", "gap", "lost", "typing", "closed"):
        tell(kind, **{name: v for name, v in value.items() if name != "type"})


def trust(path):
    """A context that trusts this CA and no other."""
    import ssl

    if not MICRO:
        return ssl.create_default_context(cafile=path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    with open(path, "rb") as f:
        context.load_verify_locations(cadata=edgegw.der(f.read()))
    return context


if env("TIMEOUT_MS"):
    edgegw.TIMEOUT = int(env("TIMEOUT_MS")) / 1000
client = edgegw.Client(
    env("URL"), device_key=env("DEVICE_KEY"), username=env("USER"), password=env("PASSWORD"), room=env("ROOM"), on_event=heard,
    buffer=int(env("MAX_MESSAGE") or 131072), outbox=64, ssl=trust(env("CA")) if env("CA") else None)
client.refresh_token = env("REFRESH")
waiting = []  # what the client has no place for


async def publish():
    while waiting:
        command = waiting.pop(0)
        try:
            ack = await client.publish(command["data"], id=command["id"])
            tell("ack", id=command["id"], seq=ack["seq"])
        except edgegw.Error as e:
            if e.code != "stopped":
                tell("failed", id=command["id"], code=e.code)


async def obey(command, publishers):
    do = command["do"]
    if do == "publish":
        waiting.append(command)
        publishers[:] = [p for p in publishers if not p.done()]
        if len(publishers) < 64:
            publishers.append(asyncio.create_task(publish()))
    elif do == "subscribe":
        await client.subscribe(command["room"])
    elif do == "time":
        tell("time", unix_ms=client.server_time())
    elif do != "typing":  # it has none to send
        sys.stderr.write("unknown command\n")
        sys.exit(2)


async def commands():
    reader = asyncio.StreamReader(sys.stdin) if MICRO else asyncio.StreamReader(1 << 20)
    if not MICRO:
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    publishers = []
    while True:
        line = await reader.readline()
        command = json.loads(line) if line else {"do": "stop"}
        if command["do"] == "stop":
            return await client.stop()
        await obey(command, publishers)


async def main():
    told = asyncio.create_task(commands())
    try:
        await client.run()
    except (edgegw.Closed, edgegw.Error) as e:
        tell("stopped", code=e.code if isinstance(e, edgegw.Closed) else e.status, reason=e.reason if isinstance(e, edgegw.Closed) else e.code)
        told.cancel()
        return 3
    return 0


if not MICRO:
    sys.stdout.reconfigure(line_buffering=True)
sys.exit(asyncio.run(main()))
