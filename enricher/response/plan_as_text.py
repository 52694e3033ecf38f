"""A plan as text: to read, to print, to copy line by line into a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enricher.cloudtrail.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enricher.response.plans import AlsoHits, AwsCall, Plan, Step


def as_text(plan: Plan) -> str:
    """Give a plan as plain text; what came from the events is spelt in printable characters."""
    lines = [
        (
            f"Containment plan {plan.id} of {plan.subject['kind']} {plan.subject['id']}, "
            f"made at {plan.made_at}"
        ),
        *(f"Note: {note}" for note in plan.notes),
    ]
    for number, step in enumerate(plan.steps, 1):
        lines += ["", *_step(number, step)]
    return "".join(f"{plain(line)}\n" for line in lines)


def _step(number: int, step: Step) -> Iterator[str]:
    marks = [word for word, on in (("optional", step.optional), ("by people", step.manual)) if on]
    told = f" ({', '.join(marks)})" if marks else ""
    yield f"{number}. {step.action.value} {step.target}{told}"
    proof = f"; evidence: {', '.join(step.evidence)}" if step.evidence else ""
    yield f"   Why: {step.why} Confidence: {step.confidence}{proof}"
    yield f"   Also hits: {_hits(step.also_hits)}"
    yield from _commands(step.calls)
    yield from (f"   Caveat: {caveat}" for caveat in step.caveats)
    yield f"   Holds when: {step.verification.expect}"
    yield from _commands(step.verification.calls)
    yield f"   Undo: {step.undo.what}"
    yield from _commands(step.undo.calls)


def _hits(hits: AlsoHits) -> str:
    if not hits.origins:
        return hits.what
    names = f": {', '.join(hits.names)}" if hits.names else ""
    return f"{hits.what}; {hits.origins} other origins{names}"


def _commands(calls: tuple[AwsCall, ...]) -> Iterator[str]:
    return (f"     {call.command}" for call in calls)
