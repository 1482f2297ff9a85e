#!/usr/bin/env python3
"""Writes the page's files as one C source: bytes, length, type and entity tag of each.

    embed.py OUTPUT FILE...
"""
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}


def main(output, paths):
    lines = ['#include "exporters/page_assets.h"', ""]
    rows = []
    for i, path in enumerate(paths):
        with open(path, "rb") as file:
            data = file.read()
        name = os.path.basename(path)
        tag = hashlib.sha256(data).hexdigest()[:16]
        lines.append("static const unsigned char file_%d[] = {" % i)
        lines += ["\t" + "".join("%d," % byte for byte in data[at : at + 32]) for at in range(0, len(data), 32)]
        lines.append("};")
        rows.append(
            '\t{ "%s", "%s", "\\"%s\\"", file_%d, sizeof(file_%d) },' % (name, TYPES[os.path.splitext(name)[1]], tag, i, i)
        )
    lines += ["", "const struct weir_page_asset weir_page_assets[] = {"] + rows + ["};"]
    lines += ["const size_t weir_page_asset_count = sizeof(weir_page_assets) / sizeof(weir_page_assets[0]);", ""]
    with open(output, "w", encoding="ascii") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
