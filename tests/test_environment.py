"""Tiny numbers are zero while they are to be, and only then."""

import pytest
import torch

from bench.environment import flushed

TINY = torch.finfo(torch.float32).tiny


def half_of_tiny() -> float:
    return float(torch.tensor(TINY) / 2)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_tiny_numbers_are_zero_inside_alone():
    assert half_of_tiny() == TINY / 2
    with flushed():
        assert half_of_tiny() == 0
        assert float(torch.tensor(TINY) * 1) == TINY
    assert half_of_tiny() == TINY / 2


def test_an_error_inside_does_not_leave_them_so():
    with pytest.raises(ValueError, match="in vain"), flushed():
        raise ValueError("in vain")
    assert half_of_tiny() == TINY / 2


def test_several_threads_all_keep_them():
    torch.set_num_threads(2)
    many = torch.full((400_000,), TINY)
    with flushed():
        assert (many / 2).count_nonzero() == len(many)
    assert (many / 2).count_nonzero() == len(many)


def test_who_had_them_so_before_has_them_so_after():
    torch.set_flush_denormal(True)
    try:
        with flushed():
            pass
        assert half_of_tiny() == 0
    finally:
        torch.set_flush_denormal(False)
