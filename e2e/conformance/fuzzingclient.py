"""Runs cases of the Autobahn test suite against a gateway and writes down what
the suite thinks of it.

It is the suite's fuzzing client with two things more: every case gets a room of
its own, since a raw connection hears all that is said in its room, and a token.
The cases, what they expect and how they judge are the suite's; the WebSocket
client underneath is Autobahn's.
"""

import argparse
import collections
import importlib.metadata
import json
import pathlib
import sys
import urllib.parse

from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet import reactor

import python2

# A case that has not ended by itself then is cut off, which fails it. The suite's
# own limits go up to 1000 s.
CASE_SECONDS = 100

# The suite gives a peer 0.5 to 1 s for most answers, which a busy machine can
# miss. Who answers in time is not kept waiting by this.
PATIENCE = 4


def client_protocol(fuzzing):
    """The suite's fuzzing client, between its strings and a socket's bytes."""

    class Client(fuzzing.FuzzingClientProtocol):
        def connectionMade(self):
            super().connectionMade()
            self.createWirelog = False
            self.cut_off = reactor.callLater(CASE_SECONDS, self.dropConnection, abort=True)

        def connectionLost(self, reason):
            if self.cut_off.active():
                self.cut_off.cancel()
            super().connectionLost(reason)

        def killAfter(self, delay):
            super().killAfter(delay * PATIENCE)

        def closeAfter(self, delay):
            super().closeAfter(delay * PATIENCE)

        def failConnection(self, *args, **named):  # the name it had
            self._fail_connection(*args, **named)

        def sendFrame(self, opcode, payload=b"", **named):
            super().sendFrame(opcode, python2.octets(payload), **named)

        def sendMessage(self, payload, isBinary=False, **named):
            super().sendMessage(python2.octets(payload), isBinary, **named)

        def sendMessageFrameData(self, payload, sync=False):
            return super().sendMessageFrameData(python2.octets(payload), sync)

        def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
            super().sendCloseFrame(code, python2.octets(reasonUtf8), isReply)

        def onMessage(self, payload, isBinary):
            super().onMessage(python2.text(payload), isBinary)

        def onPong(self, payload):
            super().onPong(python2.text(payload))

        # Of the logs only the count of frames is used, by case 10.1.1.
        def logRxOctets(self, data):
            pass

        def logTxOctets(self, data, sync):
            pass

        def logRxFrame(self, frameHeader, payload):
            pass

        def logTxFrame(self, frameHeader, *rest):
            self.txFrameStats[frameHeader.opcode] = self.txFrameStats.get(frameHeader.opcode, 0) + 1

    return Client


class Lane(WebSocketClientFactory):
    """Runs one case after the other, for as long as there are any."""

    def __init__(self, run):
        super().__init__()
        self.run = run
        self.protocol = run.protocol
        self.logFrames = True
        self.CaseSet, self.specExcludeAgentCases = run.cases, []
        self.id = None

    def next(self):
        if not self.run.waiting:
            self.run.lane_ended()
            return
        self.id = self.run.waiting.popleft()
        room = "case-" + self.id.replace(".", "-")
        self.setSessionParameters(
            url=f"{self.run.url}/ws?format=raw&room={room}", useragent="edgegw-conformance",
            headers={"Authorization": "Bearer " + self.run.token})
        self.resetProtocolOptions()
        self.setProtocolOptions(
            failByDrop=False,  # as the suite does it; what follows is what Autobahn waits anyway
            openHandshakeTimeout=5 * PATIENCE, closeHandshakeTimeout=PATIENCE, serverConnectionDropTimeout=PATIENCE)
        reactor.connectTCP(self.host, self.port, self, timeout=10)

    def buildProtocol(self, address):
        client = self.protocol()
        client.factory = self
        client.caseAgent, client.case = "edgegw", self.run.cases.CasesIndices[self.id]
        client.Case = self.run.cases.CasesById[self.id]
        client.runCase = client.Case(client)
        return client

    def logCase(self, result):
        self.run.note(self.id, result)

    def clientConnectionLost(self, connector, reason):
        if self.id not in self.run.results:
            self.run.fail(self.id, "the client broke down in this case")
        self.next()

    def clientConnectionFailed(self, connector, reason):
        self.run.fail(self.id, "no connection: " + reason.getErrorMessage())
        self.next()


class Run:
    """All cases that were asked for."""

    def __init__(self, suite, url, token):
        case, caseset = suite.module("case"), suite.module("caseset")
        self.cases = caseset.CaseSet(case.CaseSetname, case.CaseBasename, case.Cases, case.CaseCategories, case.CaseSubCategories)
        self.groups = case.CaseCategories
        self.protocol = client_protocol(suite.module("fuzzing"))
        self.url, self.token = url, token
        self.waiting, self.results, self.lanes = collections.deque(), {}, 0
        # The suite's own limits are timers in this process, which a case that
        # moves megabytes holds up: those go last, and alone.
        self.heavy, self.left_out = [], []

    def ask(self, patterns, most):
        """Chooses cases; those with messages of more than most bytes are left out."""
        try:
            ids = self.cases.parseSpecCases({"cases": patterns})
        except ValueError:
            ids = []  # not even a number
        unknown = [i for i in ids if i not in self.cases.CasesById]
        if unknown or not ids:
            raise SystemExit(f"no such cases: {' '.join(unknown or patterns)}")
        self.left_out = [i for i in ids if self.size(i) > most]
        ids = [i for i in ids if i not in self.left_out]
        self.waiting.extend(i for i in ids if not i.startswith("9."))
        self.heavy = [i for i in ids if i.startswith("9.")]

    def size(self, case_id):
        """The bytes of a case's message, if that is what the case is about."""
        if not case_id.startswith("9."):
            return 0
        return getattr(self.cases.CasesById[case_id](protocol=None), "DATALEN", 0)

    def start(self, lanes):
        self.lanes = lanes
        for _ in range(lanes):
            Lane(self).next()

    def lane_ended(self):
        self.lanes -= 1
        if self.lanes > 0:
            return
        if not self.heavy:
            reactor.stop()
            return
        self.waiting.extend(self.heavy)
        self.heavy = []
        self.start(1)

    def note(self, case_id, result):
        kept = ("behavior", "behaviorClose", "result", "resultClose", "remoteCloseCode", "duration")
        self.results[case_id] = {k: result[k] for k in kept}

    def fail(self, case_id, why):
        self.results[case_id] = {
            "behavior": "FAILED", "behaviorClose": "FAILED", "result": why, "resultClose": why,
            "remoteCloseCode": None, "duration": 0}


def main():
    # Every wait above has an end, and so has the whole.
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--suite", required=True, help="folder that the suite's wheel was unpacked into")
    parse.add_argument("--url", required=True, help="ws://ADDRESS of the gateway, on this machine")
    parse.add_argument("--token-file", required=True)
    parse.add_argument("--cases", nargs="+", default=["*"], help="numbers, with * as wildcard")
    parse.add_argument("--message-bytes", type=int, required=True, help="the longest message that the gateway takes")
    parse.add_argument("--lanes", type=int, default=8, help="cases at the same time")
    parse.add_argument("--seconds", type=int, default=900, help="the end, whatever is left")
    parse.add_argument("--out", required=True, help="file for the results")
    asked = parse.parse_args()
    if urllib.parse.urlsplit(asked.url).hostname not in ("127.0.0.1", "::1", "localhost"):
        parse.error("the gateway has to be on this machine")

    version = next(pathlib.Path(asked.suite).glob("autobahntestsuite-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    run = Run(python2.Suite(asked.suite, version), asked.url, pathlib.Path(asked.token_file).read_text().strip())
    run.ask(asked.cases, asked.message_bytes)
    wanted = [*run.waiting, *run.heavy]
    reactor.callWhenRunning(run.start, asked.lanes)
    reactor.callLater(asked.seconds, reactor.stop)
    reactor.run()
    for case_id in wanted:
        if case_id not in run.results:
            run.fail(case_id, "the run was over before this case was")
    pathlib.Path(asked.out).write_text(json.dumps({
        "suite": version, "client": importlib.metadata.version("autobahn"),
        "groups": run.groups, "message_bytes": asked.message_bytes, "left_out": run.left_out, "cases": {i: run.results[i] for i in wanted}}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
