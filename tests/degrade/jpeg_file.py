"""Read the quantized coefficients out of a baseline JPEG file: what no imaging library of Python shows."""

import numpy as np

ZIGZAG = sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else n % 8))


def coefficients_in(data):
    """One array a component: rows of blocks x columns of blocks x 8 x 8, padding blocks included."""
    tables, components, position = {}, [], 2
    while True:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        body = data[position + 4 : position + 2 + length]
        position += 2 + length
        if marker == 0xC0:
            height, width = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
            for n in range(body[5]):
                sampling = body[7 + 3 * n]
                components.append({"h": sampling >> 4, "v": sampling & 15})
        elif marker == 0xC4:
            _read_tables(body, tables)
        elif marker == 0xDA:
            for n, component in enumerate(components):
                selector = body[2 + 2 * n]
                component["dc"], component["ac"] = tables[0, selector >> 4], tables[1, selector & 15]
            break
    return _read_scan(_bits(data[position:]), components, height, width)


def _read_tables(body, tables):
    while body:
        kind, counts = body[0], body[1:17]
        values = body[17 : 17 + sum(counts)]
        body = body[17 + sum(counts) :]
        code, taken, table = 0, 0, {}
        for length, count in enumerate(counts, 1):
            for _ in range(count):
                table[length, code] = values[taken]
                code, taken = code + 1, taken + 1
            code <<= 1
        tables[kind >> 4, kind & 15] = table


def _bits(data):
    end = data.index(b"\xff\xd9")
    for byte in data[:end].replace(b"\xff\x00", b"\xff"):
        for shift in range(7, -1, -1):
            yield byte >> shift & 1


def _read_scan(bits, components, height, width):
    across, down = max(c["h"] for c in components), max(c["v"] for c in components)
    rows, columns = -(-height // (8 * down)), -(-width // (8 * across))
    planes = [np.zeros((rows * c["v"], columns * c["h"], 64), int) for c in components]
    before = [0] * len(components)
    for unit in range(rows * columns):
        row, column = divmod(unit, columns)
        for n, c in enumerate(components):
            for v in range(c["v"]):
                for h in range(c["h"]):
                    block = _read_block(bits, c)
                    before[n] += block[0]
                    block[0] = before[n]
                    planes[n][row * c["v"] + v, column * c["h"] + h, ZIGZAG] = block
    return [plane.reshape(*plane.shape[:2], 8, 8) for plane in planes]


def _read_block(bits, component):
    block = [0] * 64
    block[0] = _number(bits, _symbol(bits, component["dc"]))
    place = 1
    while place < 64:
        symbol = _symbol(bits, component["ac"])
        if symbol == 0:
            break
        place += symbol >> 4
        if symbol & 15:
            block[place] = _number(bits, symbol & 15)
        place += 1
    return block


def _symbol(bits, table):
    code = 0
    for length in range(1, 17):
        code = code << 1 | next(bits)
        if (length, code) in table:
            return table[length, code]
    raise ValueError("not a code of the table")


def _number(bits, size):
    value = 0
    for _ in range(size):
        value = value << 1 | next(bits)
    return value if size == 0 or value >> (size - 1) else value - (1 << size) + 1
