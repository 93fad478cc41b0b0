"""Reads the Autobahn test suite, which is written in Python 2, into Python 3.

A string of Python 2 is a row of bytes. So the sources are read as Latin-1, where
every byte is one character: slices, sums and comparisons of such strings then
come out as they did, and only what goes to a socket or comes from one is turned
(fuzzingclient.py). The rest is a few words that Python 3 spells differently. No
case and no judgement is changed, except for the lines of PATCHES.
"""

import builtins
import binascii
import pathlib
import re
import types

from autobahn.websocket import compress

# What every module needs. These are whole lines, or words that stand nowhere
# else in the suite.
SPELLINGS = [
    (re.compile(r"^(\s*)print$", re.MULTILINE), r"\1print()"),
    (re.compile(r"^(\s*)print (.*)$", re.MULTILINE), r"\1print(\2)"),
    (re.compile(r"^(\s*)except (\w+), (\w+):$", re.MULTILINE), r"\1except \2 as \3:"),
    (re.compile(r"([\w.\[\]]+)\.has_key\(([\w.\"\-]+)\)"), r"(\2 in \1)"),
    # Case was a class of the old kind, for which this order was fine.
    (re.compile(r"\(object, Case, \)"), "(Case, )"),
]

# Single lines: file, old, new. A suite in which one of them is missing is another
# suite, and refused.
PATCHES = [
    # Two equal values need not have the same pickle in Python 3.
    ("case/case.py", "pickle.dumps(obj1) == pickle.dumps(obj2)", "obj1 == obj2"),
    ("case/case.py", "class Case:", "class Case(object):"),
    # The quotient of whole numbers was whole.
    ("case/case10_1_1.py", "len(self.payload) / self.p.autoFragmentSize", "len(self.payload) // self.p.autoFragmentSize"),
    # Autobahn's own check of UTF-8 wants bytes.
    ("case/case6_x_x.py", "res = v.validate(vss[:i])", "res = v.validate(vss[:i].encode('latin-1'))"),
    # A case that the suite defines and never runs; zope has no such call any more.
    ("case/case9_9_1.py", "from zope.interface import implements", "implements = lambda interface: None"),
    # Nothing here runs over TLS.
    ("fuzzing.py", "from twisted.internet import reactor, ssl", "from twisted.internet import reactor"),
]


def octets(text):
    """The bytes of a string of the suite, or of anything that has bytes already."""
    return text.encode("latin-1") if isinstance(text, str) else text


def text(data):
    """Bytes as the suite knows them."""
    return data.decode("latin-1")


def _hexadecimal(data):
    return text(binascii.b2a_hex(octets(data)))


class _Offer(compress.PerMessageDeflateOffer):
    """An offer of compression with the names that its parts had."""

    def __init__(self, requestNoContextTakeover=False, requestMaxWindowBits=0):
        super().__init__(request_no_context_takeover=requestNoContextTakeover, request_max_window_bits=requestMaxWindowBits)
        self.requestNoContextTakeover, self.requestMaxWindowBits = requestNoContextTakeover, requestMaxWindowBits


class Suite:
    """The modules of the suite in a folder, each read when it is first asked for."""

    def __init__(self, folder, version):
        self.folder = pathlib.Path(folder) / "autobahntestsuite"
        self.modules = {}
        # What the suite gets when it imports these.
        self.stand_ins = {
            "binascii": types.SimpleNamespace(b2a_hex=_hexadecimal, hexlify=_hexadecimal),
            "pkg_resources": types.SimpleNamespace(resource_filename=lambda package, path: str(self.folder / path)),
            "autobahn.websocket.compress": types.SimpleNamespace(
                PerMessageDeflateOffer=_Offer,
                PerMessageDeflateOfferAccept=compress.PerMessageDeflateOfferAccept,
                PerMessageDeflateResponse=compress.PerMessageDeflateResponse,
                PerMessageDeflateResponseAccept=compress.PerMessageDeflateResponseAccept),
            # For web pages, which nobody makes here.
            "report": types.SimpleNamespace(CSS_COMMON="", CSS_DETAIL_REPORT="", CSS_MASTER_REPORT="", JS_MASTER_REPORT=""),
            "autobahntestsuite": types.SimpleNamespace(version=version),
        }

    def module(self, name):
        """The module of that name: "fuzzing", "case", "case.case1_1_1"."""
        if name not in self.modules:
            path = self._path(name)
            if path is None:
                raise ImportError(f"the suite has no module {name}")
            self._load(name, path)
        return self.modules[name]

    def _path(self, name):
        path = self.folder.joinpath(*name.split("."))
        for candidate in (path / "__init__.py", path.with_suffix(".py")):
            if candidate.is_file():
                return candidate
        return None

    def _load(self, name, path):
        module = types.ModuleType(name)
        inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
        names = dict(vars(builtins), xrange=range, unichr=chr)
        names["__import__"] = self._importer(inside)
        module.__dict__.update(__file__=str(path), __builtins__=names)
        self.modules[name] = module
        code = compile(self._source(path), str(path), "exec")
        exec(code, module.__dict__)

    def _source(self, path):
        source = path.read_bytes().decode("latin-1")
        # The line that names the encoding would be believed.
        source = re.sub(r"\A#.*coding.*\n", "\n", source)
        for pattern, replacement in SPELLINGS:
            source = pattern.sub(replacement, source)
        file = path.relative_to(self.folder).as_posix()
        for where, old, new in PATCHES:
            if where != file:
                continue
            if source.count(old) != 1:
                raise ImportError(f"{file} does not hold {old!r} once: this is not the version that the patches are for")
            source = source.replace(old, new)
        return source

    def _importer(self, inside):
        """An import as Python 2 did it: what lies in the same package comes first."""

        def find(name, variables=None, local=None, wanted=(), level=0):
            if name in self.stand_ins:
                return self.stand_ins[name]
            beside = f"{inside}.{name}" if inside else name
            if self._path(beside) is not None:
                return self.module(beside)
            return builtins.__import__(name, variables, local, wanted, level)

        return find
