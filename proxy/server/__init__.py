"""The gate as a process: wiring, recovery, maintenance."""
