"""The controller of ChainFaaS: takes calls, places them on providers, has them recorded and paid."""

__version__ = "0.1.0"
