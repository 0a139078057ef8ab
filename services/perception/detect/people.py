"""Who is in the photo: box, face and pose of each person, put together from three detectors or from the caller's boxes.

A face and a pose are given to a person once, here, and stay with that object: no later stage pairs lists by position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.common.faces import Face
from services.common.onnx_model import Float
from services.perception.boxes import area, centre, clipped, contains, grown, iou, part_inside
from services.perception.detect.objects import ANIMALS, Detection
from services.perception.detect.pose import Pose

MAX_PEOPLE: Final = 10

_ALONE_SCORE: Final = 0.42
"""A box without a face and an agreeing pose needs this score; a flag has been taken for a person at 0.39."""

_SAME_IOU: Final = 0.45
_INSIDE: Final = 0.6
_FACE_IN_BOX: Final = 0.7
_BODY_WIDTHS, _BODY_HEIGHTS = 3.0, 5.0
"""Size of the box drawn around a face that no detector gave a body, in face sizes."""


@dataclass(frozen=True)
class Subject:
    """One person: ``box`` (4,) in pixels, how sure the detectors are, and the face and pose that are theirs."""

    box: Float
    score: float
    face: Face | None = None
    pose: Pose | None = None


def find_people(
    detections: Sequence[Detection], poses: Sequence[Pose], faces: Sequence[Face], width: int, height: int
) -> list[Subject]:
    """People of the photo from left to right: each face with the body that fits it best, and bodies without a face."""
    bodies = [found for found in detections if found.name == "person"]
    faces = [face for face in faces if not _is_animals(face, detections)]
    body_of = match_faces([body.box for body in bodies], faces)
    pose_of = _poses_of_faces(faces, poses)
    people = [
        _with_face(
            face,
            bodies[body_of[index]] if index in body_of else None,
            poses[pose_of[index]] if index in pose_of else None,
            width,
            height,
        )
        for index, face in enumerate(faces)
    ]
    spare_poses = [pose for index, pose in enumerate(poses) if index not in pose_of.values()]
    spare_bodies = [body for index, body in enumerate(bodies) if index not in body_of.values()]
    people += _without_face(spare_bodies, spare_poses, people, width, height)
    return sorted(people, key=lambda person: float(centre(person.box)[0]))


def people_in_boxes(boxes: Sequence[Float], poses: Sequence[Pose], faces: Sequence[Face]) -> list[Subject]:
    """The caller's people, in the caller's order; each face and each pose goes to the box that it fits best."""
    face_of = {box: face for face, box in match_faces(boxes, faces).items()}
    people = [Subject(box, 1.0, faces[face_of[index]] if index in face_of else None) for index, box in enumerate(boxes)]
    pose_of = match_poses(people, poses)
    return [
        replace(person, pose=poses[pose_of[index]]) if index in pose_of else person
        for index, person in enumerate(people)
    ]


def largest(people: list[Subject], count: int = MAX_PEOPLE) -> list[Subject]:
    """The ``count`` largest, in the order they came."""
    kept = sorted(range(len(people)), key=lambda index: -area(people[index].box))[:count]
    return [people[index] for index in sorted(kept)]


def match_faces(boxes: Sequence[Float], faces: Sequence[Face]) -> dict[int, int]:
    """Face index -> box index, one to one, the best fit first.

    A face fits a person's box when it lies in it, near its top and its middle: so a child's face in front of a parent
    goes to the child's box, whose top it is nearer to.
    """
    costs = []
    for face_index, face in enumerate(faces):
        face_height = float(face.box[3] - face.box[1])
        for box_index, box in enumerate(boxes):
            if part_inside(face.box, box) < _FACE_IN_BOX:
                continue
            sideways = abs(centre(face.box)[0] - centre(box)[0]) / max(box[2] - box[0], 1)
            hair = 0.5 * face_height
            downwards = abs(face.box[1] - hair - box[1]) / (3 * face_height)
            costs.append((float(sideways + downwards), face_index, box_index))
    return _one_to_one(sorted(costs))


def match_poses(people: Sequence[Subject], poses: Sequence[Pose]) -> dict[int, int]:
    """Person's index -> index of their pose, the best fit of all first: a pose never goes to the second best."""
    fits = [
        (_pose_fit(pose, person), index, number)
        for index, person in enumerate(people)
        for number, pose in enumerate(poses)
    ]
    return _one_to_one([fit for fit in sorted(fits, key=lambda fit: -fit[0]) if fit[0] >= _SAME_IOU])


def _poses_of_faces(faces: Sequence[Face], poses: Sequence[Pose]) -> dict[int, int]:
    """Face index -> index of the pose whose nose is in that face, the nearest nose first."""
    gaps = [
        (gap, index, number)
        for index, face in enumerate(faces)
        for number, pose in enumerate(poses)
        if (gap := _nose_gap(face, pose)) is not None
    ]
    return _one_to_one(sorted(gaps))


def _one_to_one(ranked: Sequence[tuple[float, int, int]]) -> dict[int, int]:
    """(rank, left, right) best first -> left to right, each at most once."""
    matched: dict[int, int] = {}
    for _, left, right in ranked:
        if left not in matched and right not in matched.values():
            matched[left] = right
    return matched


def _with_face(face: Face, body: Detection | None, pose: Pose | None, width: int, height: int) -> Subject:
    scores = [face.score, body.score if body else 0, pose.score if pose else 0]
    if pose and (body is None or iou(pose.box, body.box) < _SAME_IOU):
        box = pose.box  # the pose belongs to this face, the body may span two people
    else:
        box = body.box if body else _body_below(face)
    whole = np.concatenate([np.minimum(box[:2], face.box[:2]), np.maximum(box[2:], face.box[2:])])
    return Subject(clipped(whole, width, height), float(max(scores)), face, pose)


def _body_below(face: Face) -> Float:
    x, top = centre(face.box)[0], face.box[1]
    wide, high = face.box[2:] - face.box[:2]
    half = _BODY_WIDTHS * wide / 2
    return np.array([x - half, top - 0.5 * high, x + half, top + _BODY_HEIGHTS * high], np.float32)


def _without_face(
    bodies: Sequence[Detection], poses: Sequence[Pose], people: Sequence[Subject], width: int, height: int
) -> list[Subject]:
    added: list[Subject] = []
    for body in bodies:
        pose = max(poses, key=lambda pose: iou(pose.box, body.box), default=None)
        if pose is not None and iou(pose.box, body.box) < _SAME_IOU:
            pose = None
        known = any(part_inside(body.box, other.box) > _INSIDE for other in (*people, *added))
        spans_a_group = sum(part_inside(other.box, body.box) > _INSIDE for other in (*people, *added)) > 1
        if pose is not None and not any(iou(pose.box, other.box) > _SAME_IOU for other in (*people, *added)):
            score = max(pose.score, body.score)
            added.append(Subject(clipped(body.box, width, height), score, None, pose))
        elif not known and not spans_a_group and body.score >= _ALONE_SCORE:
            added.append(Subject(clipped(body.box, width, height), body.score))
    for pose in poses:
        unknown = all(part_inside(pose.box, other.box) < _INSIDE for other in (*people, *added))
        if unknown and pose.score >= _ALONE_SCORE:
            added.append(Subject(clipped(pose.box, width, height), pose.score, None, pose))
    return added


def _is_animals(face: Face, detections: Sequence[Detection]) -> bool:
    return any(found.name in ANIMALS and part_inside(face.box, found.box) > _INSIDE for found in detections)


def _pose_fit(pose: Pose, person: Subject) -> float:
    """0..1 how well the boxes agree; 1..2, proof, where the nose is in the person's own face; 0 where it is not."""
    if person.face is None or pose.point("nose") is None:
        return iou(pose.box, person.box)
    gap = _nose_gap(person.face, pose)
    return 0.0 if gap is None else 2.0 - gap


def _nose_gap(face: Face, pose: Pose) -> float | None:
    """Distance from the pose's nose to the face's middle, in diagonals of the face; None where it is not in it."""
    nose = pose.point("nose")
    if nose is None or not contains(grown(face.box, 0.1), nose):
        return None
    diagonal = float(np.linalg.norm(face.box[2:] - face.box[:2]))
    return float(np.linalg.norm(nose - centre(face.box))) / max(diagonal, 1.0)
