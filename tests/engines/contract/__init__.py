"""What every engine promises: one set of tests that runs unchanged on each; differences are declared attributes."""
