# A device for the tests against the real gateway; runs on CPython and MicroPython.
# Arguments: URL KEY ROOM COUNT. It publishes so many messages, 20 ms apart, waits
# until all are acknowledged and have come back, and prints its ledger.
import asyncio
import json
import sys

sys.path.insert(0, (__file__.rsplit("/", 1)[0] if "/" in __file__ else ".") + "/..")
import edgegw  # noqa: E402

url, key, room, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
ledger = {"acked": {}, "got": [], "missed": [], "ends": [], "logins": []}


def heard(kind, value):
    if kind == "message":
        ledger["got"].append([value["seq"], value.get("id")])
    elif kind in ("gap", "lost"):
        ledger["missed"].append([kind, value["from"], value["to"]])
    elif kind == "closed":
        ledger["ends"].append([value["code"], value["wait_ms"]])
    elif kind == "login":
        ledger["logins"].append(value["how"])


async def send(client, id):
    ack = await client.publish({"n": id}, id=id)
    ledger["acked"][id] = ack["seq"]


async def main():
    client = edgegw.Client(url, device_key=key, room=room, after=0, on_event=heard, outbox=1000)
    run = asyncio.create_task(client.run())
    sending = []
    for i in range(n):
        sending.append(asyncio.create_task(send(client, "m%d" % i)))
        await asyncio.sleep(0.02)
    for s in sending:
        await s
    for _ in range(1000):
        if len(ledger["got"]) >= n:
            break
        await asyncio.sleep(0.02)
    await client.stop()
    run.cancel()
    print(json.dumps(ledger))


asyncio.run(main())
