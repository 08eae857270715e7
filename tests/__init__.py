"""Tests of statustrack: the folders mirror src, and tests/engines/contract runs on each engine."""
