"""The command line, listed by task with `onestop --help`."""
