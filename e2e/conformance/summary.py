"""Says what came of a run of the Autobahn test suite: the table that stands in
docs/CONFORMANCE.md, the cases that failed, and whether both are as they should be.

A run is good when every case did what the suite expects, strictly or not, and
when only compression is not implemented, which is by choice.
"""

import argparse
import json
import pathlib
import sys

COLUMNS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")
# edgegw negotiates no extension; docs/CONFORMANCE.md says why.
COMPRESSION = ("12", "13")
# Between these lines the document is made by this program.
BEGIN, END = "<!-- begin of the results -->\n", "<!-- end of the results -->\n"


def group_of(case_id):
    return case_id.split(".")[0]


def good(case_id, result):
    behavior, close = result["behavior"], result["behaviorClose"]
    if behavior == "UNIMPLEMENTED":
        return close == "OK" and group_of(case_id) in COMPRESSION
    return behavior in ("OK", "NON-STRICT", "INFORMATIONAL") and close in ("OK", "INFORMATIONAL")


def table(results):
    """Rows of numbers: group, then each column, failed, left out."""
    rows = {}
    for case_id, result in results["cases"].items():
        row = rows.setdefault(group_of(case_id), [0] * (len(COLUMNS) + 2))
        if good(case_id, result):
            row[COLUMNS.index(result["behavior"])] += 1
        else:
            row[-2] += 1
    for case_id in results["left_out"]:
        rows.setdefault(group_of(case_id), [0] * (len(COLUMNS) + 2))[-1] += 1
    return dict(sorted(rows.items(), key=lambda kv: int(kv[0])))


def markdown(results):
    rows = table(results)
    lines = ["| group | cases | OK | non-strict | informational | not implemented | failed | left out |", "|---|---|---|---|---|---|---|---|"]
    for group, row in rows.items():
        lines.append(line(f"{group} {results['groups'][group]}", row))
    lines.append(line("all", [sum(column) for column in zip(*rows.values())]))
    lines.append("")
    lines.append(
        f"Autobahn test suite {results['suite']} on Autobahn {results['client']}, messages of up to {results['message_bytes']} bytes.")
    if results["left_out"]:
        lines.append(f"Left out, because their messages are longer than `max_message_bytes` can be: {', '.join(results['left_out'])}.")
    return "".join(one + "\n" for one in lines)


def line(name, row):
    return "| " + " | ".join([name, str(sum(row)), *map(str, row)]) + " |"


def settled(text):
    """The text with OK and non-strict taken together: see the document for why a
    case can be the one today and the other tomorrow."""
    lines = []
    for one in text.splitlines():
        cells = one.strip("|").split("|")
        if len(cells) > 4 and cells[1].strip().isdigit():
            cells[2:4] = [str(int(cells[2]) + int(cells[3]))]
        lines.append("|".join(cells))
    return lines


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("results")
    parse.add_argument("--document", help="check that it holds this table")
    parse.add_argument("--update", action="store_true", help="write the table into the document instead")
    asked = parse.parse_args()
    results = json.loads(pathlib.Path(asked.results).read_text())
    text = markdown(results)
    print(text)

    failed = {i: r for i, r in results["cases"].items() if not good(i, r)}
    for case_id, r in failed.items():
        print(f"FAILED {case_id}: {r['behavior']}, {r['result']}")
        print(f"    its end: {r['behaviorClose']}, {r['resultClose']} (close code {r['remoteCloseCode']}, {r['duration']} ms)")
    if failed:
        return 1
    if not asked.document:
        return 0
    path = pathlib.Path(asked.document)
    head, found, rest = path.read_text().partition(BEGIN)
    kept, end, tail = rest.partition(END)
    if not found or not end:
        print(f"{path} has no lines between {BEGIN.strip()} and {END.strip()}")
        return 1
    if asked.update:
        path.write_text(head + BEGIN + text + END + tail)
    elif settled(kept) != settled(text):
        print(f"{path} says something else than this run; if the run is right: scripts/test-conformance.sh --update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
