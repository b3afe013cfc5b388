"""Writes an ensemble: a copy of every member, and what they have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.models.ensemble import Ensemble
from bench.records import Combine
from bench.submissions.canonical import canonical_bytes, weights_sha256
from bench.submissions.card import FILE, WEIGHTS, Card, card_of, card_toml, read_card
from bench.submissions.load import LoadedSubmission, load_members
from bench.submissions.pack import write_folder

ROOM = 40  # characters of a member's slug that are kept beside a seed or a number


def assemble(
    sources: Sequence[Path],
    folder: Path,
    *,
    combine: Combine = "probabilities",
    slug: str | None = None,
) -> Path:
    """Writes an ensemble as a submission folder; a folder of an old one is replaced.

    Of pruning and training its card says what all members agree on. Its seed is the first
    member's, so that it is compared with the dense network of that seed.

    Args:
        sources: Submission folders of the members; weights are copied in canonical form.
        folder: Target.
        combine: What is averaged.
        slug: Short name; None for `ensemble-of-N`, with the members' slug if they share one.

    Returns:
        The folder.

    Raises:
        BenchError: E-BAD-VALUE for a target that is or holds a member, or is something else than
            a submission folder; E-SUBMISSION-TOML for a slug that cannot be; others as
            `load_members`.
    """
    places = [source.resolve() for source in sources]  # the user's own links
    for place in places:
        if place.is_relative_to(folder.resolve()):
            raise BenchError("E-BAD-VALUE", f"{folder}: holds the member {place}; name another")
    members = load_members(places)
    cards = [read_card(place) for place in places]
    names = _names(cards)
    card = _common(cards, members, names, combine, slug)
    files = {FILE: card_toml(card).encode()}
    for name, own, member in zip(names, cards, members, strict=True):
        files[f"{name}/{FILE}"] = card_toml(own).encode()
        files[f"{name}/{WEIGHTS}"] = canonical_bytes(member.model.network.state_dict())
    return write_folder(folder, files)


def _common(
    cards: Sequence[Card],
    members: Sequence[LoadedSubmission],
    names: Sequence[str],
    combine: Combine,
    slug: str | None,
) -> Card:
    """The ensemble's card."""
    network = Ensemble([member.model.network for member in members], combine)
    agreed = {name: _agreed(cards, name) for name in ("pruning", "training", "about")}
    slugs = {card.slug for card in cards}
    shared = f"-{min(slugs)}" if len(slugs) == 1 else ""
    return card_of(
        {
            "schema": 1,
            "slug": slug or f"ensemble-of-{len(cards)}{shared}"[:64],
            "kind": "ensemble",
            "model": {
                "architecture": members[0].record.architecture,
                "members": list(names),
                "combine": combine,
                "sha256": weights_sha256(network.state_dict()),
            },
            "input": cards[0].input.model_dump(),
            **agreed,
            "training": {**agreed["training"], "seed": cards[0].training.seed},
        }
    )


def _agreed(cards: Sequence[Card], section: str) -> Mapping[str, Any]:
    """The fields of a section that have the same value in every card."""
    first, *others = (getattr(card, section).model_dump() for card in cards)
    return {
        name: value
        for name, value in first.items()
        if all(other[name] == value for other in others)
    }


def _names(cards: Sequence[Card]) -> list[str]:
    """A folder for each member: by its slug where no two share one, else by slug and seed."""
    slugs = [card.slug for card in cards]
    seeded = [f"{card.slug[:ROOM]}-{card.training.seed}" for card in cards]
    known = all(card.training.seed is not None for card in cards)
    for names in (slugs, seeded) if known else (slugs,):
        if len(set(names)) == len(names) and FILE not in names:
            return names
    return [f"{slug[:ROOM]}-{number}" for number, slug in enumerate(slugs, start=1)]
