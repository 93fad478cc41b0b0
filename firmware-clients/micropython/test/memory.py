# What the client takes of a heap, on MicroPython: micropython test/memory.py URL KEY
import gc
import sys

sys.path.insert(0, (__file__.rsplit("/", 1)[0] if "/" in __file__ else ".") + "/..")
gc.collect()
start = gc.mem_alloc()
import asyncio  # noqa: E402

import edgegw  # noqa: E402

gc.collect()
loaded = gc.mem_alloc()
heard = [0, 0, 0]


def note(kind, value):
    if kind != "message":
        return
    heard[0] += 1
    if heard[0] == 100:
        gc.collect()
        gc.disable()
        heard[1] = gc.mem_alloc()
    elif heard[0] == 200:
        heard[2] = gc.mem_alloc() - heard[1]
        gc.enable()


async def main():
    client = edgegw.Client(sys.argv[1], device_key=sys.argv[2], room="memory", on_event=note)
    run = asyncio.create_task(client.run())
    while not client.open:
        await asyncio.sleep(0.05)
    gc.collect()
    connected = gc.mem_alloc()
    for i in range(200):
        await client.publish({"temp": 21.5})
    while heard[0] < 200:
        await asyncio.sleep(0.02)
    gc.collect()
    print("memory: module %d bytes, connected %d more, after 200 messages %+d; a message there and back allocates %d, which the collector takes back"
          % (loaded - start, connected - loaded, gc.mem_alloc() - connected, heard[2] // 100))
    assert gc.mem_alloc() - connected < 6000, "it keeps what it should not"
    await client.stop()
    run.cancel()


asyncio.run(main())
