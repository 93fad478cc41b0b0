#!/usr/bin/env python3
"""Whom the POSIX port trusts over TLS: tls.py CLIENT, the program of client.c.

Servers with certificates of all kinds stand on loopback, and the client goes to them
by name and by address.
"""

import hashlib
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


class Authority:
    """A CA of its own, and what it has signed."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        openssl("req", "-x509", *self.new_key(self.key), "-out", self.cert, "-subj", f"/CN={name}", "-days", "3650",
                "-addext", "keyUsage=critical,keyCertSign")

    @staticmethod
    def new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def sign(self, name, alternatives, *life):
        """A server's certificate with the CA's behind it, as the gateway sends them."""
        path = self.folder / name
        request, extensions = path.with_suffix(".csr"), path.with_suffix(".ext")
        openssl("req", *self.new_key(path.with_suffix(".key")), "-out", request, "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={alternatives}\n")
        cert = openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                       "-extfile", extensions, *(life or ("-days", "30")))
        chain = path.with_suffix(".pem")
        chain.write_bytes(cert + self.cert.read_bytes() + path.with_suffix(".key").read_bytes())
        return chain


def pin_of(certificate):
    """The SHA-256 of a certificate's public key."""
    public = openssl("x509", "-in", certificate, "-pubkey", "-noout")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, check=True, stdout=subprocess.PIPE).stdout
    return hashlib.sha256(der).hexdigest()


class Server:
    """Refuses every login, and notes whether one came."""

    def __init__(self, chain):
        self.asked = 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            conn, _ = self.listener.accept()
            conn.settimeout(5)
            try:
                with self.context.wrap_socket(conn, server_side=True) as secured:
                    if secured.recv(4096):
                        self.asked += 1
                        secured.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                conn.close()  # it did not trust, and said so


def main():
    program = sys.argv[1]
    faults = checked = 0
    with tempfile.TemporaryDirectory() as folder:
        own = Authority(pathlib.Path(folder), "own")
        other = Authority(pathlib.Path(folder), "other")
        both, named, addressed, elsewhere = (
            own.sign("both", "DNS:localhost,IP:127.0.0.1"), own.sign("named", "DNS:localhost"),
            own.sign("addressed", "IP:127.0.0.1"), own.sign("elsewhere", "DNS:gateway.local,IP:10.0.0.1,IP:::1"))
        ended, foreign = own.sign("ended", "DNS:localhost,IP:127.0.0.1", "-days", "-1"), other.sign("foreign", "DNS:localhost,IP:127.0.0.1")
        # The address as a name, which is none.
        spelt = own.sign("127.0.0.1", "DNS:127.0.0.1")
        cases = [
            ("ok by name", both, "localhost", own.cert, None, False, "trusted"),
            ("ok by address", both, "127.0.0.1", own.cert, None, False, "trusted"),
            ("ok by the only name", named, "localhost", own.cert, None, False, "trusted"),
            ("ok by the only address", addressed, "127.0.0.1", own.cert, None, False, "trusted"),
            ("bad address", named, "127.0.0.1", own.cert, None, False, "refused"),
            ("bad name", addressed, "localhost", own.cert, None, False, "refused"),
            ("bad address, among others", elsewhere, "127.0.0.1", own.cert, None, False, "refused"),
            ("bad name, among others", elsewhere, "localhost", own.cert, None, False, "refused"),
            ("bad address that is spelt as a name", spelt, "127.0.0.1", own.cert, None, False, "refused"),
            ("bad CA", foreign, "localhost", own.cert, None, False, "refused"),
            ("bad CA, without a calendar", foreign, "localhost", own.cert, None, True, "refused"),
            ("bad no CA", both, "localhost", None, None, False, "invalid"),
            ("bad certificate that has ended", ended, "localhost", own.cert, None, False, "refused"),
            ("ok certificate that has ended, without a calendar", ended, "localhost", own.cert, None, True, "trusted"),
            ("ok address of one that has ended, without a calendar", ended, "127.0.0.1", own.cert, None, True, "trusted"),
            ("bad name, without a calendar", elsewhere, "localhost", own.cert, None, True, "refused"),
            ("ok pin of the CA", both, "localhost", own.cert, pin_of(own.cert), False, "trusted"),
            ("ok pin of the server", both, "127.0.0.1", own.cert, pin_of(both), False, "trusted"),
            ("bad pin", both, "localhost", own.cert, pin_of(other.cert), False, "refused"),
            ("bad pin, without a calendar", ended, "localhost", own.cert, pin_of(other.cert), True, "refused"),
            ("bad CA whose pin is right", foreign, "localhost", own.cert, pin_of(other.cert), False, "refused"),
        ]
        for name, chain, host, ca, pin, untimed, want in cases:
            server = Server(chain)
            words = [program, f"https://{host}:{server.port}", str(ca or "-"), pin or "-", "untimed" if untimed else "-"]
            got = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=20, check=True).stdout.strip()
            checked += 1
            if got != want or (server.asked > 0) != (want == "trusted"):
                faults += 1
                print(f"{name}: {got} after {server.asked} requests, want {want}", file=sys.stderr)
    print(f"tls: {checked} servers, {faults} faults")
    sys.exit(1 if faults else 0)


main()
