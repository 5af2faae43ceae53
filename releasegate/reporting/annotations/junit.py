"""JUnit's XML: suites of cases, as Jenkins, GitLab and most CI systems read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

from junitparser import Attr, Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from releasegate.reporting.annotations.annotation import Place, shown

Outcome = Literal["passed", "failure", "error", "skipped"]


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        group: the name of what it belongs to, with dots between its parts (`classname`).
        kind: of the failure or error, in a word.
        text: why, in a sentence.
        detail: more lines, for who opens it.
    """

    name: str
    group: str
    outcome: Outcome
    place: Place
    kind: str = ""
    text: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Suite:
    """Cases that belong together, perhaps none."""

    name: str
    cases: Sequence[Case]
    properties: Mapping[str, str] = field(default_factory=dict)


def junit_xml(name: str, suites: Sequence[Suite]) -> bytes:
    """The document in UTF-8; the same bytes whichever XML library is installed."""
    document = JUnitXml(shown(name))
    for suite in suites:
        made = TestSuite(shown(suite.name))
        for key, value in suite.properties.items():
            made.add_property(shown(key), shown(value))
        made.add_testcases([_case(case) for case in suite.cases])
        made.time = 0
        document.add_testsuite(made)
    document.update_statistics()
    document.time = 0
    tree = ElementTree.fromstring(document.tostring())
    del tree.attrib["skipped"]  # which Jenkins' schema does not know there
    ElementTree.indent(tree, " ")
    canonical = ElementTree.canonicalize(ElementTree.tostring(tree, "unicode"))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{canonical}\n'.encode()


class _Located(TestCase):
    """A case with the place that GitLab shows."""

    file = Attr("file")
    line = Attr("line")


def _case(case: Case) -> TestCase:
    made = _Located(shown(case.name), classname=shown(case.group), time=0)
    made.file, made.line = shown(case.place.file), str(case.place.line)
    if case.outcome != "passed":
        kinds = {"failure": Failure, "error": Error, "skipped": Skipped}
        said = kinds[case.outcome](message=shown(case.text), type_=case.kind)
        if case.detail:
            said.text = shown(case.detail)
        made.result = [said]
    elif case.detail:
        made.system_out = shown(case.detail)
    return made
