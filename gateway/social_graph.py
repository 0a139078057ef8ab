"""The social graph, and its picture as an SVG: people on a circle, a line per relation, as the console draws it."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, Self
from xml.etree import ElementTree

from pydantic import BaseModel, Field, model_validator

from services.perception.schemas import Box
from services.reasoning.schemas import FiredRule, Relation, RelationsResponse, Symbol

WIDTH, HEIGHT = 720, 540
_MARGIN: Final = 70
_RADIUS: Final = 24
_HUES: Final = (222, 28, 150, 330, 190, 50, 275, 100)
_ALONG: Final = (0.46, 0.34, 0.58, 0.7, 0.26)
"""Where on its line a label may stand; the first place that no other label takes. Crossing lines meet in the middle."""

_LETTER, _LINE = 8.2, 18
"""Room that a letter and a line of a label take, in pixels."""

_NO_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML may hold (XML 1.0, section 2.2)."""

Point = tuple[float, float]


class Node(BaseModel):
    """A person of the social graph."""

    id: Symbol
    box: Box | None


class Edge(BaseModel):
    """A relation of the social graph; relations that the model abstained from are left out."""

    source: Symbol
    target: Symbol
    label: str
    probability: float = Field(ge=0, le=1)
    alone: str | None = Field(
        None, description="the label by this pair alone; null where `label` is that one, and no other pair changed it"
    )
    directed: bool = Field(False, description="from who has the relation's first role to who has its second")


class SocialGraph(BaseModel):
    """``POST /v1/graphs`` draws it."""

    nodes: list[Node] = Field(max_length=200)
    edges: list[Edge] = Field(max_length=20_000)
    fired: list[FiredRule] = Field(
        default_factory=list, max_length=20_000, description="rules over three people that hold in the labels"
    )

    @model_validator(mode="after")
    def _edges_join_nodes(self) -> Self:
        known = {node.id for node in self.nodes}
        unknown = sorted({end for edge in self.edges for end in (edge.source, edge.target)} - known)
        if unknown:
            raise ValueError(f"edges: {', '.join(unknown)} is not one of the nodes")
        return self


def social_graph(symbols: Sequence[str], boxes: Mapping[str, Box], answer: RelationsResponse) -> SocialGraph:
    """All people, and the labels that their relations have together where pairs were read together, else alone."""
    together = {found.pair: found.label for found in answer.group.labels} if answer.group else {}
    return SocialGraph(
        nodes=[Node(id=symbol, box=boxes.get(symbol)) for symbol in symbols],
        edges=[
            _edge(relation, together.get(relation.pair, relation.label))
            for relation in answer.relations
            if not relation.abstained
        ],
        fired=answer.group.fired if answer.group else [],
    )


def _edge(relation: Relation, label: str) -> Edge:
    changed = label != relation.label
    # The roles are those of the pair's own label.
    roles = None if changed else relation.roles
    source, target = roles.people.values() if roles else relation.pair
    return Edge(
        source=source,
        target=target,
        label=label,
        probability=relation.probabilities[label],
        alone=relation.label if changed else None,
        directed=roles is not None,
    )


def as_svg(graph: SocialGraph) -> str:
    """A picture that stands alone: no script, no link, no font of elsewhere."""
    names = [node.id for node in graph.nodes]
    places = {name: _place(index, len(names)) for index, name in enumerate(names)}
    told = "; ".join(f"{edge.source} and {edge.target}: {edge.label}" for edge in graph.edges) or "no relation"
    picture = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img",
        width=str(WIDTH), height=str(HEIGHT),
    )  # fmt: skip
    _add(picture, "title", f"Social graph. {told}")
    _add(picture, "rect", width=WIDTH, height=HEIGHT, fill="white")
    for edge in graph.edges:
        (x0, y0), (x1, y1) = places[edge.source], places[edge.target]
        width = round(1 + 5 * edge.probability, 2)
        stroke = "#9aa3b2" if edge.alone is None else _CHANGED
        _add(picture, "line", x1=x0, y1=y0, x2=x1, y2=y1, stroke=stroke, stroke_width=width)
        if edge.directed:
            _add(picture, "polygon", points=_arrow((x0, y0), (x1, y1)), fill="#1c2330")
    taken: list[Point] = []
    for edge in graph.edges:  # above all lines
        words = f"{edge.label} {edge.probability:.0%}"
        taken.append(_free(places[edge.source], places[edge.target], _LETTER * len(words), taken))
        x, y = taken[-1]
        _add(picture, "text", words, x=round(x, 1), y=round(y + 5, 1), fill="#1c2330", **_FONT | _HALO)
    for name in names:
        x, y = places[name]
        hue = _HUES[(int(name[1:]) - 1) % len(_HUES)]
        _add(picture, "circle", cx=x, cy=y, r=_RADIUS, fill=f"hsl({hue} 75% 45%)")
        _add(picture, "text", name, x=x, y=y + 5, fill="white", **_FONT, font_weight="bold")
    return ElementTree.tostring(picture, encoding="unicode")


_CHANGED: Final = "#c2410c"
"""Of a line whose label the other pairs changed."""
_FONT: Final = {"font_family": "system-ui, sans-serif", "font_size": "15", "text_anchor": "middle"}
_HALO: Final = {"stroke": "white", "stroke_width": "5", "paint_order": "stroke", "stroke_linejoin": "round"}


def _free(start: Point, end: Point, width: float, taken: list[Point]) -> Point:
    """The middle of a label of ``width`` px; the first place where all are taken."""
    (x0, y0), (x1, y1) = start, end
    places = [(x0 + (x1 - x0) * along, y0 + (y1 - y0) * along) for along in _ALONG]
    free = (place for place in places if all(abs(place[0] - x) > width or abs(place[1] - y) > _LINE for x, y in taken))
    return next(free, places[0])


def _arrow(start: Point, end: Point) -> str:
    """Corners of a head that points at ``end`` and ends before the person there."""
    length = math.dist(start, end) or 1.0
    dx, dy = ((end[axis] - start[axis]) / length for axis in (0, 1))
    tip = (end[0] - dx * _RADIUS, end[1] - dy * _RADIUS)
    back = (tip[0] - 14 * dx, tip[1] - 14 * dy)
    corners = (tip, (back[0] - 6 * dy, back[1] + 6 * dx), (back[0] + 6 * dy, back[1] - 6 * dx))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _place(index: int, count: int) -> Point:
    """Two stand side by side; more begin at the top."""
    angle = 2 * math.pi * index / count - (math.pi if count == 2 else math.pi / 2)
    x = WIDTH / 2 + (WIDTH / 2 - _MARGIN) * math.cos(angle)
    y = HEIGHT / 2 + (HEIGHT / 2 - _MARGIN) * math.sin(angle)
    return round(x, 1), round(y, 1)


def _add(parent: ElementTree.Element, tag: str, text: str = "", **attributes: str | float) -> None:
    child = ElementTree.SubElement(
        parent, tag, {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    )
    child.text = _NO_XML.sub("\ufffd", text) or None
