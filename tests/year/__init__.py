"""A simulated year of the helpdesk: the real services on a real store, with clock, mailbox and people in memory.

`world` lets it happen and keeps its own book of every case with `tests.oracle`; `alert_book` says which alerts must go
out; `plans` holds the stretches of time that are lived through.
"""
