"""Puts each peer against `envelope` and a running `envelope-verifier`, both ways, and prints Markdown.

    python3 matrix.py ENVELOPE ENVELOPE-VERIFIER PEERS FOLDER
"""

import json
import sys
from pathlib import Path

from flaws import FLAWS
from keys import ED25519, P256
from measure import Peer, ours, refusals, signs, verifies
from stage import Stage


def main():
    """Prints three tables."""
    envelope, verifier, _, folder = sys.argv[1:]
    peers = [Peer(**peer) for peer in json.loads(Path(sys.argv[3]).read_text())]
    stage = Stage(envelope, verifier, Path(folder))
    try:
        report(stage, peers)
    finally:
        stage.close()


def report(stage, peers):
    """All that is measured."""
    print("| peer | signs, Ed25519 | signs, P-256 | verifies, Ed25519 | verifies, P-256 |\n|---|---|---|---|---|")
    notes, present = [], []
    for peer in peers:
        if not peer.installed():
            print(f"| {peer.name}{peer.variant} |" + " **NOT INSTALLED** |" * 4)
            continue
        present.append(peer)
        row = []
        for does, measure in (("signs", signs), ("verifies", verifies)):
            for algorithm in (ED25519, P256):
                total, failures = measure(stage, peer, algorithm)
                row.append(f"{total - len(failures)} of {total}")
                for why in dict.fromkeys(why for _, why in failures):
                    where = [label for label, reason in failures if reason == why]
                    notes.append(f"| {peer.title()} | {does}, {algorithm} | {'all' if len(where) == total else ', '.join(where)} | {why} |")
        print(f"| {peer.title()} | " + " | ".join(row) + " |")
    print("\nWhat did not pass:\n\n| peer | does | requests | what was said |\n|---|---|---|---|")
    print("\n".join(notes))
    print("\nWhat a verifier says of a flaw:\n\n| verifier | set up | " + " | ".join(FLAWS.values()) + " |")
    print("|---|---|" + "---|" * len(FLAWS))
    print("| envelope-verifier | | " + " | ".join(ours(stage)) + " |")
    for peer in present:
        comes, told = refusals(stage, peer, False), refusals(stage, peer, True)
        rows = {"either": told} if comes == told else {"as it comes": comes, "told all": told}
        for how, row in rows.items():
            print(f"| {peer.title()} | {how} | " + " | ".join(row) + " |")


main()
