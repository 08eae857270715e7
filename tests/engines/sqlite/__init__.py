"""What holds for the SQLite engine alone: its files, its SQL, its processes; the contract suite has the rest."""
