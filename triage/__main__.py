"""`python -m triage COMMAND`: the command line without making `.venv` first."""

from triage.cli import main

main()
