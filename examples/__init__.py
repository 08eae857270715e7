"""Programs that show how statustrack is used; each runs in the tests and is shown in the guide."""
