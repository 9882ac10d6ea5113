"""A fenced node is rebooted within three seconds, a healthy one never, by the guard as systemd and watchdog run it.

Needs the lab; the long rows of random events are CI's.
"""
