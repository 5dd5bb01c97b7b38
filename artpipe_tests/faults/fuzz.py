"""Coverage-guided fuzzing (atheris) of what reads strangers' bytes; at a fault it stops, and keeps the bytes.

    pip install atheris
    python artpipe_tests/faults/fuzz.py TARGET --minutes 10

A corpus grows in `--corpus` (by default below the folder for temporary files) from the seeds of the target. What it
found is put into `findings/TARGET/`, where the tests run it from then on.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from pathlib import Path


def main() -> None:
    import atheris  # pyright: ignore[reportMissingImports] - no dependency: it is installed for this alone

    with atheris.instrument_imports(include=["artpipe", "protego", "starlette", "python_multipart", "PIL"]):
        from artpipe_tests.faults.fuzz_targets import FINDINGS, TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "artpipe_fuzz")
    options = parser.parse_args()
    name, target = options.target, TARGETS[options.target]
    corpus, findings = options.corpus / name, FINDINGS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.all_seeds(name):
        (corpus / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)

    def run(data: bytes) -> None:
        try:
            target.check(data)
        except BaseException:
            findings.mkdir(parents=True, exist_ok=True)
            file = findings / hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]
            file.write_bytes(data)
            sys.stderr.write(f"a fault, kept in {file}\n")
            raise

    arguments = [
        sys.argv[0],
        f"-max_total_time={int(60 * options.minutes)}",
        f"-max_len={target.max_bytes}",
        "-timeout=20",
        "-rss_limit_mb=3000",
        f"-artifact_prefix={corpus.parent}{os.sep}",
        "-print_final_stats=1",
        str(corpus),
    ]
    atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
