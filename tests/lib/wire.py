"""protobuf by hand (field number, value), so that no generated code is needed."""


def varint(n):
    out = b""
    while True:
        out += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return out


def enc(*fields):
    """(number, int|str|bytes), ...; negative numbers as int64"""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value & (1 << 64) - 1)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def dec(data):
    """First value of each field."""
    return {number: values[0] for number, values in dec_all(data).items()}


def dec_all(data):
    """All values of each field."""
    out, i = {}, 0

    def num():
        nonlocal i
        n = shift = 0
        while True:
            b = data[i]
            i += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    while i < len(data):
        key = num()
        if key & 7 == 0:
            value = num()
        else:
            size = num() if key & 7 == 2 else 8 if key & 7 == 1 else 4
            value = data[i : i + size]
            i += size
        out.setdefault(key >> 3, []).append(value)
    return out
