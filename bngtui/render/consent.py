"""What an operator is asked before a change does something to others' work: their file, their change on trial. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bngtui.render.dialog import Answer, Question

if TYPE_CHECKING:
    from engine.api.messages import Pending
    from engine.domain.errors import ErrorCode


class Asked(NamedTuple):
    """A question, the answer that agrees, and what is added to the request then."""

    question: Question
    yes: str
    args: dict[str, Any]


def consent(code: ErrorCode, message: str, pending: Pending | None) -> Asked | None:
    """Return what a refusal leads to; None where it is final. `pending` is the change on trial, as this console knows it."""
    if code == "file-differs":
        question = Question(
            "Overwrite the file?",
            (message,),
            (Answer("n", "Leave the file as it is", ""), Answer("y", "Overwrite it", "yes")),
            grave=(message,),
        )
        return Asked(question, "yes", {"overwrite": True})
    if code == "on-trial" and pending is not None:
        question = Question(
            f"Keep revision {pending.revision} with yours?",
            (message,),
            (
                Answer("w", "Wait, and change nothing", ""),
                Answer("k", f"Keep revision {pending.revision} of {pending.actor} with mine", "keep"),
            ),
            grave=(message,),
        )
        return Asked(question, "keep", {"keep_trial": pending.revision})
    return None
