"""Runs the gate as a process: wiring, recovery, reload, maintenance."""
