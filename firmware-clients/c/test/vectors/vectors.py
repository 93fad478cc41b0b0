#!/usr/bin/env python3
"""Replays testdata/protocol to the C client: vectors.py REPLAY FOLDER.

REPLAY is the program of replay.c. What the files mean stands in the README.md of
FOLDER; a member or a file that is not known here fails.
"""

import base64
import json
import pathlib
import subprocess
import sys
import urllib.parse

TEXTS = {
    "type", "room", "id", "user", "reason", "code", "epoch", "encoding", "message",
    "durability", "clock", "role", "session", "connection",
}
NUMBERS = {
    "seq", "from", "to", "ts", "server_time", "expires_in", "ping_interval",
    "max_message_bytes", "retry_after_ms", "protocol", "replay", "recovered",
}
# Members of frames that this client passes over.
PASSED_OVER = {"typing": {"state"}, "presence": {"event", "count"}}

FILES = {
    "client-frames.json": {"name", "frame", "base64", "odd", "command", "published", "error"},
    "queries.json": {"name", "odd", "query", "resume", "error"},
    "gateway-frames.json": {"name", "frame", "members", "published", "raw"},
    "errors.json": {"name", "frame", "members", "closes_raw"},
    "closes.json": {"name", "base64", "unsent", "code", "reason", "retry_after_ms", "client"},
}
COMMANDS = {
    "message": {"type", "room", "id", "data"},
    "subscribe": {"type", "room", "after", "epoch", "latest"},
    "unsubscribe": {"type", "room"},
    "auth": {"type", "token"},
    # What no C client needs to say: it has the pings of WebSocket, and does not type.
    "ping": {"type"},
    "typing": {"type", "room", "state"},
}


class Replay:
    """The program, and what went wrong."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.checked = 0
        self.faults = []

    def ask(self, verb, *words):
        """Asks, with words of bytes, texts or None, and returns the answer's words."""
        encoded = []
        for w in (verb, *words):
            if w is None:
                encoded.append("-")
                continue
            encoded.append((w if isinstance(w, bytes) else str(w).encode()).hex() or "00")
        self.process.stdin.write(" ".join(encoded) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"vectors: the client broke at {verb} {words}")
        return line.split()

    def check(self, case, what, got, want):
        self.checked += 1
        if got != want:
            self.faults.append(f"{case}: {what} is {got!r}, want {want!r}")


def cases(folder, name):
    """The cases of a file, each with members that are known, and a name of its own."""
    names = set()
    listed = json.loads((folder / name).read_text("utf-8"))
    if not listed:
        sys.exit(f"vectors: {name} is empty")
    for case in listed:
        unknown = set(case) - FILES[name]
        if unknown or case["name"] in names:
            sys.exit(f"vectors: {name}: {case['name']}: unknown {unknown}, or there twice")
        names.add(case["name"])
    return listed


def carried(published):
    """What a message carries, as bytes."""
    (kind, value), = published.items()
    if kind == "base64":
        return base64.b64decode(value)
    if kind not in ("json", "text"):
        sys.exit(f"vectors: published {kind} is unknown")
    return value.encode()


def gateway_frame(r, case):
    first, *words = r.ask("frame", case["frame"])
    r.check(case["name"], "the frame", first, "read")
    got = dict(w.split("=") for w in words)
    kind = case["members"]["type"]
    for member, want in case["members"].items():
        if member in TEXTS:
            r.check(case["name"], member, bytes.fromhex(got[member]).decode(), want)
        elif member in NUMBERS:
            r.check(case["name"], member, got.get(member), str(int(want)))
        elif member == "data":
            r.check(case["name"], member, json.loads(bytes.fromhex(got[member])), want)
        elif member not in PASSED_OVER.get(kind, ()):
            sys.exit(f"vectors: the client does not read {member}")
    for member in ("replay", "recovered"):
        r.check(case["name"], f"having {member}", member in got, member in case["members"])
    if "published" in case:
        want = carried(case["published"])
        data, decoded = bytes.fromhex(got["data"]), bytes.fromhex(got["bytes"])
        r.check(case["name"], "what it carries", data if "json" in case["published"] else decoded, want)


def client_frame(r, case):
    """Has the client say a command. It gives every message an id."""
    command = case.get("command")
    if case.get("odd") or "error" in case or command is None:
        return None
    kind = command["type"]
    if kind not in COMMANDS or set(command) - COMMANDS[kind]:
        sys.exit(f"vectors: {case['name']}: the command {command} is unknown")
    latest = "1" if command.get("latest") else None
    if kind == "message":
        data = carried(case["published"])
        said = r.ask("publish", command.get("room"), command.get("id"), data)
    elif kind == "subscribe":
        said = r.ask("subscribe", command["room"], command.get("after"), command.get("epoch"), latest)
    elif kind == "unsubscribe":
        said = r.ask("unsubscribe", command["room"])
    elif kind == "auth":
        said = r.ask("auth", command["token"])
    else:
        return kind
    text = bytes.fromhex(said[0] if said else "")
    got, want = json.loads(text), json.loads(case["frame"])
    if kind == "message":
        r.check(case["name"], "the data", text.endswith(b'"data":' + data + b"}"), True)
        if "id" not in command:
            r.check(case["name"], "having an id", 1 <= len(got.pop("id", "").encode()) <= 64, True)
    r.check(case["name"], "the command", got, want)
    return kind


def query(r, case):
    if case.get("odd") or "error" in case:
        return
    resume = case["resume"]
    if set(resume) - {"after", "epoch", "latest"}:
        sys.exit(f"vectors: {case['name']}: {resume} is unknown")
    said, = r.ask("query", resume.get("after"), resume.get("epoch"), "1" if resume.get("latest") else None)
    got = urllib.parse.parse_qs(bytes.fromhex(said).decode().lstrip("?"), strict_parsing=True)
    r.check(case["name"], "the room", got.pop("room"), ["lobby"])
    r.check(case["name"], "the query", got, urllib.parse.parse_qs(case["query"]))


def close(r, case):
    payload = base64.b64decode(case["base64"])
    told, wait, does = r.ask("close", payload) if payload else r.ask("close", None)
    line = bytes.fromhex(told)
    # The client's answer stands behind: the same code, or none.
    code = case.get("code", 1005)
    want = f"closed {code} {case.get('reason', '')}".encode() + payload[:2]
    r.check(case["name"], "what it tells and answers", line, want)
    # "own" is the answer to a close that this client has not sent: it comes back.
    r.check(case["name"], "what it does", does, "reconnect" if case["client"] == "own" else case["client"])
    if does == "stop":
        r.check(case["name"], "the wait", int(wait), 2**32 - 1)
    elif "retry_after_ms" in case:
        r.check(case["name"], "the wait", int(wait), case["retry_after_ms"])
    else:
        r.check(case["name"], "the wait from 1 to 500 ms", 1 <= int(wait) <= 500, True)


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    found = {p.name for p in folder.glob("*.json") if not p.name.startswith("conversation-")}
    if found != set(FILES):  # the fault course plays the conversations
        sys.exit(f"vectors: {found ^ set(FILES)} is missing or unknown")
    r = Replay(program)
    for name in ("gateway-frames.json", "errors.json"):
        for case in cases(folder, name):
            gateway_frame(r, case)
    kinds = {client_frame(r, case) for case in cases(folder, "client-frames.json")}
    if kinds - {None} != set(COMMANDS):
        sys.exit(f"vectors: no vector has the commands {set(COMMANDS) - kinds}")
    for case in cases(folder, "queries.json"):
        query(r, case)
    for case in cases(folder, "closes.json"):
        close(r, case)
    r.process.stdin.close()
    if r.process.wait() != 0:
        sys.exit("vectors: the client did not end well")
    for fault in r.faults:
        print(fault, file=sys.stderr)
    print(f"vectors: {r.checked} checks, {len(r.faults)} faults")
    sys.exit(1 if r.faults else 0)


main()
