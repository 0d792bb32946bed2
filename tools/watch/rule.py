"""The rule of the alarms in use."""

from tools.watch.alarms import Rule

# k, n and lower: docs/alarm_rule.csv, written by `make alarm-rule`. Of the rules with at most one
# false alarm a day and well, the one with the fewest seconds until the alarm; among equals the one
# whose alarm ends early for the fewest spills, and then the one that stays shortest after them.
# The grid first ended at k = 3, where none of them kept that limit, and was made longer. False
# alarms rest on 6 strange photos of 8,295 held-out wells, 2.3 hours at a photo a second.
#
# The delays in seconds, by hand: longer than a hand takes to pass, or a camera to start again.
RULE = Rule(k=4, n=5, lower=0.0, off_delay=10.0, obstructed_after=10.0, silent_after=10.0)
