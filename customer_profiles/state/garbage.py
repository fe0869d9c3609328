"""Keeps Python's search for reference cycles out of batches."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_left_alone() -> Iterator[None]:
    """No search for reference cycles meanwhile; also a decorator.

    A batch makes hundreds of thousands of small objects that live as long as it does, and hardly a cycle among them: looking
    through them again and again took a third of the time and found nothing. They are freed by their reference counts.
    """
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()
