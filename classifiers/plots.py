"""Small line plots as SVG text: enough for a model card, without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, MARGIN = 640, 360, 56
COLOURS = ("#1f4e79", "#b04a00", "#2e6b34", "#6a3d8a", "#7a5c00", "#444444")
DASHES = ("", "6 4", "2 3", "8 3 2 3", "12 4", "4 2")  # lines stay apart without colour
Points = Sequence[tuple[float, float]]


def line_plot(
    title: str,
    x_label: str,
    y_label: str,
    lines: Sequence[tuple[str, Points]],
    *,
    x_range: tuple[float, float],
    y_range: tuple[float, float] = (0.0, 1.0),
) -> str:
    """An SVG document with one named line per item, dots on the points, and both axes in five steps."""

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_range[0]) / ((x_range[1] - x_range[0]) or 1.0)
        up = (y - y_range[0]) / ((y_range[1] - y_range[0]) or 1.0)
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for step in range(6):
        x = x_range[0] + (x_range[1] - x_range[0]) * step / 5
        y = y_range[0] + (y_range[1] - y_range[0]) * step / 5
        (px, _), (_, py) = place(x, y_range[0]), place(x_range[0], y)
        out.append(
            f'<path d="M{px:.1f} {MARGIN}V{HEIGHT - MARGIN}M{MARGIN} {py:.1f}H{WIDTH - MARGIN}" stroke="#dddddd"/>'
        )
        out.append(f'<text x="{px:.1f}" y="{HEIGHT - MARGIN + 16}" text-anchor="middle">{x:g}</text>')
        out.append(f'<text x="{MARGIN - 6}" y="{py + 4:.1f}" text-anchor="end">{y:.2g}</text>')
    out.append(f'<text x="{WIDTH / 2:g}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_label)}</text>')
    out.append(
        f'<text x="14" y="{HEIGHT / 2:g}" text-anchor="middle" transform="rotate(-90 14 {HEIGHT / 2:g})">'
        f"{escape(y_label)}</text>"
    )
    for i, (name, points) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        placed = [place(x, y) for x, y in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed) if placed else ""
        dash = f' stroke-dasharray="{DASHES[i % len(DASHES)]}"' if DASHES[i % len(DASHES)] else ""
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        out.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed)
        out.append(
            f'<text x="{WIDTH - MARGIN}" y="{40 + 16 * i}" text-anchor="end" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*out, "</svg>"]) + "\n"


def grid_plot(title: str, rows: Sequence[str], columns: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """An SVG grid of counts; the more, the darker the cell."""
    most = max((count for line in counts for count in line), default=0) or 1
    width, height = (WIDTH - 2 * MARGIN) / max(len(columns), 1), (HEIGHT - 2 * MARGIN) / max(len(rows), 1)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for j, name in enumerate(columns):
        x = MARGIN + (j + 0.5) * width
        out.append(f'<text x="{x:.1f}" y="{MARGIN - 6}" text-anchor="middle">{escape(name)}</text>')
    for i, name in enumerate(rows):
        y = MARGIN + i * height
        out.append(f'<text x="{MARGIN - 6}" y="{y + height / 2:.1f}" text-anchor="end">{escape(name)}</text>')
        for j, count in enumerate(counts[i]):
            x, shade = MARGIN + j * width, 0.8 * count / most
            ink = "#ffffff" if shade > 0.45 else "#000000"
            out.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width - 2:.1f}" height="{height - 2:.1f}" fill="#1f4e79" '
                f'fill-opacity="{shade + 0.04:.2f}"/>'
                f'<text x="{x + width / 2:.1f}" y="{y + height / 2 + 4:.1f}" text-anchor="middle" '
                f'fill="{ink}">{count}</text>'
            )
    return "\n".join([*out, "</svg>"]) + "\n"
