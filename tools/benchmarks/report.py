"""Figures and promises, as text and as JSON."""

import json
import statistics


def spread(values):
    """Median, and the values below which 10 and 90 of 100 lie."""
    ordered = sorted(values)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return statistics.median(ordered), at(0.1), at(0.9)


def ratio(ours, theirs):
    """The median of the quotients round by round: what disturbs a round disturbs both of its measurements."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def number(value):
    if value >= 1000 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


class Report:
    def __init__(self):
        self.figures = []
        self.promises = []
        self.title = ""

    def section(self, title):
        self.title = title
        print(f"\n{title}", flush=True)

    def figure(self, name, unit, **columns):
        """One row: for each column a list of measurements, or a single number."""
        row = {"section": self.title, "name": name, "unit": unit, "values": {}}
        cells = []
        for column, values in columns.items():
            if isinstance(values, (int, float)):
                row["values"][column] = {"value": values}
                cells.append(f"{column} {number(values)}")
            else:
                median, low, high = spread(values)
                row["values"][column] = {"median": median, "p10": low, "p90": high, "rounds": len(values)}
                cells.append(f"{column} {number(median)} ({number(low)}-{number(high)})")
        self.figures.append(row)
        print(f"  {name:34}{unit:>4}  {'   '.join(cells)}", flush=True)

    def promise(self, name, measured, promised, unit):
        """One verdict: `measured` is at most `promised`."""
        holds = measured <= promised
        self.promises.append(
            {"name": name, "holds": holds, "measured": measured, "promise": promised, "unit": unit})

    def verdicts(self):
        """Prints one line for each promise; whether all hold."""
        print("\npromises")
        for one in self.promises:
            verdict = "ok  " if one["holds"] else "FAIL"
            print(f"  {verdict}  {one['name']:58} {number(one['measured']):>8}  promised {number(one['promise'])} {one['unit']}")
        return all(one["holds"] for one in self.promises)

    def write(self, path, circumstances):
        with open(path, "w") as file:
            all_hold = all(one["holds"] for one in self.promises)
            json.dump(
                {"circumstances": circumstances, "figures": self.figures, "promises": self.promises, "all hold": all_hold},
                file, indent=1)
            file.write("\n")
