"""The report: the paper's Tables 1 to 9 and Figure 4 with our figures beside the published ones, then what lies behind ours.

Our figures stand in the paper's columns where data set and protocol are the paper's, and in a table of their own, marked
with both, where they are not. Nothing is filled in that was not measured.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ups.evaluation.results import LEAK, Record, Variant, variants
from ups.experiments.board_report import board_blocks, timeline_blocks
from ups.experiments.paper_tables import PublishedTable, published
from ups.refs import Benchmark
from ups.reporting.charts import bar_chart, confusion_chart, line_chart, route_figure
from ups.reporting.document import Block, Chart, Code, Heading, Section, Table, Text, write_document
from ups.tasks import TASKS, get_task
from ups.tasks.action import anticipate, recognize_2d, recognize_3d
from ups.tasks.metrics import reliability
from ups.tasks.pose import estimate_pose

MEASURES = {
    1: (recognize_3d, ("top-1",)),
    2: (recognize_2d, ("top-1", "top-5")),
    3: (estimate_pose, ("MPJPE",)),
    4: (estimate_pose, ("P-MPJPE",)),
    5: (anticipate, ()),
    6: (anticipate, ("20%", "40%", "60%", "80%", "100%", "area")),
}
"""Table -> the task and the figures that are shown of it on other data; those of Table 5 stand below Table 6."""
ABLATIONS = {
    7: ("depth", "layers", r"unified|depth_\d+"),
    8: ("blocks", "blocks", r"unified|without_routing|blocks_\d+"),
    9: ("claims", "", "unified|without_routing"),
}
"""Table -> set of experiments, field of the model that differs (none: the experiment's name), names of its experiments."""
ABLATED = "paper-ntu120-xsub"
"""The recipe that these tables' columns need."""
PROTOCOLS = {
    "nw_ucla:xview": "NW-UCLA, trained on views 1 and 2, tested on view 3; 95 of its test clips are copies of training clips",
    "nw_ucla:xview_no_leak": "NW-UCLA as above, without the test clips that are copies of training clips",
    "utd_mhad:xsub": "UTD-MHAD, trained on odd subjects, tested on even ones",
    "penn_action:official": "Penn Action, the official split, joints labelled by hand",
    "kard_3d:held_out_subjects": "KARD in 3D, tested on subjects 8 to 10",
    "kard_2d:held_out_subjects": "KARD in 2D, tested on subjects 8 to 10",
    "humaneva:official": "HumanEva-I, its Train and Validate parts, ground-truth 2D joints",
    "bandai_namco:held_out_styles": "Bandai-Namco motion capture seen by generated cameras, tested on styles that training lacks",
    "synthetic_3d:xsub": "generated motion, tested on subjects 15 to 20",
    "synthetic_2d:xsub": "generated motion in 2D, tested on subjects 15 to 20",
} | {f"sbu:fold{i}": f"SBU Kinect Interaction, tested on its fold {i} of pairs of persons" for i in range(1, 6)}


def write_report(records: Sequence[Record], folder: Path) -> Path:
    """Write the report of these records: FOLDER/index.html, which needs nothing else, FOLDER/report.md and its figures.

    Args:
        records: see `ups.evaluation.results.read_records`; none leave all of our figures blank.
        folder: where to write.

    Returns:
        The HTML page.

    Raises:
        OSError: a file can't be written.
    """
    found = sorted(variants(records), key=_rank)
    tables = published()
    leading = [v for v in found if not v.fine_tuned and (not v.experiment or v.name == "unified")]
    sections: list[Section] = [("", _introduction()), ("Models", _models(found))]
    if claims := _claims(found):
        sections.append(("One model or several", claims))
    sections += [(f"Table {number}", _table(number, tables[number], found)) for number in MEASURES]
    sections += [(f"Table {number}", _ablation(number, tables[number], found)) for number in ABLATIONS]
    sections.append(("Figure 4", _figure_4(leading)))
    details = {
        "Confusions": _confusions(leading),
        "Anticipation": _anticipation(_main(found)),
        "Lifting errors": _lifting(leading),
        "Without the grammar": _free(leading),
        "Calibration": _calibration(leading),
        "Shift board": board_blocks(leading),
        "Untrimmed recordings": timeline_blocks(leading),
        "Data and protocols": _data(found),
    }
    sections += [(heading, blocks) for heading, blocks in details.items() if blocks]
    return write_document(Path(folder), "Unified Pose Sequence: the paper's tables, and ours", sections)


def _rank(variant: Variant) -> tuple[bool, int, bool]:
    """Single runs as they were given; then the unified model, its separate twins, other experiments; tuned ones last."""
    kind = 0 if variant.name == "unified" else 1 if variant.name.startswith("separate_") else 2
    return variant.experiment, kind * variant.experiment, variant.fine_tuned


def _introduction() -> list[Block]:
    return [
        Text(
            "The paper is “Unified Pose Sequence Modeling” (Foo, Li, Rahmani, Ke, Liu, CVPR 2023); its rows are copied as "
            "printed, and numbers in square brackets are its references. Rows that begin with “ours” were measured with "
            "this package. They stand in the paper's columns only where data set and protocol are the same; figures on "
            "other data stand in tables of their own and can't be compared with the published ones. A dash is what was "
            "not measured."
        ),
        Text(
            "Accuracies are in percent, pose errors in millimetres; where several seeds were run, a figure is their mean "
            "and standard deviation. UPS_separate is the same model trained on one task alone, with as many samples of "
            "it; fine-tuned models were trained further on the one task that they are measured on."
        ),
        Text(
            f"{LEAK} marks figures of models that have learned recordings of the test part, through another data set or "
            "protocol of the same collection: they are no results."
        ),
    ]


def _models(found: Sequence[Variant]) -> list[Block]:
    if not found:
        return [Text("No results were given.")]
    groups: dict[tuple[str, str], list[Variant]] = {}
    for v in found:
        groups.setdefault((v.title, v.origin), []).append(v)
    rows = []
    for (title, origin), twins in groups.items():
        records = [r for v in twins for r in v.records]
        tasks = sorted({Benchmark.parse(key).task for r in records for key in r["results"]})
        seeds = ", ".join(sorted({str(r["seed"]) for r in records if "seed" in r}))
        versions = ", ".join(sorted({str(r["ups"]) for r in records if "ups" in r}))
        checkpoints = len({r["checkpoint"] for r in records})
        rows.append((title, origin, ", ".join(tasks), seeds or None, checkpoints, versions or None))
    return [Table(("model", "trained", "measured on", "seeds", "checkpoints", "version"), rows)]


def _claims(found: Sequence[Variant]) -> list[Block]:
    """The unified model against its separate twins and the one without routing, trained alike."""

    def family(v: Variant) -> tuple:
        r = v.records[0]
        return r["recipe"], r["experiment"]["cycles"], v.fine_tuned and r["steps"], r["split"]

    blocks: list[Block] = []
    experiments = [v for v in found if v.experiment]
    for unified in (v for v in experiments if v.name == "unified"):
        twins = [v for v in experiments if family(v) == family(unified)]
        rows = []
        for result in (key for task in TASKS for key in _results([unified], task)):
            benchmark = Benchmark.parse(result)
            task = get_task(benchmark.task)
            measure = task.main
            row: list[str | None] = [task.title, str(benchmark.data), measure, unified.text(result, measure)]
            for name in (f"separate_{task.name}", "without_routing"):
                other = next((v for v in twins if v.name == name and v.values(result, measure)), None)
                row += [other.text(result, measure), _gain(unified, other, result, measure)] if other else [None, None]
            rows.append(row)
        if len(twins) > 1:
            header = ("task", "data", "figure", "unified", "separate", "gain", "without routing", "gain")
            blocks += [Heading(f"{unified.title} ({unified.origin})"), Table(header, rows)]
    if not blocks:
        return []
    note = (
        "The paper's claims: one model for all tasks is better than the same model trained on each, and better with "
        "routing than without. A gain above 0 means that the unified model is better. Models were trained alike, with "
        "equal numbers of samples of each task."
    )
    return [Text(note), *blocks, Text("The experiments behind it:"), Code("ups experiments run claims")]


def _gain(unified: Variant, other: Variant, result: str, measure: str) -> str:
    difference = (unified.mean(result, measure) or 0) - (other.mean(result, measure) or 0)
    gain = -difference if get_task(Benchmark.parse(result).task).lower_is_better else difference
    return f"{round(gain, 1) + 0.0:+.1f}"


def _main(found: Sequence[Variant]) -> list[Variant]:
    """What Tables 1 to 6 compare: single runs, the unified model and its separate twins."""
    return [v for v in found if not v.experiment or v.name == "unified" or v.name.startswith("separate_")]


def _headings(shown: Sequence[Variant], titles: Sequence[str]) -> list[str]:
    """The titles, each with its origin where another one is the same."""
    return [f"{t} ({v.origin})" if titles.count(t) > 1 else t for v, t in zip(shown, titles, strict=True)]


def preparation(result: str, column: str) -> str | None:
    """How the recordings of a column were prepared that a result was measured on; None where it is not one of them.

    "" is the column's own data set; others begin with its name: of "recognize_3d/ntu60:xsub" the result
    "recognize_3d/ntu60_view_normalized:xsub" is "view_normalized". Recognition may be in 2D where the column's is in 3D.
    """
    if result == column:
        return ""
    ours, wanted = Benchmark.parse(result), Benchmark.parse(column)
    recognizes = {recognize_3d.name, recognize_2d.name}
    same_task = ours.task == wanted.task or {ours.task, wanted.task} == recognizes
    name, _, rest = ours.data.store.partition(f"{wanted.data.store}_")
    if not same_task or name or not rest or ours.data.protocol != wanted.data.protocol:
        return None
    return rest if ours.task == wanted.task else f"{rest}, {get_task(ours.task).title}"


def _paper_table(table: PublishedTable, ours: Sequence[tuple[str, Variant]]) -> Table:
    """The published rows, then ours as far as they were measured on the same recordings and protocol."""
    rows: list[tuple[str | None, ...]] = list(table.rows)
    for name, variant in ours:
        prepared: dict[str, dict[str, str]] = {}  # preparation -> column's result -> ours
        for column in table.columns:
            for result in variant.results():
                if (how := preparation(result, column.result)) is not None:
                    prepared.setdefault(how, {})[column.result] = result
        for how in sorted(prepared):
            found = [(prepared[how].get(column.result), column.measure) for column in table.columns]
            figures = [variant.text(result, measure) if result else None for result, measure in found]
            if any(figures):
                rows.append((f"ours: {name}" + (f", preparation {how}" if how else ""), *figures))
    if len(rows) == len(table.rows):
        rows.append(("ours", *[None] * len(table.columns)))
    return Table(table.header, rows)


def _own_table(shown: Sequence[tuple[str, Variant]], wanted: Iterable[tuple[str, str]]) -> Table:
    """Our figures: a row a data set and measure, a column a model; `wanted` are (result, measure)."""
    pairs = list(wanted)
    several = len({Benchmark.parse(result).task for result, _ in pairs}) > 1
    rows = []
    for result, measure in pairs:
        figures = [variant.text(result, measure) for _, variant in shown]
        if any(figures):
            benchmark = Benchmark.parse(result)
            clips = {m["clips"] for _, v in shown for m in v.metrics(result) if "clips" in m}
            number = ", ".join(f"{n:,}" for n in sorted(clips)) or None
            rows.append(
                (f"{benchmark.task}, {benchmark.data}" if several else str(benchmark.data), number, measure, *figures)
            )
    heading = "task, data set:protocol" if several else "data set:protocol"
    return Table((heading, "clips", "figure", *(name for name, _ in shown)), rows)


def _table(number: int, table: PublishedTable, found: Sequence[Variant]) -> list[Block]:
    """One of Tables 1 to 6."""
    task, wanted = MEASURES[number]
    columns = {column.result for column in table.columns}
    shown = [
        v for v in _main(found)
        if any(key.startswith(f"{task.name}/") or preparation(key, c) is not None for key in v.results() for c in columns)
    ]  # fmt: skip
    ours = list(zip(_headings(shown, [v.title for v in shown]), shown, strict=True))
    blocks: list[Block] = [Text(table.title), _paper_table(table, ours)]
    own = {column.result for t in published().values() for column in t.columns}
    others = [key for key in _results(shown, task.name) if all(preparation(key, column) is None for column in own)]
    if others and wanted:
        blocks += [Heading(f"Ours: {task.title} on other data")]
        blocks += [_own_table(ours, [(key, measure) for key in others for measure in wanted])]
    elif others:
        blocks.append(Text("Our figures on other data stand below Table 6."))
    return blocks


def _ablation(number: int, table: PublishedTable, found: Sequence[Variant]) -> list[Block]:
    """One of Tables 7 to 9."""
    experiments, field, names = ABLATIONS[number]
    shown = [v for v in found if v.experiment and re.fullmatch(names, v.name)]
    shown.sort(key=lambda v: (v.fine_tuned, v.setting(field or "blocks")))
    titles = [v.title if not field else f"{v.setting(field)}{', fine-tuned' * v.fine_tuned}" for v in shown]
    ours = list(zip(_headings(shown, titles), shown, strict=True))
    blocks: list[Block] = [Text(table.title), _paper_table(table, ours)]
    if len({v.name for v in shown}) > 1:
        own = {column.result for column in table.columns}
        keys = [key for task in TASKS for key in _results(shown, task)]
        keys = [key for key in keys if all(preparation(key, column) is None for column in own)]
        pairs = [(key, m) for key in keys for m in get_task(Benchmark.parse(key).task).columns]
        if pairs:
            captions = [(f"{table.first.lower()} {name}" if field else name, v) for name, v in ours]
            blocks += [Heading("Ours on other data"), _own_table(captions, pairs)]
    else:
        blocks += [
            Text("Not measured yet. These experiments fill it:"),
            Code(f"ups experiments run {experiments} --recipe {ABLATED}"),
        ]
    return blocks


def _results(shown: Iterable[Variant], task: str) -> list[str]:
    return sorted({key for variant in shown for key in variant.results(f"{task}/")})


def _figure_4(leading: Sequence[Variant]) -> list[Block]:
    blocks: list[Block] = [
        Text(
            "Which block each task takes in each layer. In the paper's figure, action recognition and early action "
            "prediction share blocks in the last two of three layers, pose estimation and early action prediction in "
            "the first two."
        )
    ]
    routed = [(v, r) for v in leading for r in v.records if r.get("routes") and (v.setting("blocks") or 0) > 1]
    drawn = dict.fromkeys(r["checkpoint"] for _, r in routed)
    for i, checkpoint in enumerate(drawn, 1):
        variant, record = next(pair for pair in routed if pair[1]["checkpoint"] == checkpoint)
        routes = {_title(task): route for task, route in record["routes"].items()}
        number = variant.setting("blocks")
        caption = f"{variant.title}, seed {record['seed']}: the block that each task takes in each layer is filled."
        blocks.append(Chart(f"routes-{i}", route_figure(routes, number), caption))
        rows = [
            (
                layer + 1,
                *(", ".join(t for t, route in routes.items() if route[layer] == b) or None for b in range(number)),
            )
            for layer in range(len(next(iter(routes.values()))))
        ]
        blocks.append(Table(("layer", *(f"block {b + 1}" for b in range(number))), rows))
    return (
        blocks if drawn else [*blocks, Text("No routes among the results given; evaluate a model with several blocks.")]
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _each(leading: Iterable[Variant], field: str) -> Iterable[tuple[Variant, str, list[dict[str, Any]]]]:
    """(model, result, metrics of all its seeds) wherever the metrics hold `field`."""
    for variant in leading:
        for result in variant.results():
            metrics = [m for m in variant.metrics(result) if m.get(field)]
            if metrics:
                yield variant, result, metrics


def _where(variant: Variant, result: str) -> str:
    return f"{variant.title}, {_name(result)}"


def _title(task: str) -> str:
    """The paper's name of a task; the task's own where it isn't known here."""
    return TASKS[task].title if task in TASKS else task


def _name(result: str) -> str:
    benchmark = Benchmark.parse(result)
    return f"{_title(benchmark.task)}, {benchmark.data}"


def _confusions(leading: Sequence[Variant]) -> list[Block]:
    blocks: list[Block] = []
    rows = []
    for i, (variant, result, metrics) in enumerate(_each(leading, "predicted"), 1):
        size = 1 + max(max(*m["labels"], *m["predicted"]) for m in metrics)
        classes = metrics[0].get("classes") or [f"class {k}" for k in range(size)]
        counts = np.zeros((len(classes), len(classes)), int)
        for m in metrics:
            np.add.at(counts, (m["labels"], m["predicted"]), 1)
        where = _where(variant, result)
        caption = "Rows are what was done, columns what was answered; a row's colours are its shares."
        blocks.append(Chart(f"confusion-{i}-{_slug(result)}", confusion_chart(counts, classes, where), caption))
        wrong = counts - np.diag(np.diag(counts))
        for flat in np.argsort(-wrong, axis=None, kind="stable")[:3]:
            true, taken = np.unravel_index(flat, wrong.shape)
            if wrong[true, taken]:
                share = f"{wrong[true, taken]} of {counts[true].sum()}"
                rows.append((where, classes[true], classes[taken], share))
    if rows:
        blocks += [Heading("Most frequent confusions"), Table(("model and data", "true", "taken for", "clips"), rows)]
    return blocks


def _anticipation(shown: Sequence[Variant]) -> list[Block]:
    blocks: list[Block] = []
    for result in dict.fromkeys(result for _, result, _ in _each(shown, "top1_at")):
        measured = [v for v in shown if any("top1_at" in m for m in v.metrics(result))]
        series = {}
        for name, variant in zip(_headings(measured, [v.title for v in measured]), measured, strict=True):
            ratios = list(variant.metrics(result)[0]["top1_at"])
            curve = [variant.mean(result, ratio) for ratio in ratios]
            series[f"{name} (area {variant.text(result, 'area')} %)"] = ([float(r.rstrip("%")) for r in ratios], curve)
        if series:
            data = Benchmark.parse(result).data
            svg = line_chart(series, "observed part of the clip, %", "top-1, %", f"Early action prediction, {data}")
            caption = "Top-1 after the first part of a clip's frames, and the area under each curve; one model for all."
            blocks.append(Chart(f"anticipation-{_slug(str(data))}", svg, caption))
    return blocks


def _mean_of(metrics: Sequence[dict[str, Any]], field: str) -> dict[str, float]:
    """Mean over seeds of a field that holds a figure for each name."""
    return {name: statistics.fmean(m[field][name] for m in metrics) for name in metrics[0][field]}


def _lifting(leading: Sequence[Variant]) -> list[Block]:
    blocks: list[Block] = []
    for kind in ("action", "joint"):
        for i, (variant, result, metrics) in enumerate(_each(leading, f"mpjpe_mm_per_{kind}"), 1):
            fields = {"MPJPE": f"mpjpe_mm_per_{kind}", "P-MPJPE": f"p_mpjpe_mm_per_{kind}"}
            series = {name: _mean_of(metrics, field) for name, field in fields.items() if field in metrics[0]}
            title = f"Error by {kind}: {variant.title}, {Benchmark.parse(result).data}"
            caption = f"Mean error of each {kind}, in millimetres."
            blocks.append(Chart(f"error-by-{kind}-{i}-{_slug(result)}", bar_chart(series, "mm", title), caption))
    return blocks


def _free(leading: Sequence[Variant]) -> list[Block]:
    """What models write without the grammar, see `ups.model.decoding.decode_freely`."""
    rows = []
    for variant, result, metrics in _each(leading, "free"):
        found = [m["free"] for m in metrics]
        keys = ("malformed_wrong", "among_well_formed", "constrained")
        of = [[f[key] for f in found if f[key] is not None] for key in keys]
        figures = [f"{statistics.fmean(values):.1f}" if values else None for values in of]
        share = f"{100 * statistics.fmean(f['well_formed'] for f in found):.1f} %"
        rows.append((_where(variant, result), share, found[0]["figure"], *figures))
    if not rows:
        return []
    header = ("model and data", "well formed", "figure", "malformed wrong", "among well-formed", "with the grammar")
    note = (
        "At each step the whole vocabulary competes, until the model writes the end of the task. Well formed is an output of "
        "the right length, with the right kind of token at each step. The most probable tokens are read, without mirrors."
    )
    return [Text(note), Table(header, rows)]


def _calibration(leading: Sequence[Variant]) -> list[Block]:
    blocks: list[Block] = []
    rows = []
    for variant, result, metrics in _each(leading, "calibration_error"):
        error = statistics.fmean(m["calibration_error"] for m in metrics)
        rows.append((_where(variant, result), "expected calibration error", f"{100 * error:.1f} %"))
    for variant, result, metrics in _each(leading, "uncertainty_spearman"):
        rank = statistics.fmean(m["uncertainty_spearman"] for m in metrics)
        rows.append((_where(variant, result), "rank correlation of a joint's spread with its error", f"{rank:.2f}"))
    if rows:
        blocks.append(Table(("model and data", "figure", "value"), rows))
    curves: dict[str, dict[str, tuple[Any, Any]]] = {}
    for variant, result, metrics in _each(leading, "probabilities"):
        right = np.concatenate([np.equal(m["labels"], m["predicted"]) for m in metrics])
        mean, share, _ = reliability(np.concatenate([m["probabilities"] for m in metrics]), right)
        curves.setdefault(result, {})[f"{variant.title} ({variant.origin})"] = (100 * mean, 100 * share)
    for result, series in curves.items():
        perfect = {"perfect": (np.array([0.0, 100.0]), np.array([0.0, 100.0]))}
        title = f"Reliability: {_name(result)}"
        svg = line_chart(series | perfect, "probability of the answer, %", "answers that are right, %", title)
        caption = "Clips in 15 bins by the probability of the answer; above the diagonal, a model is too careful."
        blocks.append(Chart(f"reliability-{_slug(result)}", svg, caption))
    return blocks


def _data(found: Sequence[Variant]) -> list[Block]:
    names = sorted({str(Benchmark.parse(key).data) for variant in found for key in variant.results()})
    rows = [(name, PROTOCOLS[name]) for name in names if name in PROTOCOLS]
    return [Table(("data set:protocol", "what it is"), rows)] if rows else []
