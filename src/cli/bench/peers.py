"""Runs the change point detectors that this Python has: {"replay": whether, "series": [[value]]} as JSON in, for each
detector the change points of each series out; with replay, as they would have been raised value by value."""

import json
import math
import statistics
import sys

# Values after which the first look is taken, and how near a change must lie to one that was raised to be the same.
FIRST, NEAR = 20, 5
detectors = {}

try:
    from otava.analysis import compute_change_points

    def otava(values):
        """Apache Otava, its defaults."""
        found = compute_change_points(list(values), window_len=50, max_pvalue=0.001, min_magnitude=0.0)[0]
        return sorted(int(change.index) for change in found)

    detectors["Otava"] = otava
except ImportError:
    pass

try:
    import numpy
    import ruptures

    def penalised(kind):
        """A detector of ruptures with the usual penalty: cost of squares, 3 log n, noise by neighbours' differences."""

        def find(values):
            steps = [abs(b - a) for a, b in zip(values, values[1:])]
            noise = 1.4826 / math.sqrt(2) * statistics.median(steps) or statistics.pstdev(b - a for a, b in zip(values, values[1:])) or 1.0
            scaled = numpy.array(values)[:, None] / noise
            found = kind(model="l2", min_size=2, jump=1).fit(scaled).predict(pen=3 * math.log(len(values)))
            return [int(index) for index in found if index < len(values)]

        return find

    detectors["PELT"], detectors["BINSEG"] = penalised(ruptures.Pelt), penalised(ruptures.Binseg)
except ImportError:
    pass


def replay(find, values):
    """Changes in the order in which they would have been raised."""
    raised = []
    for count in range(FIRST, len(values) + 1):
        raised += [index for index in find(values[:count]) if all(abs(index - known) > NEAR for known in raised)]
    return raised


asked = json.load(sys.stdin)
if asked["replay"]:
    # The others were made for whole series.
    detectors = {name: find for name, find in detectors.items() if name == "Otava"}
answer = {
    name: [replay(find, values) if asked["replay"] else find(values) for values in asked["series"]]
    for name, find in detectors.items()
}
json.dump(answer, sys.stdout)
