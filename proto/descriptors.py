#!/usr/bin/env python3
"""descriptors.py PROTOC FOLDER OUTPUT: compiles every .proto file below the folder and writes the set of their
descriptors as a C array (descriptors.h)."""
import pathlib
import subprocess
import sys
import tempfile


def main():
    protoc, folder, output = sys.argv[1:]
    files = sorted(str(path) for path in pathlib.Path(folder).rglob("*.proto"))
    with tempfile.NamedTemporaryFile(suffix=".pb") as made:
        subprocess.run([protoc, f"--proto_path={folder}", f"--descriptor_set_out={made.name}", *files], check=True)
        data = made.read()
    lines = [", ".join(f"{byte}" for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    text = ",\n\t".join(lines)
    pathlib.Path(output).write_text(f"""/* Made by descriptors.py. */
#include "descriptors.h"

const unsigned char weir_descriptors[] = {{
\t{text}
}};
const size_t weir_descriptors_bytes = sizeof(weir_descriptors);
""")


main()
