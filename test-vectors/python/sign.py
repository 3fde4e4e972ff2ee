"""Prints the header fields that sign a request, one a line.

    python3 sign.py METHOD URL --key call.pem --certificate call.jws [--body F] [-H 'Name: value']
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

from envelope.keys import PrivateKey
from envelope.message import ENVELOPE_FIELDS
from envelope.refusal import Refusal
from envelope.signing import Signer


def main() -> int:
    """Prints the four fields, or on stderr the code of the refusal."""
    arguments = read_arguments()
    key = PrivateKey.from_pem(arguments.key.read_bytes())
    certificate = arguments.certificate.read_text(encoding="ascii").strip()
    try:
        request = Signer(key, certificate).sign(
            arguments.method,
            arguments.url,
            now=int(time.time()),
            random=secrets.token_bytes(16),
            headers=[read_field(line) for line in arguments.header],
            body=arguments.body.read_bytes() if arguments.body else None,
        )
    except Refusal as refusal:
        print(f"sign: error: {refusal}", file=sys.stderr)
        return 1
    for name, value in request.headers:
        if name.lower() in ENVELOPE_FIELDS:
            print(f"{name}: {value}")
    return 0


def read_arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description="Print the header fields that sign a request")
    parser.add_argument("method")
    parser.add_argument("url")
    parser.add_argument("--key", type=Path, required=True, help="call key, PKCS#8 PEM")
    parser.add_argument("--certificate", type=Path, required=True, help="its certificate")
    parser.add_argument("--body", type=Path, help="file with the body")
    parser.add_argument(
        "-H", "--header", action="append", default=[], help="field that is sent: it is covered"
    )
    return parser.parse_args()


def read_field(line: str) -> tuple[str, str]:
    """`Name: value`."""
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


if __name__ == "__main__":
    sys.exit(main())
