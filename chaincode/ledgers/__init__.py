"""The ledgers that `chaincode.client.connect` can open."""
