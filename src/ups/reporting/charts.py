"""Charts and diagrams as inline SVG fragments, which several can share a page.

They take the colour of their lines and letters from the page around them and load nothing; the same arguments give the
same text.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ups.errors import SettingError
from ups.reporting.names import label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES = ("#2f86d6", "#e2662c", "#2e9e6b", "#b057c9", "#c0920f", "#d6457a", "#14a3b8", "#8a8f98")
"""Colours of curves and routes: told apart on white and on black."""
_INK = "#010203"  # a colour that matplotlib writes and `currentColor` then replaces
_CHART_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ups",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def line_chart(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]], x_label: str, y_label: str, title: str, log_y: bool = False
) -> str:
    """Curves as an inline SVG fragment; the same arguments give the same text.

    Args:
        series: name in the legend -> (x, y), each (P,); values that are not finite or beyond 1e30, or not above 0 with
            `log_y`, leave gaps.
        x_label: plain text under the x axis.
        y_label: plain text beside the y axis.
        title: plain text above.
        log_y: a logarithmic y axis.

    Raises:
        SettingError: no series, or an x and y of different shapes.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    if not series:
        raise SettingError(f"chart {title!r} has no series")

    def draw(axes: Axes) -> None:
        for i, (name, (x, y)) in enumerate(series.items()):
            x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
            if x.ndim != 1 or x.shape != y.shape:
                raise SettingError(f"chart {title!r}: series {name!r} has x {x.shape} and y {y.shape}")
            x, y = _drawable(x), _drawable(y, log_y)
            marker = "o" if len(x) <= 12 else ""
            line = ("-", "--", ":", "-.")[i // len(SERIES) % 4] + marker
            axes.plot(x, y, line, color=SERIES[i % len(SERIES)], markersize=4, linewidth=1.8)
        if log_y:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel=label(x_label), ylabel=label(y_label))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=_INK, alpha=0.12, linewidth=0.8)
        _legend(axes, axes.get_lines(), list(series))

    return _chart(draw, title, (7, 3.8))


def bar_chart(series: Mapping[str, Mapping[str, float]], x_label: str, title: str) -> str:
    """Horizontal bars, one group a name, as an inline SVG fragment.

    Args:
        series: name in the legend -> {name at the left: value}; the names of the first stand from top to bottom, and
            a name that another series lacks, or a value that is not finite or beyond 1e30, has no bar there.
        x_label: plain text under the x axis, with the values' unit.
        title: plain text above.

    Raises:
        SettingError: no series, or one without values.
    """
    if not series or not all(series.values()):
        raise SettingError(f"chart {title!r} has a series without values")
    names = list(dict.fromkeys(name for values in series.values() for name in values))
    thick = 0.8 / len(series)

    def draw(axes: Axes) -> None:
        for i, values in enumerate(series.values()):
            rows = [names.index(name) + (i - (len(series) - 1) / 2) * thick for name in values]
            axes.barh(rows, _drawable(list(values.values())), thick * 0.9, color=SERIES[i % len(SERIES)])
        axes.set_yticks(range(len(names)), list(map(label, names)))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(label(x_label))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=_INK, alpha=0.12, linewidth=0.8)
        axes.set_axisbelow(True)
        if len(series) > 1:
            _legend(axes, axes.containers, list(series))

    return _chart(draw, title, (7, 1.1 + 0.16 * len(names) * (1 + 0.6 * len(series))))


def confusion_chart(counts: ArrayLike, classes: Sequence[str], title: str) -> str:
    """How often each true class was taken for which, as an inline SVG fragment.

    Args:
        counts: (K, K) clips, [true, predicted]; a row is coloured by its shares, and up to 30 classes show counts.
        classes: K names.
        title: plain text above.

    Raises:
        SettingError: counts of another shape, or no class.
    """
    from matplotlib.colors import LinearSegmentedColormap

    table, k, names = np.asarray(counts), len(classes), list(map(label, classes))
    if table.shape != (k, k) or not k:
        raise SettingError(f"chart {title!r}: counts {table.shape} for {k} classes; (classes, classes) is needed")
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("shares", [SERIES[0] + "00", SERIES[0]])

    def draw(axes: Axes) -> None:
        axes.imshow(shares, cmap=colours, vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        if k <= 30:
            for i, j in np.argwhere(table):
                axes.text(j, i, str(table[i, j]), ha="center", va="center", fontsize=7)
        if k <= 60:
            axes.set_xticks(range(k), names, rotation=90, fontsize=8)
            axes.set_yticks(range(k), names, fontsize=8)
        axes.tick_params(length=0)
        axes.set(xlabel="predicted", ylabel="true")

    side = 2.2 + 0.24 * k if k <= 60 else 8
    return _chart(draw, title, (max(side, 4) + 0.6, max(side, 4)))


def roofline_chart(points: Mapping[str, tuple[float, float]], peak: float, bandwidth: float, title: str) -> str:
    """Stages below the roof of a machine as an inline SVG fragment.

    Args:
        points: stage -> (FLOPs for each byte moved, FLOP/s); those that are not above 0 are left out.
        peak: FLOP/s.
        bandwidth: bytes/s.
        title: plain text above.

    Raises:
        SettingError: no stage with arithmetic.
    """
    known = {name: (x, y) for name, (x, y) in points.items() if x > 0 and y > 0}
    if not known:
        raise SettingError(f"chart {title!r} has no stage with arithmetic")

    def draw(axes: Axes) -> None:
        ridge = peak / bandwidth
        xs = [x for x, _ in known.values()]
        low, high = min(*xs, ridge) / 3, max(*xs, ridge) * 3
        axes.plot([low, ridge, high], [low * bandwidth / 1e9, peak / 1e9, peak / 1e9], color=_INK, linewidth=1.4)
        for i, (name, (x, y)) in enumerate(known.items()):
            marker = "osD^v"[i // len(SERIES) % 5]
            axes.plot([x], [y / 1e9], marker, color=SERIES[i % len(SERIES)], markersize=7, label=name)
        axes.set(xscale="log", yscale="log", xlabel="FLOP for each byte moved", ylabel="GFLOP/s")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=_INK, alpha=0.12, linewidth=0.8)
        axes.legend(frameon=False, fontsize=9)

    return _chart(draw, title, (7, 3.8))


def _chart(draw: Callable[[Axes], None], title: str, size: tuple[float, float]) -> str:
    """What `draw` puts on axes of that size in inches, as an inline SVG fragment."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    file = io.BytesIO()
    with rc_context(_CHART_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title(label(title), loc="left", fontweight="bold", fontsize=11)
        undated = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=undated)
    return _inline_svg(file.getvalue().decode(), title)


_MOST_BLOCKS = 100
"""Blocks of a layer, and layers, of a diagram of routes."""
_FARTHEST = 1e30
"""A value beyond which nothing is drawn: the ticks of an axis overflow."""


def _drawable(values: ArrayLike, above_zero: bool = False) -> np.ndarray:
    """Values with NaN, which leaves a gap, in the place of those that no axis can hold."""
    values = np.asarray(values, np.float64)
    low = 1 / _FARTHEST if above_zero else -_FARTHEST
    return np.where((values >= low) & (values <= _FARTHEST), values, np.nan)


def _legend(axes: Axes, drawn: Sequence[Any], names: Sequence[str]) -> None:
    """A legend of all that was drawn; matplotlib alone leaves out names that are empty or begin with an underscore."""
    legend = axes.legend(drawn, list(map(str, range(len(names)))), frameon=False, fontsize=9)
    legend.set_in_layout(False)  # long names overlap the curves rather than take their room
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(label(name))


def route_diagram(routes: Mapping[str, Sequence[int]], blocks: int) -> str:
    """Which block each task takes in each layer, as an inline SVG fragment: the tasks of `route_figure` in one.

    Layers are columns, the blocks of a layer are the boxes in its column, and each task is a coloured path through the
    boxes it chose; tasks that meet in a box share that block.

    Args:
        routes: task -> L block indices in 0..blocks-1, one per layer.
        blocks: H, blocks in each layer.

    Raises:
        SettingError: no routes, routes of different lengths, or a block that doesn't exist.
    """
    layers, lane = _depth_of(routes, blocks), 16
    labels = 24 + 7 * max(len(label(task)) for task in routes)
    wide, high, gap = 96, lane * len(routes) + 24, 56
    width, height = labels + layers * (wide + gap) + 20, 34 + blocks * (high + 20)
    parts = []
    for layer in range(layers):
        x = labels + gap + layer * (wide + gap)
        parts.append(f'<text x="{x + wide / 2}" y="16" text-anchor="middle" font-weight="600">Layer {layer + 1}</text>')
        for block in range(blocks):
            y = 30 + block * (high + 20)
            parts.append(
                f'<rect x="{x}" y="{y}" width="{wide}" height="{high}" rx="8" fill="currentColor" fill-opacity="0.05" '
                f'stroke="currentColor" stroke-opacity="0.35"/>'
                f'<text x="{x + wide / 2}" y="{y + 14}" text-anchor="middle" opacity="0.65">Block {block + 1}</text>'
            )
    start = 30 + (blocks * (high + 20) - 20 - lane * len(routes)) / 2
    for i, (task, route) in enumerate(routes.items()):
        colour, y = SERIES[i % len(SERIES)], start + lane * (i + 0.5)
        path, dots = f"M{labels - 8} {y:g}", ""
        for layer, block in enumerate(route):
            x = labels + gap + layer * (wide + gap)
            below = 30 + block * (high + 20) + 20 + lane * (i + 0.5)
            path += f"C{x - gap / 2} {y:g} {x - gap / 2} {below:g} {x} {below:g}H{x + wide}"
            dots += f'<circle cx="{x + wide / 2}" cy="{below:g}" r="4.5" fill="{colour}"/>'
            y = below
        parts.append(
            f'<path d="{path}h14" fill="none" stroke="{colour}" stroke-width="3" stroke-linecap="round"/>{dots}'
            f'<text x="{labels - 16}" y="{start + lane * (i + 0.5) + 4:g}" text-anchor="end" fill="{colour}" '
            f'font-weight="600">{escape(label(task))}</text>'
        )
    return _diagram(parts, width, height, "Blocks chosen by each task")


def route_figure(routes: Mapping[str, Sequence[int]], blocks: int) -> str:
    """Which block each task takes in each layer, as an inline SVG fragment laid out like the paper's Figure 4.

    A row is a task, a column a layer with its H blocks beside each other; the block that the task chose is filled.

    Arguments and errors are those of `route_diagram`.
    """
    layers = _depth_of(routes, blocks)
    side, gap, top, row = 30, 34, 40, 50
    labels = 24 + 7 * max(len(label(task)) for task in routes)
    wide = blocks * (side + 6) + 10
    width, height = labels + layers * (wide + gap), top + row * len(routes)
    parts = []
    for layer in range(layers):
        x = labels + layer * (wide + gap)
        parts.append(f'<text x="{x + wide / 2}" y="16" text-anchor="middle" font-weight="600">Layer {layer + 1}</text>')
    for i, (task, route) in enumerate(routes.items()):
        colour, y = SERIES[i % len(SERIES)], top + row * i
        parts.append(
            f'<text x="{labels - 16}" y="{y + side / 2 + 4}" text-anchor="end" fill="{colour}" font-weight="600">'
            f"{escape(label(task))}</text>"
        )
        for layer, chosen in enumerate(route):
            x = labels + layer * (wide + gap)
            if layer:
                way = f"M{x - gap + 6} {y + side / 2}h{gap - 14}m-6 -4l6 4l-6 4"
                parts.append(f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
            parts.append(
                f'<rect x="{x}" y="{y - 6}" width="{wide}" height="{side + 12}" rx="8" fill="none" '
                f'stroke="currentColor" stroke-opacity="0.25"/>'
            )
            for block in range(blocks):
                parts.append(_block(x + 8 + block * (side + 6), y, side, str(block + 1), colour, block == chosen))
    return _diagram(parts, width, height, "Blocks chosen by each task in each layer")


def _block(x: float, y: float, side: float, label: str, colour: str, chosen: bool) -> str:
    """A square with its label, filled where it was chosen."""
    if chosen:
        box, text = f'class="chosen" fill="{colour}" stroke="{colour}"', 'fill="#ffffff" font-weight="600"'
    else:
        box, text = 'class="other" fill="none" stroke="currentColor" stroke-opacity="0.35"', 'opacity="0.55"'
    return (
        f'<rect {box} x="{x}" y="{y}" width="{side}" height="{side}" rx="5"/>'
        f'<text x="{x + side / 2}" y="{y + side / 2 + 4}" text-anchor="middle" {text}>{label}</text>'
    )


def _depth_of(routes: Mapping[str, Sequence[int]], blocks: int) -> int:
    """Layers of the routes; SettingError where they don't fit each other or the blocks, or nobody could look at so many."""
    depth = {len(route) for route in routes.values()}
    if (most := max(blocks, 0, *depth)) > _MOST_BLOCKS:
        raise SettingError(f"{most:,} blocks or layers; at most {_MOST_BLOCKS} are drawn")
    if len(depth) != 1 or 0 in depth:
        raise SettingError(f"routes of {sorted(depth)} layers; every task needs one block in each layer")
    for task, route in routes.items():
        if not all(0 <= block < blocks for block in route):
            raise SettingError(f"route {list(route)} of task {task!r} leaves the blocks 0..{blocks - 1}")
    return depth.pop()


def _diagram(parts: list[str], width: float, height: float, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{label}" fill="currentColor" font-family="system-ui, sans-serif" '
        f'font-size="12" style="max-width:100%;height:auto">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _inline_svg(svg: str, title: str) -> str:
    """An SVG file of matplotlib's as a fragment: no prologue, the page's ink and font, and ids that no other chart has."""
    prefix = "c" + hashlib.sha256(svg.encode()).hexdigest()[:10]
    used = {each for tag in re.findall(r"<[^>]*>", svg) for each in re.findall(r'(?:url\(|href=")#([^")]+)', tag)}
    svg = re.sub(r"<[^>]*>", lambda tag: _inline_tag(tag[0], prefix, used), svg[svg.index("<svg") :])
    size = '<svg role="img" style="max-width:100%;height:auto" '
    return svg.replace("<svg ", size + f'aria-label="{escape(label(title))}" ', 1)


def _inline_tag(tag: str, prefix: str, used: set[str]) -> str:
    """A tag of matplotlib's; what stands between tags are names, which stay as they are."""
    tag = tag.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "").replace("xlink:href", "href")
    tag = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", tag)
    tag = tag.replace(_INK, "currentColor")
    return re.sub(r"('[^';\"]+', )+sans-serif", "system-ui, sans-serif", tag)
