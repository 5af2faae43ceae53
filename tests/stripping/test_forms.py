"""The table of forms in docs/leftovers.md is what comes out, and a strip without a copy raises no alarm."""

from __future__ import annotations

import pytest

from tests.stripping.forms import DTYPES, FORMS, PAGE, noise, rewritten, tried


@pytest.mark.slow
def test_the_table_in_the_docs_is_what_comes_out() -> None:
    page = PAGE.read_text()
    assert rewritten(page) == page


@pytest.mark.parametrize("dtype", DTYPES)
def test_other_tensors_and_texts_raise_no_alarm(dtype: str) -> None:
    assert tried(lambda rows, _: noise((200, 512), rows.dtype, 9), DTYPES[dtype], 64) == "no"
    assert (
        tried(lambda rows, folder: (folder / "README.md").write_text("A model.\n") and None, DTYPES[dtype], 64) == "no"
    )


CHEAP = ("each third number of a tensor", "bytes in the other order", "PNG, text chunk", "README.md, in base64")


@pytest.mark.parametrize("form", CHEAP)
def test_a_copy_in_another_form_is_found(form: str) -> None:
    assert tried(FORMS[form], DTYPES["BF16"], 1) == "found"
