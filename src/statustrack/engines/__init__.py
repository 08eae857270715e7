"""Storage: engines carry out the writes that core makes, and decide nothing."""
