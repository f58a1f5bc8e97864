"""The ledger: two contracts, what they are made of, and the ledgers that run them.

`client.connect(url, identity)` is the way in. Nothing here knows Django, Celery or the network.
"""
