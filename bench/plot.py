# SPDX-License-Identifier: MIT
"""Small multiples with logarithmic axes as SVG, without any library."""
import math
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#666666")
DASHES = ("", "", "5 3")
MARKS = ("circle", "square", "diamond")

COLUMNS = 3
WIDTH, HEIGHT = 260, 170          # of a panel's axes
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 34
HEAD, FOOT = 34, 26


class Axis:
    """Maps values to positions, logarithmically, between whole powers of ten if @decades."""

    def __init__(self, values, start, end, decades):
        low, high = math.log10(min(values)), math.log10(max(values))
        if decades:
            low, high = math.floor(low), math.ceil(high)
        if high - low < 1:
            high = low + 1
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, v):
        return self.start + (math.log10(v) - self.low) / (self.high - self.low) * (self.end - self.start)


def number(v):
    """A tick's label."""
    return f"{v:g}" if v >= 0.01 else f"{v:.0e}".replace("e-0", "e-")


def mark(kind, x, y, colour):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if kind == "diamond" else ""
    return f'<rect x="{x - 2.8:.1f}" y="{y - 2.8:.1f}" width="5.6" height="5.6" fill="{colour}"{turn}/>'


def text(x, y, s, anchor="middle", size=11, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>'
            f'{escape(str(s))}</text>')


def axes(title, xs, x, y):
    """Frame, grid and labels of a panel."""
    out = [text((x.start + x.end) / 2, y.end - 10, title, size=12, more=' font-weight="bold"'),
           f'<rect x="{x.start}" y="{y.end}" width="{x.end - x.start}" height="{y.start - y.end}" '
           'fill="none" stroke="#999"/>']
    for e in range(int(y.low), int(y.high) + 1):
        p = y.at(10.0 ** e)
        out += [f'<line x1="{x.start}" x2="{x.end}" y1="{p:.1f}" y2="{p:.1f}" stroke="#ddd"/>',
                text(x.start - 5, p + 4, number(10.0 ** e), "end")]
    for v in xs:
        p = x.at(v)
        out += [f'<line x1="{p:.1f}" x2="{p:.1f}" y1="{y.start}" y2="{y.start + 4}" stroke="#999"/>',
                text(p, y.start + 16, v)]
    return out


def line(points, i, x, y, scale):
    """Quartiles as bars, medians as marks."""
    colour = COLOURS[i % len(COLOURS)]
    dash = f' stroke-dasharray="{DASHES[i % len(DASHES)]}"' if DASHES[i % len(DASHES)] else ""
    path = " ".join(f"{x.at(n):.1f},{y.at(q[1] * scale):.1f}" for n, q in points)
    out = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>']
    for n, q in points:
        px = x.at(n)
        out += [f'<line x1="{px:.1f}" x2="{px:.1f}" y1="{y.at(q[0] * scale):.1f}" '
                f'y2="{y.at(q[2] * scale):.1f}" stroke="{colour}" stroke-width="4" opacity="0.4"/>',
                mark(MARKS[i % len(MARKS)], px, y.at(q[1] * scale), colour)]
    return out


def svg(panels, x_label, y_label, scale):
    """Returns the picture.

    @panels: list of (title, lines); a line is (name, points), a point (x, (q1, median, q3)).
    All lines named alike look alike. @scale turns values into what the axis shows.
    """
    rows = -(-len(panels) // COLUMNS)
    cell_w, cell_h = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    w, h = COLUMNS * cell_w, HEAD + rows * cell_h + FOOT
    out = ['<?xml version="1.0" encoding="UTF-8"?>', "<!-- SPDX-License-Identifier: MIT -->",
           f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
           'font-family="sans-serif">', f'<rect width="{w}" height="{h}" fill="#fff"/>']
    names = [name for name, _ in panels[0][1]]
    for i, name in enumerate(names):
        px = LEFT + i * 190
        out += [f'<line x1="{px}" x2="{px + 26}" y1="16" y2="16" stroke="{COLOURS[i]}" stroke-width="1.6" '
                f'stroke-dasharray="{DASHES[i] or "none"}"/>', mark(MARKS[i], px + 13, 16, COLOURS[i]),
                text(px + 33, 20, name, "start", 12)]
    out.append(text(w - RIGHT, 20, y_label, "end", 12))
    for k, (title, lines) in enumerate(panels):
        left = k % COLUMNS * cell_w + LEFT
        top = HEAD + k // COLUMNS * cell_h + TOP
        xs = sorted({n for _, points in lines for n, _ in points})
        ys = [v * scale for _, points in lines for _, q in points for v in q if v > 0]
        if not ys:
            continue
        x = Axis(xs, left, left + WIDTH, False)
        y = Axis(ys, top + HEIGHT, top, True)
        out += axes(title, xs, x, y)
        for i, (_, points) in enumerate(lines):
            points = [p for p in points if min(p[1]) > 0]
            if points:
                out += line(points, i, x, y, scale)
    out += [text(w / 2, h - 8, x_label, size=12), "</svg>", ""]
    return "\n".join(out)
