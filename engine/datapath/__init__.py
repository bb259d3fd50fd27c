"""The hot path behind one contract (contract.py)."""
