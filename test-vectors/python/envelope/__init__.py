"""envelope/1, a second implementation, written from `spec/envelope.md` and `spec/keys.md` alone."""

OLDEST = 43  # for ECDSA with k of RFC 6979


def _demand_cryptography() -> None:
    """Stops the program, loudly, rather than say half of what it should."""
    try:
        from cryptography import __version__ as version
    except ImportError:
        version = ""
    if not version or int(version.partition(".")[0]) < OLDEST:
        found = f"IS TOO OLD ({version})" if version else "IS MISSING"
        raise SystemExit(
            f"THE PACKAGE cryptography {found}, NOTHING WAS CHECKED: pip install 'cryptography>={OLDEST}'"
        )


_demand_cryptography()
