"""Plots of benchmarks as plain SVG: no library is needed to draw bars."""

import html
import math
from pathlib import Path
from typing import Final

_COLOURS: Final = ("#c0392b", "#e67e22", "#2c3e50", "#2980b9", "#16a085", "#8e44ad", "#7f8c8d", "#95a5a6")
_LABEL: Final = 250
_WIDTH: Final = 620
_BAR: Final = 9


def bars(path: str, title: str, rows: dict[str, dict[str, float]], unit: str) -> None:
    """Write a plot with a group of bars for each row: its values as multiples of its ``unit``, on a log scale."""
    ratios = {
        row: {name: value / values[unit] for name, value in values.items() if name != unit}
        for row, values in rows.items()
    }
    names = list(dict.fromkeys(name for values in ratios.values() for name in values))
    colours = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
    every = [ratio for values in ratios.values() for ratio in values.values()]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))

    def across(ratio: float) -> float:
        return _LABEL + (math.log10(ratio) - low) / (high - low) * _WIDTH

    parts = [f'<text x="10" y="20" font-size="15">{html.escape(title)}</text>']
    for place, name in enumerate(names):
        parts.append(f'<rect x="{10 + place * 110}" y="30" width="10" height="10" fill="{colours[name]}"/>')
        parts.append(f'<text x="{24 + place * 110}" y="39">{html.escape(name)}</text>')
    top = 62
    for row, values in ratios.items():
        parts.append(
            f'<text x="{_LABEL - 8}" y="{top + _BAR * len(values) / 2 + 4}" text-anchor="end">{html.escape(row)}</text>'
        )
        for name, ratio in values.items():
            width = across(ratio) - _LABEL
            parts.append(
                f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR - 1}" fill="{colours[name]}"/>'
            )
            parts.append(f'<text x="{_LABEL + width + 3:.1f}" y="{top + 8}" font-size="8">{ratio:.1f}</text>')
            top += _BAR
        top += 8
    for power in range(low, high + 1):
        x = across(10.0**power)
        parts.append(f'<path d="M{x:.1f} 56V{top}" stroke="#000" stroke-opacity="0.15"/>')
        parts.append(f'<text x="{x:.1f}" y="54" text-anchor="middle" font-size="9">{10.0**power:g}</text>')
    size = f'width="{_LABEL + _WIDTH + 60}" height="{top + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    Path(path).write_text("\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"]))
