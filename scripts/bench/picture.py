"""A picture of bars, as SVG: light or dark, as the page that shows it."""
from html import escape

from measure import show

# What is drawn of what was measured.
PANELS = (("disk", "B", "on disk"), ("memory", "B", "memory, page cache included"), ("cache", "B", "page cache of the packages' files"),
          ("imported", "s", "first start to last import"), ("all", "s", "lock to last import"))
WIDTH, LEFT, BAR, GAP = 760, 250, 18, 34  # pixels; GAP is what a panel takes beside its bars

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 15px } .panel { font-weight: 600 }
  .bar { fill: #afb8c1 } .ours { fill: #1a7f37 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .bar { fill: #545d68 } .ours { fill: #3fb950 }
  }
"""


def panel(y, key, unit, title, sides):
    """One figure of all sides, drawn from y on."""
    lines = ['<text class="panel" x="10" y="%d">%s</text>' % (y, escape(title))]
    most = max(values[key] for values in sides.values()) or 1
    for n, (label, values) in enumerate(sides.items()):
        top, length = y + 8 + n * BAR, max(1, (WIDTH - LEFT - 90) * values[key] / most)
        lines.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 8, top + 12, escape(label)))
        lines.append('<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>' % ("bar" if n else "ours", LEFT, top, length, BAR - 4))
        lines.append('<text x="%.1f" y="%d">%s</text>' % (LEFT + length + 6, top + 12, show(values[key], unit)))
    return lines


def draw(title, sides):
    """sides is {label: {key: value}}, ours first."""
    lines, y = ['<text class="title" x="10" y="24">%s</text>' % escape(title)], 52
    for key, unit, name in PANELS:
        lines += panel(y, key, unit, name, sides)
        y += len(sides) * BAR + GAP
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" role="img" aria-label="%s">' % (WIDTH, y - 20, WIDTH, escape(title))
    return "\n".join([head, "<style>%s</style>" % STYLE, *lines, "</svg>"]) + "\n"
