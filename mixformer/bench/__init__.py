"""How fast tracking and training are on this machine, beside what the machine could do."""
