"""The demo: real PDF documents go through a tracked two-step job, end to end."""
