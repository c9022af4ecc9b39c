"""Choosing the model on Beheer."""

from __future__ import annotations

from starlette.responses import Response

from triage.errors import ConflictError, ModelUnavailable, NotAllowed, NotFound
from triage.web.admin import admin_page
from triage.web.desk import Visit


def promote_screen(visit: Visit) -> Response:
    try:
        visit.desk.acts.promote_model(visit.form.line("model", longest=40), user=visit.user)
    except ConflictError:
        return admin_page(visit, problem="Dit model is al in gebruik.")
    except NotAllowed:
        return admin_page(visit, problem="Dit model mag niet in gebruik. Bekijk hieronder de vergelijking.")
    except NotFound:
        return admin_page(visit, problem="Dit model bestaat niet meer.")
    except ModelUnavailable:
        return admin_page(visit, problem="Dit model is beschadigd. Het oude model blijft in gebruik.")
    return visit.done("/beheer", "model", "#model")


def roll_back_screen(visit: Visit) -> Response:
    try:
        visit.desk.acts.roll_back_model(user=visit.user)
    except ConflictError:
        return admin_page(visit, problem="Er is geen vorig model.")
    except ModelUnavailable:
        return admin_page(visit, problem="Het vorige model is beschadigd. Het model van nu blijft in gebruik.")
    return visit.done("/beheer", "model", "#model")
