"""Django's SQLite backend, for one process with many threads (base.py)."""
