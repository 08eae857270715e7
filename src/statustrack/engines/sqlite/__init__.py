"""The SQLite engine: one file, real columns, write-ahead log, safe from threads, forks and many processes."""
