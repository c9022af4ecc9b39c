"""One module per group of commands; `triage.cli` says which function is which command."""
