"""The curve arithmetic that the strictness of 3.1 needs and OpenSSL does not give.

Only public points are handled here, so nothing has to be constant-time.
"""

P25519 = 2**255 - 19
D25519 = -121665 * pow(121666, -1, P25519) % P25519
SQRT_MINUS_1 = pow(2, (P25519 - 1) // 4, P25519)

P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Point = tuple[int, int]


def decode_ed25519(data: bytes) -> Point | None:
    """The point of a canonical encoding (RFC 8032 section 5.1.3), else None."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P25519:
        return None
    x = _square_root((y * y - 1) * pow(D25519 * y * y + 1, -1, P25519) % P25519)
    if x is None or (x == 0 and sign == 1):
        return None
    return (P25519 - x if x & 1 != sign else x), y


def is_small_order(point: Point) -> bool:
    """True when 8 times the point is the neutral element."""
    for _ in range(3):
        point = _double(point)
    return point == (0, 1)


def is_strict_ed25519(data: bytes) -> bool:
    """A canonically encoded point of Ed25519 that is not of small order."""
    point = decode_ed25519(data)
    return point is not None and not is_small_order(point)


def is_on_p256(x: int, y: int) -> bool:
    """Both coordinates are below p, and the point is on the curve."""
    return x < P256 and y < P256 and (y * y - (x * x * x - 3 * x + B256)) % P256 == 0


def _square_root(square: int) -> int | None:
    root = pow(square, (P25519 + 3) // 8, P25519)
    if root * root % P25519 != square:
        root = root * SQRT_MINUS_1 % P25519
    return root if root * root % P25519 == square else None


def _double(point: Point) -> Point:
    x, y = point
    product = D25519 * x * x * y * y % P25519
    return (
        2 * x * y * pow(1 + product, -1, P25519) % P25519,
        (y * y + x * x) * pow(1 - product, -1, P25519) % P25519,
    )
