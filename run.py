"""The entry point: `python run.py --help` shows every command."""

import sys

sys.dont_write_bytecode = False  # some machines switch bytecode off, and then compile 4,000 modules at every start

from cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
