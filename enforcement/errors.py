"""Why an action was refused.

EnforcementError
├── NotAllowed        the person has no right to it, here
├── SignInRefused     wrong login or password
│   └── Locked        too many failures
├── NoSuchClue        it does not exist, or lies outside the person's regions
├── ClueChanged       someone, or new data, was faster
├── WrongMove         the state machine has no such transition, or a reason is missing
└── WrongPerson       an account that cannot be made
"""

from __future__ import annotations

from domain.errors import MingchaError


class EnforcementError(MingchaError):
    """Base of refusals. `code` is what the console translates; the text is for commands and logs."""

    code = "enforcement"


class NotAllowed(EnforcementError):
    code = "not_allowed"


class SignInRefused(EnforcementError):
    code = "sign_in_refused"


class Locked(SignInRefused):
    code = "locked"


class NoSuchClue(EnforcementError):
    code = "no_such_clue"


class ClueChanged(EnforcementError):
    code = "clue_changed"


class WrongMove(EnforcementError):
    code = "wrong_move"


class WrongPerson(EnforcementError):
    code = "wrong_person"
