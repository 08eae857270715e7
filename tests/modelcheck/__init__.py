"""A model checker over the real lifecycle: every interleaving within stated bounds, and a mutant for each guard."""
