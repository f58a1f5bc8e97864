"""The embedded ledger behind Fabric's own wire: `server.serve`."""
