"""The bench: what a call costs on this machine, step by step, beside a bare process and the run before."""
