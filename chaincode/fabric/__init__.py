"""Hyperledger Fabric's own formats, over its official protos: pure functions from Python's views to bytes
and back. No network, no clock, no file.

Whatever bytes a stranger sends, what reads them here answers or raises Refused.
"""
