"""Benchmarks: peers side by side in one run, beside the bound that the machine sets. ``make bench`` runs them."""
