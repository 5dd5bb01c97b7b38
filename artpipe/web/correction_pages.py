"""The routes of corrections: a queue of suspect labels and of pairs that may be one work, decisions, and undo.

They exist only where `ARTPIPE_WEB_EDITING` is on; see `editing.py` for who may use them.
"""

import getpass
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from artpipe.splits.overrides import (
    LABELS,
    SAME_WORK,
    OverrideFiles,
    one_of,
    undo,
    write_different_works,
    write_label,
    write_same_work,
)
from artpipe.tasks import read_tasks
from artpipe.web.app_state import AppState, State
from artpipe.web.corrections import Corrections, Kind, QueueItem
from artpipe.web.editing import PATH, Decision, Editor, refuse_other_sites

_Skip = Annotated[int, Query(ge=0, le=1_000_000)]
_Id = Annotated[str, Query(max_length=300)]
_Task = Annotated[str, Query(max_length=40)]
_MAX_REASON = 300
_NO_KEY = "Open the address with a key that `artpipe serve` printed when it started."


def _refuse_others(state: State, request: Request) -> None:
    state.editing.refuse_others(request)


router = APIRouter(prefix=PATH, include_in_schema=False, dependencies=[Depends(_refuse_others)])


@router.get("")
def corrections(
    state: State,
    request: Request,
    kind: Kind = "labels",
    task: _Task = "",
    skip: _Skip = 0,
    work: _Id = "",
    key: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The next thing to decide; or, for a visitor who is no editor yet, the form or the way to become one."""
    editor = state.editing.editor_of(request)
    if not state.editing.needs_token and key:
        if not state.editing.is_key(key):
            raise HTTPException(403, _NO_KEY)
        response = RedirectResponse(state.links.root + PATH, status_code=303)  # to an address without the key
        state.editing.set_cookie(response, request, editor or state.editing.admit(_login_name()))
        return response
    if editor is None:
        if state.editing.needs_token:
            return _page(state, request, "editor.html", problem="")
        raise HTTPException(403, _NO_KEY)
    return _page(state, request, "corrections.html", **_context(state, editor, kind, task, skip, work))


@router.post("/editor")
async def become_editor(state: State, request: Request) -> Response:
    """Admit who knows the token, or rename an editor of this machine."""
    form = await _form(request)
    if not state.editing.needs_token and state.editing.editor_of(request) is None:
        raise HTTPException(403, _NO_KEY)
    if state.editing.needs_token and not state.editing.is_token(form.get("token", "")):
        page = _page(state, request, "editor.html", problem="This is not the token.")
        page.status_code = 403
        return page
    response = RedirectResponse(state.links.root + PATH, status_code=303)
    state.editing.set_cookie(response, request, state.editing.admit(form.get("name", "")))
    return response


@router.post("/decide")
async def decide(state: State, request: Request) -> Response:
    """Write a decision to the files that `artpipe labels` writes, and show the next thing to decide."""
    editor, form = await _editor_and_form(state, request)
    await run_in_threadpool(_decide, state, editor, form)
    return _back(state, form)


@router.post("/undo")
async def undo_last(state: State, request: Request) -> Response:
    """Take the last decision of this editor back, and put back what it replaced."""
    editor, form = await _editor_and_form(state, request)
    decision = state.editing.last_of(editor)
    if decision is None:
        raise HTTPException(409, "There is nothing to undo.")
    await run_in_threadpool(undo, decision.file, _files(state).tasks, decision.written, decision.before)
    state.editing.forget_last(editor)
    return _back(state, form)


@router.post("/remove")
async def remove(state: State, request: Request) -> Response:
    """Take any decision of the list back, whoever made it."""
    _, form = await _editor_and_form(state, request)
    await run_in_threadpool(_remove, state, form.get("line", ""))
    return _back(state, form)


def _remove(state: AppState, key: str) -> None:
    files = _files(state)
    listed = Corrections(state.lake, files, state.catalogue).decided()
    line = next((one for one in listed if _line_key(one) == key), None)
    if line is None:
        raise HTTPException(409, "This decision is not in the list any more; reload the page.")
    file = {"label": files.labels, "same": files.same_work, "different": files.different_works}[line["kind"]]
    undo(file, files.tasks, {name: line[name] for name in (LABELS if line["kind"] == "label" else SAME_WORK)})


def _decide(state: AppState, editor: Editor, form: Mapping[str, str]) -> None:
    files = _files(state)
    signed = {"by": editor.name, "reason": " ".join(form.get("reason", "").split())[:_MAX_REASON]}
    signed["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    answer = form.get("answer", "")
    if form.get("task"):
        work = state.catalogue.get(form.get("artwork_id", ""))
        line = {"artwork_id": work["artwork_id"], "task": form["task"], "label": answer, **signed}
        file, before = files.labels, write_label(files, line)
        summary = f"The {line['task']} of “{work['title'] or 'Untitled'}” is {answer or 'unknown'}."
    else:
        left, right = (state.catalogue.get(form.get(side, "")) for side in ("left", "right"))
        line = {"left": left["artwork_id"], "right": right["artwork_id"], **signed}
        named = f"“{left['title'] or 'Untitled'}” and “{right['title'] or 'Untitled'}”"
        if answer == "same":
            file, before, summary = files.same_work, write_same_work(files, line), f"{named} are one work."
        elif answer == "different":
            file, before = files.different_works, write_different_works(files, line)
            summary = f"{named} are different works."
        else:
            raise HTTPException(422, "A pair is `same` or `different`.")
    state.editing.remember(editor, Decision(file, line, before, summary))


def _context(state: AppState, editor: Editor, kind: Kind, task: str, skip: int, work: str) -> dict[str, Any]:
    """What the page of corrections shows."""
    files = _files(state)
    if task and task not in files.tasks:
        raise HTTPException(422, f"Task must be {one_of(files.tasks.names)}.")
    found = Corrections(state.lake, files, state.catalogue)
    suspects, pairs = found.suspects(task if kind == "labels" else ""), found.pairs()
    queue = suspects if kind == "labels" else pairs
    item: QueueItem | None = None
    if work and files.tasks:
        item = found.label_of(work, task or files.tasks.names[-1])
    elif skip < queue.height:
        row = queue.row(skip, named=True)
        item = found.suspect(row) if kind == "labels" else found.pair(row)
    last = state.editing.last_of(editor)
    return {
        "editor": editor,
        "form_token": state.editing.form_token(editor),
        "kind": kind,
        "task": task,
        "tasks": files.tasks.names,
        "skip": skip,
        "work": work,
        "open_labels": suspects.height if kind == "labels" else found.suspects().height,
        "open_pairs": pairs.height,
        "left_over": max(0, queue.height - skip),
        "item": item,
        "upcoming": _upcoming(found, kind, queue, skip) if not work else None,
        "last": last.summary if last else "",
        "decided": [{**one, "key": _line_key(one)} for one in found.decided()],
        "effect": found.effect_of_refresh(state.config.retrain_drift),
        "retrain_drift": state.config.retrain_drift,
        "needs_token": state.editing.needs_token,
    }


def _upcoming(found: Corrections, kind: Kind, queue: Any, skip: int) -> QueueItem | None:
    """The item after this one, whose pictures the browser may fetch ahead."""
    if skip + 1 >= queue.height:
        return None
    row = queue.row(skip + 1, named=True)
    return found.suspect(row) if kind == "labels" else found.pair(row)


def _page(state: AppState, request: Request, template: str, **values: object) -> HTMLResponse:
    return HTMLResponse(state.render(request, template, **values), headers={"Cache-Control": "no-store"})


def _files(state: AppState) -> OverrideFiles:
    if state.config.overrides is None:
        raise HTTPException(404)
    return replace(state.config.overrides, tasks=read_tasks(state.lake))


async def _form(request: Request) -> dict[str, str]:
    refuse_other_sites(request)
    fields = await request.form(max_files=0, max_fields=20)
    return {name: value for name, value in fields.items() if isinstance(value, str)}


async def _editor_and_form(state: AppState, request: Request) -> tuple[Editor, dict[str, str]]:
    editor = state.editing.editor_of(request)
    if editor is None:
        raise HTTPException(403, f"Only editors decide; open {PATH} first.")
    form = await _form(request)
    state.editing.check_form(editor, form.get("form_token", ""))
    return editor, form


def _back(state: AppState, form: Mapping[str, str]) -> RedirectResponse:
    """To the next question of the same queue."""
    known = {name: form[name] for name in ("kind", "task_of_queue", "skip") if form.get(name)}
    if "task_of_queue" in known:
        known["task"] = known.pop("task_of_queue")
    return RedirectResponse(state.links.root + PATH + (f"?{urlencode(known)}" if known else ""), status_code=303)


def _line_key(line: Mapping[str, Any]) -> str:
    """What tells a decision of the list apart from the others."""
    return "\t".join([line["kind"], *line["works"], line.get("task") or "", line["at"] or ""])


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number alone
        return "somebody"
