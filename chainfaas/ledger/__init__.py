"""Typed calls on the ledger, with the controller's identity.

jobs.py and accounts.py say what the platform wants; batches.py gathers it into transactions; connection.py
holds the one client of this process. Every call may be repeated after a crash: the ledger knows it by the
job's id or the operation's.
"""
