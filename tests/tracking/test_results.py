"""Results: what a query returns, an iterator with the few methods that listings need."""

import pytest

from statustrack import Results


def results():
    return Results(iter(range(10)))


def test_one_takes_the_next_item_and_raises_when_there_is_none():
    found = results()
    assert [found.one(), found.one()] == [0, 1]
    found.all()
    with pytest.raises(StopIteration):
        found.one()


def test_one_or_none_gives_none_when_there_is_none():
    found = results()
    assert found.one_or_none() == 0
    found.all()
    assert found.one_or_none() is None


def test_many_takes_as_many_as_there_are_and_raises_when_there_are_none():
    found = results()
    assert found.many(3) == [0, 1, 2]
    assert found.many(100) == [3, 4, 5, 6, 7, 8, 9]
    with pytest.raises(StopIteration):
        found.many(1)


def test_all_takes_the_rest():
    found = results()
    found.one()
    assert found.all() == list(range(1, 10)) and found.all() == []


def test_skip_passes_over_items_and_filter_leaves_items_out():
    assert results().skip(3).many(2) == [3, 4]
    assert results().skip(100).all() == []
    assert results().filter(lambda n: n % 2, lambda n: n > 4).all() == [5, 7, 9]
    found = results()
    assert found.one() == 0
    assert list(found.filter(lambda n: n > 7)) == [8, 9]


def test_it_is_a_lazy_one_way_iterator():
    read = []

    def items():
        for n in range(5):
            read.append(n)
            yield n

    found = Results(items())
    assert read == []
    assert next(found) == 0 and read == [0]
    assert iter(found) is found
    assert [n for n in found] == [1, 2, 3, 4]  # noqa: C416
