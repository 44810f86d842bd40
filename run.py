"""The entry point: `python run.py --help` shows every command."""

import os
import sys

# Some machines and most container images disable bytecode, so Python would compile 4,000 modules at every start.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # for the processes that this one starts
os.environ.setdefault("OMP_NUM_THREADS", "1")  # BLAS reads it once, when NumPy is imported; see driftgate/workspace.py

try:
    from cli.main import main
except KeyboardInterrupt:  # as `main` does
    print("stopped", file=sys.stderr)
    sys.exit(130)

if __name__ == "__main__":
    main()
