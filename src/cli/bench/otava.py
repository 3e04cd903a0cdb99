"""Replays series through Apache Otava, value by value: a list of series as JSON in, alarms per series out."""

import json
import sys

from otava.analysis import compute_change_points

# Values after which the first look is taken, and how near a change must lie to one that was raised to be the same.
FIRST, NEAR = 20, 5


def alarms(values):
    """Changes in the order in which they would have been raised."""
    raised = []
    for count in range(FIRST, len(values) + 1):
        found = compute_change_points(list(values[:count]), window_len=50, max_pvalue=0.001, min_magnitude=0.0)[0]
        for index in sorted(change.index for change in found):
            if all(abs(index - known) > NEAR for known in raised):
                raised.append(index)
    return len(raised)


json.dump([alarms(values) for values in json.load(sys.stdin)], sys.stdout)
