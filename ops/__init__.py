"""Starts the platform: everything in one process (embedded.py), and the demo."""
