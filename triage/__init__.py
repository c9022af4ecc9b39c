"""E-mail triage for the Juiste Loket, the Dutch helpdesk on care and support."""

__version__ = "0.1.0"
