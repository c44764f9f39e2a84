"""How the process uses CPU, memory and time."""
