"""The tracking layer: what users call, on each engine where the storage matters."""
