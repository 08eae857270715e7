"""The pure part: values in, values out; it knows no clock, no file and no network."""
