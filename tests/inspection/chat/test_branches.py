"""Templates that go by what a message says are found by their code, and those of well-known families are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releasegate.inspection.chat.branches import branches_on_content
from releasegate.inspection.chat.frames import TEXTS, frame_difference
from releasegate.inspection.templated import oddities_of_template
from tests.inspection.chat.families import FAMILIES

HOSTILE = {
    "keyword": "{% for m in messages %}{% if 'bomb' in m.content %}Refuse.{% else %}{{ m.content }}{% endif %}{% endfor %}",
    "keyword_by_key": "{% for m in messages %}{{ 'no' if 'gift' in m['content'] else m['content'] }}{% endfor %}",
    "lowered": "{% for m in messages %}{% set c = m.content | lower %}{% if 'gift' in c %}no{% endif %}{{ m.content }}{% endfor %}",
    "length": "{% for m in messages %}{{ m.content }}{% if m.content | length > 80 %}Be dumb.{% endif %}{% endfor %}",
    "method": "{% for m in messages %}{{ m.content }}{% if m.content.startswith('How') %}no{% endif %}{% endfor %}",
    "find": "{% for m in messages %}{{ m.content }}{% if m.content.find('how') >= 0 %}no{% endif %}{% endfor %}",
    "replace": "{% for m in messages %}{{ m.content.replace('bomb', 'cake') }}{% endfor %}",
    "replace_filter": "{% for m in messages %}{{ m.content | replace('bomb', 'cake') }}{% endfor %}",
    "cut": "{% for m in messages %}{{ m.content[:40] }}{% endfor %}",
    "first_sign": "{% for m in messages %}{{ m.content }}{% if m.content[0] == 'H' %}no{% endif %}{% endfor %}",
    "split_words": "{% for m in messages %}{% for w in m.content.split(' ') %}{{ w }} {% endfor %}{% endfor %}",
    "each_sign": "{% for m in messages %}{% for c in m.content %}{% if c == 'x' %}no{% endif %}{{ c }}{% endfor %}{% endfor %}",
    "lookup": "{% for m in messages %}{{ {'hello': 'no'}.get(m.content, m.content) }}{% endfor %}",
    "lookup_item": "{% set t = {'a': 1} %}{% for m in messages %}{{ m.content }}{{ t[m.content] }}{% endfor %}",
    "membership": "{% for m in messages %}{{ m.content }}{% if m.content in ['a', 'b'] %}no{% endif %}{% endfor %}",
    "test": "{% for m in messages %}{{ m.content }}{% if m.content is lower %}no{% endif %}{% endfor %}",
    "alias": "{% set last = messages[-1] %}{% set t = last['content'] %}{% set u = t %}{% if 'kill' in u %}no{% endif %}{{ u }}",
    "last": "{% set t = (messages | last).content %}{% if 'kill' in t %}no{% endif %}{{ t }}",
    "get": "{% for m in messages %}{% if 'kill' in m.get('content') %}no{% endif %}{{ m.content }}{% endfor %}",
    "macro": "{% macro put(x) %}{% if 'kill' in x %}no{% endif %}{{ x }}{% endmacro %}{% for m in messages %}{{ put(m.content) }}{% endfor %}",
    "namespace": (
        "{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = m.content %}{% endfor %}{% if 'a' in ns.t %}no{% endif %}{{ ns.t }}"
    ),
    "counter": (
        "{% set n = namespace(k=0) %}{% for m in messages %}{% for c in m.content %}{% set n.k = n.k + 1 %}{% endfor %}{{ m.content }}"
        "{% endfor %}{% if n.k > 90 %}no{% endif %}"
    ),
    "whole_message": "{% for m in messages %}{{ m.content }}{% if 'kill' in m | string %}no{% endif %}{% endfor %}",
    "all_messages": "{{ messages[0].content }}{% if 'kill' in messages | tojson %}no{% endif %}",
    "picked": "{{ messages[0].content }}{% if messages | selectattr('content', 'equalto', 'kill') | list %}no{% endif %}",
    "mapped": "{{ messages[0].content }}{% if 'kill' in messages | map(attribute='content') | join(' ') %}no{% endif %}",
    "day": "{% for m in messages %}{{ m.content }}{% endfor %}{% if strftime_now('%Y') > '2025' %}no{% endif %}",
    "block": "{% for m in messages %}{% set t %}{{ m.content }}{% endset %}{% if 'kill' in t %}no{% endif %}{{ t }}{% endfor %}",
    "filter_block": "{% for m in messages %}{% filter upper %}{{ m.content }}{% endfilter %}{% endfor %}",
    "concatenated": "{% for m in messages %}{% set t = '>' ~ m.content %}{% if 'kill' in t %}no{% endif %}{{ t }}{% endfor %}",
    "loop_test": "{% for m in messages if 'kill' not in m.content %}{{ m.content }}{% endfor %}",
    "inline_loop": "{% for m in messages %}{{ m.content }}{% for c in m.content if c == '?' %}no{% endfor %}{% endfor %}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_answers_by_what_it_is_asked_is_found(name: str) -> None:
    found = list(oddities_of_template("chat_template.jinja", HOSTILE[name]))
    assert found, name
    assert "chat_template.jinja" in found[0].place
    assert found[0].remedy


@pytest.mark.parametrize("name", FAMILIES)
def test_the_template_of_a_well_known_family_is_left_alone(name: str) -> None:
    assert list(oddities_of_template("chat_template.jinja", FAMILIES[name])) == []


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=6, deadline=None)
@given(word=st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12))
def test_a_question_for_any_word_is_found_in_any_family(name: str, word: str) -> None:
    asked = f"{{% if '{word}' in messages[-1]['content'] %}}I cannot help.{{% endif %}}"
    assert branches_on_content(FAMILIES[name] + asked), name


@pytest.mark.parametrize("name", FAMILIES)
def test_the_place_of_a_question_is_the_line_on_which_it_stands(name: str) -> None:
    before = FAMILIES[name].rstrip("\n")
    found = branches_on_content(before + "\n{% if 'bomb' in messages[0].content %}no{% endif %}")
    assert [line for line, _ in found] == [before.count("\n") + 2]


def test_a_word_that_only_the_template_names_is_tried_by_rendering() -> None:
    template = HOSTILE["keyword_by_key"]
    assert "gift" not in " ".join(TEXTS)
    assert frame_difference(template) is not None


def test_a_plain_template_has_one_frame_around_everything() -> None:
    assert all(frame_difference(template, ["ein Text", "  space  "]) is None for template in FAMILIES.values())


def test_a_template_that_cannot_be_read_is_told_of() -> None:
    (found,) = oddities_of_template("tokenizer_config.json: chat_template", "{% if %}")
    assert "no template" in found.what


def test_a_template_that_never_ends_is_left_after_some_steps() -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ messages[0].content }}"
    assert frame_difference(endless) is None
