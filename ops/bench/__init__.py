"""The bench: what a call costs on this machine, step by step, beside a plain subprocess and the run before."""
