#!/usr/bin/env python3
"""Writes the standard rules as a C source: their bytes and their length.

    embed.py OUTPUT FILE
"""
import sys


def main(output, path):
    with open(path, "rb") as file:
        data = file.read()
    lines = ['#include "rules/documents/rule_files.h"', "", "const char weir_standard_yaml[] = {"]
    lines += ["\t" + "".join("%d," % (byte if byte < 128 else byte - 256) for byte in data[at : at + 32])
              for at in range(0, len(data), 32)]
    lines += ["\t0", "};", "const size_t weir_standard_yaml_length = %d;" % len(data), ""]
    with open(output, "w", encoding="ascii") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
