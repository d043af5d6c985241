#!/usr/bin/env python3
"""Goal: the table and the picture show the figures of the results, and say rightly who is ahead.

Method: small results as they are in the JSON, and what must be picked from them and written.
"""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))

from harness import figures, headline, picture
from harness.model import BenchError
from harness.workloads import WORKLOADS


def rows(workload, metric, medians, unit="ns", lower_is_better=True, params=None):
    """`medians` is {(runtime, workers): median}."""
    return [
        {"workload": workload, "runtime": runtime, "workers": workers, "params": params or {},
         "metric": metric, "median": median, "min": median * 0.9, "max": median * 1.2, "runs": 3,
         "unit": unit, "lower_is_better": lower_is_better}
        for (runtime, workers), median in medians.items()
    ]


YIELD = rows("yield", "switch", {("weft", 1): 10, ("weft", 2): 20, ("go", 1): 60, ("go", 2): 15,
                                 ("tokio", 1): 200})
RATES = rows("load", "rate", {("weft", 1): 200_000, ("go", 1): 100_000, ("epoll", 1): 400_000},
             unit="requests/s", lower_is_better=False)


def only(results):
    [figure] = figures.headline_figures(results)
    return figure


class Picking(unittest.TestCase):
    def test_first_metric_with_first_parameters_stands_for_a_workload(self):
        results = [*rows("new", "time", {("weft", 1): 1}, params={"size": 1}),
                   *rows("new", "peak", {("weft", 1): 2}, params={"size": 1}),
                   *rows("new", "time", {("weft", 1): 3}, params={"size": 9})]
        self.assertEqual(only(results).values["weft", 1].median, 1)

    def test_chosen_metrics_and_parameters_come_before_the_first(self):
        results = []
        for count in (1, 100, 1000):
            for metric in ("requests_per_s", "server_cpu_us", "p50_us"):
                results += rows("echo", metric, {("weft", 1): count}, unit=metric,
                                params={"connections": count})
        found = figures.headline_figures(results)
        self.assertEqual([figure.unit for figure in found], ["server_cpu_us", "requests_per_s"])
        self.assertEqual({figure.values["weft", 1].median for figure in found}, {100})
        self.assertEqual(found[0].title, "echo, 100 connections")

    def test_every_choice_is_a_metric_and_a_case_of_its_workload(self):
        workloads = {workload.name: workload for workload in WORKLOADS}
        for name, chosen in figures.CHOSEN.items():
            for metric, params in chosen:
                self.assertIn(metric, [m.name for m in workloads[name].metrics])
                self.assertIn(params, [dict(case) for case in workloads[name].params])

    def test_workload_without_weft_is_left_out(self):
        floor = rows("switch_floor", "switch", {("fcontext", 1): 6})
        self.assertEqual(figures.headline_figures(floor), [])


class Order(unittest.TestCase):
    def test_what_is_divided_by_each_other_runs_before_the_rest(self):
        [echo] = [workload for workload in WORKLOADS if workload.name == "echo"]
        self.assertIn("libuv", echo.known())
        cases = sorted(echo.cases({"asio", "epoll", "go", "tokio", "weft"}), key=lambda case: case.place)
        some = [case for case in cases if case.params == (("connections", 100),)]
        self.assertEqual([(case.runtime, case.workers) for case in some],
                         [("weft", 1), ("go", 1), ("tokio", 1), ("epoll", 1), ("asio", 1),
                          ("weft", 2), ("go", 2), ("tokio", 2), ("asio", 2),
                          ("weft", 8), ("go", 8), ("tokio", 8)])


class Leads(unittest.TestCase):
    def test_lead_is_above_one_where_weft_is_better_whatever_the_direction(self):
        self.assertEqual(only(YIELD).lead("go", 1), 6)
        self.assertEqual(only(YIELD).lead("go", 2), 0.75)
        self.assertEqual(only(RATES).lead("go", 1), 2)

    def test_no_lead_over_who_has_no_figure_with_as_many_workers(self):
        self.assertIsNone(only(YIELD).lead("tokio", 2))
        self.assertIsNone(only(RATES).lead("go", 2))

    def test_best_peer_is_the_nearest_and_no_floor(self):
        self.assertEqual(only(YIELD).best_peer(1), "go")
        itself = rows("yield", "switch", {("weft_inline", 1): 5})
        self.assertEqual(only([*YIELD, *itself]).best_peer(1), "go")
        self.assertEqual(only(RATES).best_peer(1), "go")
        self.assertIsNone(only(RATES).best_peer(2))

    def test_nothing_is_divided_by_zero(self):
        self.assertIsNone(only(rows("w", "m", {("weft", 1): 0, ("go", 1): 5})).lead("go", 1))


class Writing(unittest.TestCase):
    def test_short_has_three_digits(self):
        written = {0.0456: "0.0456", 5: "5", 12.34: "12.3", 99.96: "100", 1234.5: "1,234",
                   9_999: "9,999", 9_999.7: "10k", 123_456: "123k", 2_500_000: "2.5M"}
        self.assertEqual({value: figures.short(value) for value in written}, written)

    def test_table_has_a_column_for_common_runtimes_and_one_for_others(self):
        table = headline.table(figures.headline_figures(YIELD + RATES)).splitlines()
        titles = "| workload, W = 1 / 2 | unit | weft | go | others | times as good as the best other |"
        self.assertEqual(table[0], titles)
        self.assertEqual(table[2], "| yield | ns | 10 / 20 | 60 / 15 | tokio 200 / – | 6x go / 0.75x go |")
        self.assertEqual(table[3], "| load | requests/s | 200k / – | 100k / – | epoll 400k / – | 2x go / – |")
        self.assertEqual({line.count("|") for line in table}, {7})

    def test_table_replaces_what_is_between_the_marks(self):
        document = f"before\n{headline.BEGIN}\nold\n{headline.END}\nafter\n"
        placed = headline.placed(document, "new")
        self.assertEqual(placed, f"before\n{headline.BEGIN}\nnew\n{headline.END}\nafter\n")
        self.assertEqual(headline.placed(placed, "new"), placed)
        with self.assertRaises(BenchError):
            headline.placed("no marks\n", "new")


class Drawing(unittest.TestCase):
    def test_axis_ends_with_the_longest_bar_or_at_so_many_times_weft(self):
        self.assertEqual(picture.axis_end(only(YIELD)), 20 * picture.MOST_TIMES_OWN)
        self.assertEqual(picture.axis_end(only(RATES)), 400_000)
        self.assertEqual(picture.axis_end(only(rows("w", "m", {("weft", 1): 4, ("go", 1): 5}))), 5)
        self.assertEqual(picture.axis_end(only(rows("w", "m", {("weft", 1): -4}))), 1)


if __name__ == "__main__":
    unittest.main()
