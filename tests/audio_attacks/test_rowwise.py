import threading

import pytest
import torch

from releasegate.attacks.rowwise import each_row
from releasegate.audio.packages import package
from releasegate.errors import NotFound


@pytest.fixture
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
def test_rows_come_back_in_order_though_the_first_takes_longest():
    second_done = threading.Event()

    def work(row):
        if row[0] == 0:
            assert second_done.wait(20)  # never, if rows were worked on one after the other
        if row[0] == 1:
            second_done.set()
        return row * 2

    audio = torch.arange(6, dtype=torch.float32)[:, None].expand(6, 3)
    assert torch.equal(each_row(work, audio), audio * 2)


def test_rows_may_come_back_longer_and_are_float32():
    made = each_row(lambda row: row.repeat(2).astype("float64"), torch.ones(2, 3))
    assert made.shape == (2, 6)
    assert made.dtype == torch.float32


def test_what_goes_wrong_in_one_row_goes_wrong_for_all():
    def work(row):
        if row[0] == 1:
            raise ZeroDivisionError
        return row

    with pytest.raises(ZeroDivisionError):
        each_row(work, torch.tensor([[0.0], [1.0], [2.0]]))


def test_a_package_that_is_not_there_is_named_with_its_remedy():
    with pytest.raises(NotFound, match="package nonesuch_codec: nonesuch_codec is not installed") as raised:
        package("nonesuch_codec")
    assert raised.value.problems[0].fix == "pip install 'releasegate[audio]'"
