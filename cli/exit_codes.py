"""The exit codes of every command. click itself exits with 2 if the command line is wrong."""

DONE, ERROR, BLOCKED = 0, 1, 3
INTERRUPTED = 130  # the shell's exit code for Ctrl-C
