"""Fails as Python programs do."""


def deep():
    raise RuntimeError("a bug")


deep()
