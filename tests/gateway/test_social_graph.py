from xml.etree import ElementTree

from gateway.social_graph import SocialGraph, as_svg, social_graph
from services.reasoning.schemas import FiredRule, GroupLabel, GroupReading, Relation, RelationsResponse, Roles

SVG = "{http://www.w3.org/2000/svg}"


def relation(first: str, second: str, label: str, roles: Roles | None = None, *, abstained: bool = False) -> Relation:
    return Relation(
        pair=(first, second),
        label=label,
        coarse=None,
        probabilities={"family": 0.4, "teacher-student": 0.5, "a<b": 0.1},
        abstained=abstained,
        roles=roles,
        explanation=None,
        evidence=[],
    )


def graph(relations: list[Relation], group: GroupReading | None = None) -> SocialGraph:
    answer = RelationsResponse(
        relations=relations, group=group, taxonomy="t", prompt="p", model="m", method="x", warnings=[], timings_s={}
    )
    return social_graph(["P1", "P2", "P3"], {"P1": (0, 0, 9, 9)}, answer)


def test_a_directed_relation_goes_from_its_first_role_to_its_second():
    roles = Roles(people={"teacher": "P2", "student": "P1"}, probability=0.7)
    (edge,) = graph([relation("P1", "P2", "teacher-student", roles)]).edges
    assert (edge.source, edge.target, edge.directed) == ("P2", "P1", True)


def test_the_label_is_that_of_all_pairs_together_and_the_pairs_own_is_kept():
    group = GroupReading(
        labels=[GroupLabel(pair=("P1", "P2"), label="family"), GroupLabel(pair=("P1", "P3"), label="family")],
        fired=[FiredRule(rule="kin", weight=1.0, pairs=[("P1", "P2")])],
        method="exact",
    )
    roles = Roles(people={"teacher": "P2", "student": "P1"}, probability=0.7)
    found = graph([relation("P1", "P2", "teacher-student", roles), relation("P1", "P3", "family")], group)
    changed, kept = found.edges
    assert (changed.label, changed.alone, changed.probability, changed.directed) == (
        "family",
        "teacher-student",
        0.4,
        False,
    )
    assert (kept.label, kept.alone) == ("family", None) and found.fired[0].rule == "kin"
    lines = ElementTree.fromstring(as_svg(found)).findall(f".//{SVG}line")  # noqa: S314 - written by us just now
    assert lines[0].get("stroke") != lines[1].get("stroke")


def test_the_picture_is_well_formed_whatever_a_label_holds_and_shows_everybody():
    drawn = ElementTree.fromstring(as_svg(graph([relation("P1", "P2", "a<b")])))  # noqa: S314 - written by us
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert texts == ["a<b 10%", "P1", "P2", "P3"]


def test_an_arrow_ends_before_the_person_it_points_to():
    roles = Roles(people={"teacher": "P1", "student": "P2"}, probability=0.7)
    drawn = ElementTree.fromstring(as_svg(graph([relation("P1", "P2", "teacher-student", roles)])))  # noqa: S314
    (head,), circles = drawn.findall(f".//{SVG}polygon"), drawn.findall(f".//{SVG}circle")
    x, y = map(float, head.get("points", "").split()[0].split(","))
    apart = ((x - float(circles[1].get("cx", 0))) ** 2 + (y - float(circles[1].get("cy", 0))) ** 2) ** 0.5
    assert abs(apart - float(circles[1].get("r", 0))) < 0.2
    plain = ElementTree.fromstring(as_svg(graph([relation("P1", "P2", "family")])))  # noqa: S314 - written by us
    assert plain.find(f".//{SVG}polygon") is None
