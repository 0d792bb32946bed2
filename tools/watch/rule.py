"""The rule of the alarms in use."""

from tools.watch.alarms import Rule

# k, n and lower: not chosen yet.
RULE = Rule(k=2, n=3, lower=-0.5, off_delay=10.0, obstructed_after=10.0, silent_after=10.0)
