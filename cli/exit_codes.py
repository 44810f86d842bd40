"""The exit codes of every command; click itself ends with 2 where the command line is wrong."""

DONE, ERROR, BLOCKED = 0, 1, 3
INTERRUPTED = 130  # what a shell gives for Ctrl-C
