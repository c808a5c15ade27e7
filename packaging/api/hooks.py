"""What schemathesis cannot know by itself: the digest of a body, days that add up, and how a refusal is to name itself."""

import base64
import copy
import datetime
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import sys

import schemathesis
from hypothesis import strategies

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIGEST = re.compile("sha-256=:[A-Za-z0-9+/]{43}=:")
ODS = re.compile("[A-Z][0-9]{5}")
DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
ANY_DIGEST = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
PRACTICE = "A81001"
NAMESPACE = "urn:smdr-feed:problem:"


def conform():
    # Nothing compiled is left beside the kit.
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("conform", str(ROOT / "docs/supplier/conform"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("conform", loader))
    loader.exec_module(module)
    return module


KIT = conform()
GOLDEN = [json.loads((ROOT / f"docs/supplier/golden/{name}.json").read_text()) for name in ("ordinary", "nulls")]
# Cases whose document is whole, by id.
WHOLE = set()
# What kind of run it is, see `run`: one that follows links sends whole days only; one without credentials gets nothing.
RUN = os.environ.get("API_RUN")


class Digest:
    """Sets the digest of what is really sent, once that is known."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        request.headers["Content-Digest"] = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"
        return request


def chance(case, name, of):
    """The same for the same case, in each run; not all cases alike."""
    text = f"{name} {case.method} {case.path_parameters} {case.query}"
    return hashlib.sha256(text.encode()).digest()[0] % of


def negative(case, location):
    return case.meta is not None and case.meta.is_negative_at(location)


def whole_day(case):
    """A document that adds up, for the practice and site of the case, and a day."""
    at = case.path_parameters
    # A day of the years in which the clocks change as they do now.
    date = datetime.date(2000 + chance(case, "year", 90), 1 + chance(case, "month", 12), 1 + chance(case, "day", 28))
    at["date"] = date.isoformat()

    class Options:
        ods, device, other_site = at["ods"], "smdrd-api", "other"

    feed = KIT.Receiver.__new__(KIT.Receiver)
    feed.options, feed.site = Options, at["site"]
    template = copy.deepcopy(GOLDEN[chance(case, "template", 2)])
    feed.ordinary = template
    day = feed.whole(date, template)
    day["revision"] = 1 + chance(case, "revision", 5)
    if day["revision"] > 1:
        day["previous"] = "sha256:" + "0" * 64
    return day


def is_delivery(operation):
    return operation is not None and operation.definition.raw.get("operationId") == "putDay"


@schemathesis.hook
def before_generate_body(context, strategy):
    # To make a document that holds to the schema takes seconds; where it leads matters here.
    return strategies.sampled_from(GOLDEN) if RUN == "links" and is_delivery(context.operation) else strategy


@schemathesis.hook
def before_call(context, case, kwargs):
    location = schemathesis.core.parameters.ParameterLocation
    at = case.path_parameters
    ods = at.get("ods")
    if isinstance(ods, str) and ODS.fullmatch(ods) and chance(case, "practice", 8):
        at["ods"] = PRACTICE
    asked = case.query or {}
    days = [asked.get("from"), asked.get("to")]
    # That a range begins before it ends is what a schema cannot say.
    if all(isinstance(day, str) and DATE.fullmatch(day) for day in days) and not negative(case, location.QUERY):
        asked["from"], asked["to"] = sorted(days)
    if is_delivery(case.operation):
        dates = isinstance(at.get("date"), str) and DATE.fullmatch(at["date"])
        right = not any(negative(case, each) for each in (location.PATH, location.HEADER, location.BODY))
        if right and dates and isinstance(case.body, dict) and (RUN == "links" or chance(case, "whole", 5)):
            case.body = whole_day(case)
            WHOLE.add(case.id)
    header = (case.headers or {}).get("Content-Digest")
    # A body that is wrong is to be looked at: its digest is right.
    if header is not None and negative(case, location.BODY) and not negative(case, location.PATH):
        case.headers = {**case.headers, "Content-Digest": ANY_DIGEST}
        header = ANY_DIGEST
    if DIGEST.fullmatch(str(header)):
        kwargs["auth"] = Digest()


@schemathesis.check
def whole_days_are_taken(ctx, response, case):
    """A document that adds up is taken, or is older than what is held."""
    if case.id in WHOLE and response.status_code not in (200, 201, 401, 403, 409):
        raise AssertionError(f"a whole day was answered {response.status_code}: {response.text[:300]}")


@schemathesis.check
def refusals_name_themselves(ctx, response, case):
    """A refusal is problem details whose type is listed for this operation and status, or that of an address or method."""
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    kind = (response.headers.get("content-type") or [""])[0]
    if kind != "application/problem+json":
        raise AssertionError(f"{response.status_code} came as {kind or 'nothing'}")
    problem = response.json()
    name = problem["type"].removeprefix(NAMESPACE)
    if problem["status"] != response.status_code or not problem["type"].startswith(NAMESPACE):
        raise AssertionError(f"{response.status_code} came with {problem}")
    described = case.operation.definition.raw["responses"].get(str(response.status_code), {}).get("x-problems", [])
    if name not in [*described, "no-such-resource", "method-not-allowed"]:
        raise AssertionError(f"{response.status_code} {name} is not described; {described} are")


@schemathesis.check
def answers_bear_their_date(ctx, response, case):
    """A box measures its clock by it."""
    if len(response.headers.get("date") or []) != 1:
        raise AssertionError(f"Date: {response.headers.get('date')}")


@schemathesis.check
def nobody_gets_nothing(ctx, response, case):
    """Without credentials nothing is taken or given, but where the description asks for none."""
    asked = case.operation.definition.raw.get("security") != []
    if RUN == "nobody" and asked and response.status_code < 400:
        raise AssertionError(f"answered {response.status_code} without credentials")
