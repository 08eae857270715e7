"""Workers: they claim tasks, run the handlers of their steps, and record what came of it."""
