"""Batches as barriers, several searches at a time, and what was done before; no Ray."""

import random

from cluster.search.book import Book, Point
from cluster.search.space import Asked, Trial
from cluster.search.within import search_within
from tests.cluster.search.toy_search import ToySearch, toy_loss, toy_rows

ASKED = Asked(trials=10, batch=4)
SEARCHES = ToySearch().searches(toy_rows())


def computed(point: Point) -> Trial:
    return Trial(point.number, point.values, toy_loss(point.values), "complete")


def to_the_end(book: Book, dice: random.Random, at_most: int = 99) -> list[Point]:
    """Settle trials in any order, at most so many under way at a time."""
    order: list[Point] = []
    running: list[Point] = []
    while book.missing:
        while len(running) < at_most and (point := book.take()) is not None:
            running.append(point)
        point = running.pop(dice.randrange(len(running)))
        book.settle(point.search, computed(point))
        order.append(point)
    assert book.take() is None
    return order


def test_any_order_and_number_at_a_time_gives_the_trials_of_a_search_within_a_unit() -> None:
    plain = search_within(lambda v, _: toy_loss(v), SEARCHES[0].space, ASKED, first=SEARCHES[0].defaults)
    for seed in range(5):
        book = Book(SEARCHES, ASKED, {})
        to_the_end(book, random.Random(seed), at_most=seed + 1)
        assert book.trials(0) == book.trials(1) == plain


def test_a_batch_is_a_barrier_for_its_own_search_only() -> None:
    book = Book(SEARCHES, ASKED, {})
    taken = [book.take() for _ in range(9)]
    points = [point for point in taken if point is not None]
    assert sorted((point.search, point.number) for point in points) == [(s, n) for s in (0, 1) for n in range(4)]
    for point in points:
        assert book.take() is None
        if point.search == 1:
            book.settle(1, computed(point))
    following = book.take()
    assert following is not None
    assert (following.search, following.number) == (1, 4)


def test_what_was_done_is_not_done_again() -> None:
    quiet = Book(SEARCHES, ASKED, {})
    to_the_end(quiet, random.Random(0))
    for seed in range(10):
        dice = random.Random(seed)
        done: dict[tuple[int, int], Trial] = {}
        interrupted = Book(SEARCHES, ASKED, {})
        running: list[Point] = []
        for _ in range(dice.randrange(18)):
            while (point := interrupted.take()) is not None:
                running.append(point)
            point = running.pop(dice.randrange(len(running)))
            interrupted.settle(point.search, computed(point))
            done[point.search, point.number] = computed(point)
        book = Book(SEARCHES, ASKED, done)
        assert book.missing == 20 - len(done)
        again = to_the_end(book, dice)
        assert not {(point.search, point.number) for point in again} & done.keys()
        assert (book.trials(0), book.trials(1)) == (quiet.trials(0), quiet.trials(1))


def test_methods_that_do_not_learn_have_no_barrier() -> None:
    book = Book(SEARCHES, Asked(method="random", trials=10), {})
    assert len(list(iter(book.take, None))) == 20
