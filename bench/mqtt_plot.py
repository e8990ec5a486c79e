"""Draws lines on logarithmic axes as SVG: small, readable as text, the same on white and on dark paper."""
import math

WIDTH, HEIGHT, COLUMNS, GAP, HEAD = 330, 250, 2, 30, 46
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 30, 42
COLOURS = ["#c0504d", "#2a7ab5", "#3a9a5b"]


def ticks(low, high):
    """1, 10, 100 … within, and the ends' neighbours."""
    return [10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def number(v):
    if v >= 1e6:
        return f"{v / 1e6:g} M"
    if v >= 1000:
        return f"{v / 1000:g} k"
    return f"{v:g}"


def panel(out, at_x, at_y, title, unit, lines, low, high):
    xs = [x for points in lines.values() for x, _ in points]
    x0, x1 = math.log10(min(xs)), math.log10(max(xs))
    y0, y1 = math.log10(low), math.log10(high)
    w, h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def px(x):
        return at_x + LEFT + (math.log10(x) - x0) / (x1 - x0) * w

    def py(y):
        return at_y + TOP + (1 - (math.log10(y) - y0) / (y1 - y0)) * h

    out.append(f'<text x="{at_x + LEFT}" y="{at_y + 16}" class="t">{title}</text>')
    for t in ticks(low, high):
        if low <= t <= high:
            out.append(f'<path d="M{px(min(xs)):.1f} {py(t):.1f}h{w}" class="g"/><text x="{at_x + LEFT - 6}" y="{py(t) + 4:.1f}" class="y">{number(t)}</text>')
    for t in ticks(min(xs), max(xs)):
        if min(xs) <= t <= max(xs):
            out.append(f'<path d="M{px(t):.1f} {at_y + TOP}v{h}" class="g"/><text x="{px(t):.1f}" y="{at_y + TOP + h + 15}" class="x">{number(t)}</text>')
    out.append(f'<text x="{at_x + LEFT + w / 2}" y="{at_y + TOP + h + 32}" class="x">{unit}</text>')
    for (name, points), colour in zip(lines.items(), COLOURS):
        out.append(f'<polyline points="{" ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)}" stroke="{colour}" class="l"/>')
        out.extend(f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="2.6" fill="{colour}"><title>{name}: {y:.2f} at {x:,}</title></circle>' for x, y in points)


def draw(title, panels):
    """panels: (title, unit of x, {name: [(x, y), …]}), all on the same scale of y."""
    ys = [y for _, _, lines in panels for points in lines.values() for _, y in points if y > 0]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = COLUMNS * WIDTH + (COLUMNS - 1) * GAP, HEAD + rows * HEIGHT + (rows - 1) * 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
           '<style>text{fill:#444}.t{font-size:12px;font-weight:bold}.x{text-anchor:middle}.y{text-anchor:end}.g{stroke:#8884;fill:none}.l{fill:none;stroke-width:2}</style>',
           f'<rect width="{width}" height="{height}" fill="#fff"/>', f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{title}</text>']
    names = list(panels[0][2])
    for i, name in enumerate(names):
        x = width - 110 * (len(names) - i)
        out.append(f'<path d="M{x} 18h22" stroke="{COLOURS[i]}" class="l"/><text x="{x + 28}" y="22">{name}</text>')
    for i, (panel_title, unit, lines) in enumerate(panels):
        panel(out, i % COLUMNS * (WIDTH + GAP), HEAD + i // COLUMNS * (HEIGHT + 8), panel_title, unit, lines, low, high)
    return "\n".join(out + ["</svg>", ""])
